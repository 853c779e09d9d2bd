"""Finds the files of a dataset in the user's folder, and that none is missing or astray."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from dicecast.data.problems import listed, raise_problems
from dicecast.errors import DatasetError, control_characters, shown

_DESKTOP_FILES = ("Thumbs.db", "desktop.ini")


def data_root(root: Path | None, dataset: str, layout: str) -> Path:
    """Return the folder that the user named, made absolute.

    Args:
        root: What the user named, or None.
        dataset: The dataset's registered name, for the message.
        layout: What the folder should look like, for the message.

    Raises:
        DatasetError: None was named, or it is no folder.
    """
    if root is not None and root.is_dir():
        return root.resolve()
    received = "none was named" if root is None else f"{root} is no folder"
    raise DatasetError(
        f"The dataset '{dataset}' must have a folder to read; {received}. Name it with "
        f"--data-root DIR, where DIR holds:\n{layout}"
    )


def plain_stem(name: str) -> str | None:
    """Return a file's name without its extension; None for files that a desktop leaves."""
    return None if name.startswith(".") or name in _DESKTOP_FILES else Path(name).stem


def files_by_stem(
    folder: Path, root: Path, stem_of: Callable[[str], str | None] = plain_stem
) -> dict[str, Path]:
    """Return the files of one folder by stem, sorted.

    Args:
        folder: Read without its subfolders.
        root: The data root, which no link may leave.
        stem_of: The stem of a file's name, or None to pass over the file.

    Raises:
        DatasetError: The folder is missing, holds a folder, a pipe, a name with control characters
            or two files of one stem, or a link in it leads out of the root.
    """
    if not folder.is_dir():
        raise DatasetError(
            f"The data root must hold a folder {_named(folder, root)}; there is none in {root}. "
            "Add it, or name another folder with --data-root DIR."
        )
    stay_inside(folder, root)
    found: dict[str, list[Path]] = defaultdict(list)
    folders, strange = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            stem = stem_of(entry.name)
            if stem is None:
                continue
            if entry.is_symlink():
                stay_inside(Path(entry.path), root)
            if entry.is_dir():
                folders.append(_named(Path(entry.path), root))
            elif not entry.is_file() or control_characters(entry.name):
                strange.append(shown(_named(Path(entry.path), root)))
            found[stem].append(Path(entry.path))
    raise_problems(
        sorted(folders),
        f"{_named(folder, root)} must hold files only; folders in it:",
        "Move their files up, or the folder elsewhere.",
    )
    raise_problems(
        sorted(strange),
        f"{_named(folder, root)} must hold files whose names have no control characters, and no "
        "links to nothing, pipes or devices:",
        "Rename or remove them.",
    )
    _refuse_twins(found, root)
    return {stem: paths[0] for stem, paths in sorted(found.items())}


def _refuse_twins(found: Mapping[str, list[Path]], root: Path) -> None:
    raise_problems(
        [
            " and ".join(sorted(_named(path, root) for path in paths))
            for _, paths in sorted(found.items())
            if len(paths) > 1
        ],
        "A stem must belong to one file of a folder; files that share one:",
        "Rename one of each, or remove it.",
    )


def stay_inside(path: Path, root: Path) -> None:
    """Raise DatasetError where a link leads out of the root, or in a circle."""
    try:
        target = path.resolve()
    except (OSError, RuntimeError) as error:
        raise DatasetError(
            f"{_named(path, root)} in the data root {root} is a link that leads nowhere, or in a "
            "circle. Put the file itself there."
        ) from error
    if not target.is_relative_to(root.resolve()):
        raise DatasetError(
            f"Every file must lie under the data root {root}; {_named(path, root)} is a link to "
            f"{target}. Copy the data there, or name the real folder with --data-root DIR."
        )


def check_complete(parts: Mapping[str, Collection[str]]) -> None:
    """Raise DatasetError unless every part has the same stems.

    Args:
        parts: Stems by the name of a part, such as ``images``, ``masks`` and ``meta.csv``.
    """
    every = {stem for stems in parts.values() for stem in stems}
    gaps = []
    for part, stems in parts.items():
        missing = sorted(every.difference(stems))
        if missing:
            gaps.append(f"{part} lacks {listed(missing)} ({len(missing)} in all)")
    if gaps:
        raise DatasetError(
            f"Every case must be in each of {', '.join(parts)}, under the same stem; "
            f"{'; '.join(gaps)}. Add these, remove what belongs to no case, or leave the cases "
            "out with the setting exclude."
        )
    if not every:
        raise DatasetError(
            f"The dataset must hold cases; {', '.join(parts)} hold none that is not excluded. "
            "Name the folder that has the images with --data-root DIR."
        )


def _named(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
