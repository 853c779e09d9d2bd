"""An export opened: its manifest, its cases by role, and where their predictions are read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dicecast.data.cases import Cases, SegmentationData
from dicecast.data.leaks import check_test_apart
from dicecast.errors import DatasetError
from dicecast.exported.files import ARRAYS, PICTURES, TABLE, inside, part_files, read_cases
from dicecast.exported.manifest import MANIFEST, Manifest, read_manifest
from dicecast.exported.predictions import Layout, PredictionStack, find_predictions
from dicecast.exported.stacks import AbsentImages, ImageStack, MaskStack
from dicecast.stacks import Stack, chunks, select

TRUTH, IMAGES = "truth", "images"
_NO_IMAGES = (
    "The head reads images, and the export has none. Add a folder images/ with a picture a case."
)


class ExportedData(SegmentationData):
    """Cases that were segmented elsewhere: there is no training role, and there may be no quality.

    Without cases of the role ``validation``, those of ``quality`` stand in.
    """

    def roles(self) -> Iterator[tuple[str, Cases]]:
        """Yield every role that has cases."""
        return ((role, cases) for role, cases in super().roles() if len(cases))

    def truth_hash(self) -> str:
        """Return the SHA-256 of what all models are compared on: cases, their roles and truth."""
        digest = hashlib.sha256("\n".join(self.classes).encode())
        for role, cases in self.roles():
            digest.update(f"{role} {cases.masks.shape}\n".encode())
            digest.update(cases.table.to_csv(index=False).encode())
            for rows in chunks(cases.masks):
                digest.update(np.ascontiguousarray(cases.masks[rows]).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Export:
    """An export whose files were found and whose headers were checked.

    Attributes:
        manifest: What its numbers mean.
        layout: What each prediction is made of.
        data: The cases by role, pixels read when they are asked for.
        predictions: The images of each role, and the predictions of the same cases.
        content_hash: SHA-256 of every file.
    """

    manifest: Manifest
    layout: Layout
    data: ExportedData
    predictions: tuple[tuple[Stack[np.uint8], Stack[np.float32]], ...]
    content_hash: str


def open_export(root: Path) -> Export:
    """Open the folder of an export.

    Every file is read once, so that a wrong one is found before anything is computed. Of all
    pixels, those of a few cases are in memory.

    Raises:
        DatasetError: Something in it breaks a rule of docs/bring-your-own-predictions.md.
    """
    if not root.is_dir():
        raise DatasetError(f"There is no folder {root}. Name the folder that holds {MANIFEST}.")
    inside(root / MANIFEST, root)
    manifest, table = read_manifest(root), read_cases(root)
    _check_roles(root, table)
    stems = table["stem"].tolist()
    files = find_predictions(root, stems, manifest)
    truths = part_files(root, TRUTH, stems, (*PICTURES, *ARRAYS))
    images = part_files(root, IMAGES, stems, PICTURES) if (root / IMAGES).is_dir() else []
    whole = Cases(
        table,
        ImageStack(images, files.layout.size)
        if images
        else AbsentImages(len(table), files.layout.size, _NO_IMAGES),
        MaskStack(truths, files.layout.size, manifest.class_of_value),
    )
    data = _by_role(whole, manifest)
    if images:
        check_test_apart(data)
    every = PredictionStack(files.layout, files.paths, files.maps, manifest)
    every.check()
    used = [root / MANIFEST, root / TABLE, *files.paths, *truths, *images]
    used += [path for paths in files.maps.values() for path in paths]
    return Export(
        manifest,
        files.layout,
        data,
        tuple(_predictions(data, whole.stems, every)),
        _hash_of_files(root, used),
    )


def _check_roles(root: Path, table: pd.DataFrame) -> None:
    roles = set(table["role"])
    if "test" not in roles or not roles & {"validation", "quality"}:
        raise DatasetError(
            f"{root / TABLE} must have cases of the role test, and of validation or quality or "
            "both: from which uncertainty on a pixel counts as uncertain is told without the test "
            f"cases. It has {', '.join(sorted(roles)) or 'no case'}. Give some cases another role."
        )


def _by_role(whole: Cases, manifest: Manifest) -> ExportedData:
    role, domain = whole.table["role"].to_numpy(), whole.table["domain"].to_numpy()
    validation, quality = (_rows(whole, role == name) for name in ("validation", "quality"))
    tested = role == "test"
    nothing = _rows(whole, np.zeros(len(whole), np.bool_))
    return ExportedData(
        manifest.suite,
        manifest.classes,
        nothing,
        validation if len(validation) else quality,
        quality,
        {name: _rows(whole, tested & (domain == name)) for name in pd.unique(domain[tested])},
    )


def _rows(whole: Cases, chosen: np.ndarray) -> Cases:
    return whole.select(np.flatnonzero(chosen))


def _predictions(
    data: ExportedData, stems: Iterable[str], every: PredictionStack
) -> Iterator[tuple[Stack[np.uint8], Stack[np.float32]]]:
    place = {stem: row for row, stem in enumerate(stems)}
    for _, cases in data.roles():
        yield cases.images, select(every, np.array([place[stem] for stem in cases.stems]))


def _hash_of_files(root: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(root)} {found}\n".encode())
    return digest.hexdigest()
