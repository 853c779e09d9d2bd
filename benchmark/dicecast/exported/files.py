"""Finds the files of an export by the names of its cases: none missing, astray or from outside."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from dicecast.data.cases import IN_DISTRIBUTION
from dicecast.data.layout import plain_stem
from dicecast.data.problems import raise_problems
from dicecast.data.splits import check_groups
from dicecast.data.tables import read_meta
from dicecast.errors import DatasetError, did_you_mean

TABLE = "cases.csv"
ROLES = ("validation", "quality", "test")
ARRAYS = (".npz", ".npy", ".nii.gz", ".nii")
PICTURES = (".png", ".tif", ".tiff", ".bmp")


def read_cases(root: Path) -> pd.DataFrame:
    """Return the table ``cases.csv``: the text columns stem, role, group and domain.

    A case without a group is one of its own; one without a domain is in distribution.

    Raises:
        DatasetError: It breaks a rule; the text says which, and names the cases.
    """
    path = inside(root / TABLE, root)
    table = read_meta(path)
    if "role" not in table.columns:
        raise DatasetError(
            f"{path} must have a column 'role', one of {', '.join(ROLES)} a case; it has "
            f"{', '.join(map(str, table.columns))}. Add it."
        )
    group, domain = (_text(table, column) for column in ("group", "domain"))
    table["group"] = group.mask(group == "", table["stem"])
    table["domain"] = domain.mask(domain == "", IN_DISTRIBUTION)
    table["role"] = _text(table, "role")
    raise_problems(_wrong_cells(table), f"{path} breaks a rule.", "Correct these cells.")
    check_groups(table)
    return table[["stem", "role", "group", "domain"]]


def _text(table: pd.DataFrame, column: str) -> pd.Series[str]:
    """Return a column as text, empty where a cell or the column is missing."""
    if column not in table:
        return pd.Series("", index=table.index)
    return table[column].fillna("").astype(str).str.strip()


def _wrong_cells(table: pd.DataFrame) -> Iterator[str]:
    for row, (stem, role, domain) in enumerate(
        zip(table["stem"], table["role"], table["domain"], strict=True), start=2
    ):
        if role not in ROLES:
            yield f"line {row}: {role!r} is no role. {did_you_mean(role, ROLES)}"
        for what, name in (("stem", stem), ("domain", domain)):
            if not name.isprintable() or name.startswith(".") or set(name) & set("/\\"):
                yield f"line {row}: the {what} {name!a} is no plain name, as of a file"


def folders(root: Path, part: str) -> list[str]:
    """Return the names of the folders in a part of the export, sorted; none where it is absent."""
    place = root / part
    if not place.is_dir():
        return []
    return sorted(entry.name for entry in os.scandir(inside(place, root)) if entry.is_dir())


def part_files(root: Path, part: str, stems: Sequence[str], suffixes: Sequence[str]) -> list[Path]:
    """Return the file of each case in a folder of the export, in the order of the stems.

    Args:
        root: The folder of the export, which no link may leave.
        part: The folder in it.
        stems: Of all cases.
        suffixes: Those that are read.

    Raises:
        DatasetError: A case has no file or two, a file belongs to no case or is of another kind.
    """
    if not (root / part).is_dir():
        raise DatasetError(
            f"{root} must hold a folder {part}/ with a file a case; it has none. Add it."
        )
    found: dict[str, list[str]] = defaultdict(list)
    problems = []
    for entry in sorted(os.scandir(inside(root / part, root)), key=lambda entry: entry.name):
        if plain_stem(entry.name) is None:
            continue
        suffix = next((end for end in suffixes if entry.name.lower().endswith(end)), None)
        if suffix is None or not inside(Path(entry.path), root).is_file():
            problems.append(f"{part}/{entry.name!a} is no file that ends in {', '.join(suffixes)}")
        else:
            found[entry.name[: -len(suffix)]].append(entry.name)
    problems += [f"{part}/ lacks the case {stem!a}" for stem in stems if stem not in found]
    known = set(stems)
    problems += [
        f"{part}/{names[0]!a} is of no case in {TABLE}"
        for stem, names in found.items()
        if stem not in known
    ]
    problems += [
        f"{' and '.join(names)} in {part}/ are of one case"
        for names in found.values()
        if len(names) > 1
    ]
    raise_problems(
        problems,
        f"{root / part} must hold one file for each case of {TABLE}, and nothing else.",
        f"Add or remove files, or rows of {TABLE}.",
    )
    return [root / part / found[stem][0] for stem in stems]


def inside(path: Path, root: Path) -> Path:
    """Return the path.

    Raises:
        DatasetError: A link in it leads out of the root.
    """
    target = path.resolve()
    if not target.is_relative_to(root.resolve()):
        raise DatasetError(
            f"Every file of an export must lie in its folder; {path} is a link to {target}. Copy "
            "the file there."
        )
    return path
