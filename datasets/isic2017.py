"""ISIC 2017, Part 1: dermoscopy images with the outline of one skin lesion each.

Codella et al. 2018, arXiv:1710.05006. Dicecast does not fetch the images: download the official
release, unpack it into one folder and name that folder with ``--data-root``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from dicecast import register_dataset
from dicecast.data.assemble import Description, assemble
from dicecast.data.cases import IN_DISTRIBUTION, SegmentationData
from dicecast.data.domains import Domain, check_domains, hold_out, leave_out
from dicecast.data.expressions import check_expression
from dicecast.data.images import header_size
from dicecast.data.layout import check_complete, data_root, files_by_stem, stay_inside
from dicecast.data.reading import CaseFiles
from dicecast.data.splits import assign_roles
from dicecast.data.tables import read_meta
from dicecast.errors import DatasetError, SuiteError

_PARTS = {"train": "Training", "validation": "Validation", "test": "Test_v2"}
_ROLES = {"train": "hash", "validation": "validation", "test": "test"}
# Byte for byte the validation image ISIC_0012127, outlined a second time (Dice 0.9).
_REPEATED = 'stem == "ISIC_0012970"'
_LAYOUT = """  ISIC-2017_Training_Data/ISIC_0000000.jpg, ...
  ISIC-2017_Training_Part1_GroundTruth/ISIC_0000000_segmentation.png, ...
  ISIC-2017_Validation_Data, ISIC-2017_Validation_Part1_GroundTruth
  ISIC-2017_Test_v2_Data, ISIC-2017_Test_v2_Part1_GroundTruth    (or leave out both)
  ISIC-2017_..._Part3_GroundTruth.csv    (optional: the columns melanoma, seborrheic_keratosis)"""
_CITATION = (
    "Codella N, Gutman D, Celebi ME, Helba B, Marchetti MA, Dusza S, Kalloo A, Liopyris K, "
    "Mishra N, Kittler H, Halpern A. Skin Lesion Analysis Toward Melanoma Detection: A Challenge "
    "at the 2017 International Symposium on Biomedical Imaging (ISBI), Hosted by the "
    "International Skin Imaging Collaboration (ISIC). arXiv:1710.05006."
)
_TERMS = (
    "CC0 1.0, as the ISIC archive states for this set; check "
    "https://challenge.isic-archive.com/data/ before you use it."
)


@register_dataset("isic2017")
@dataclass(frozen=True)
class Isic2017:
    """ISIC 2017 skin lesions, read from the official release in a folder you name.

    The official test set is the in-distribution test, the official validation set the
    validation role; the official training set gives ``train`` and ``quality``. Expressions may
    name ``stem``, ``split`` (train, validation, test), ``native_width`` and ``native_height``
    (pixels, from the image files), and the columns of the release's CSV files, such as
    ``age_approximate``, ``sex`` and ``melanoma``. The training image ISIC_0012970 is always left
    out: it repeats the validation image ISIC_0012127.

    Attributes:
        channels: Of the images: 3 for colour, 1 for grey.
        quality_fraction: Share of the training set that fits quality heads, cut by hash.
        salt: Another text gives another, equally fixed, cut.
        domains: Test sets of shifted cases, held out of every role; the first match wins.
        exclude: An expression; cases that match are left out.
    """

    channels: int = 3
    quality_fraction: float = 0.25
    salt: str = ""
    domains: tuple[Domain, ...] = ()
    exclude: str = ""

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise SuiteError(
                f"channels must be 3 (colour) or 1 (grey); got {self.channels}. Write one of them."
            )
        if not 0 < self.quality_fraction < 1:
            raise SuiteError(
                "quality_fraction must lie between 0 and 1, both excluded; got "
                f"{self.quality_fraction}. Write a share such as 0.25."
            )
        check_domains(self.domains)
        if self.exclude:
            check_expression(self.exclude)

    def load(self, root: Path | None, size: tuple[int, int]) -> SegmentationData:
        """Read the release; see ``dicecast.data.dataset.Dataset``."""
        root = data_root(root, "isic2017", _LAYOUT)
        parts = _parts(root)
        images, masks = _files(root, parts, "Data"), _files(root, parts, "Part1_GroundTruth")
        everyone = pd.concat(
            [_table(root, split, images[split]) for split in parts], ignore_index=True
        )
        everyone = leave_out(everyone, _REPEATED)
        table = leave_out(everyone, self.exclude)
        files: dict[str, CaseFiles] = {}
        for split, part in parts.items():
            excluded = set(images[split]) - set(table["stem"])
            files |= _pairs(part, images[split], masks[split], excluded)
        fractions = {"train": 1 - self.quality_fraction, "quality": self.quality_fraction}
        table = hold_out(table, assign_roles(table, fractions, _ROLES, self.salt), self.domains)
        official = [IN_DISTRIBUTION] if "test" in parts else []
        return assemble(
            self._description(),
            table,
            files,
            [*official, *(domain.name for domain in self.domains)],
            size,
        )

    def _description(self) -> Description:
        values = {"0": "background", "255": "lesion"}
        return Description(
            "isic2017", ("background", "lesion"), values, self.channels, _CITATION, _TERMS
        )


def _folder(part: str, kind: str) -> str:
    return f"ISIC-2017_{part}_{kind}"


def _parts(root: Path) -> dict[str, str]:
    """Return the parts that are to be read; the test part may be absent, but not half."""
    kinds = ("Data", "Part1_GroundTruth")
    test = any((root / _folder(_PARTS["test"], kind)).is_dir() for kind in kinds)
    parts = {split: part for split, part in _PARTS.items() if split != "test" or test}
    wanted = [_folder(part, kind) for part in parts.values() for kind in kinds]
    missing = [name for name in wanted if not (root / name).is_dir()]
    if missing:
        raise DatasetError(
            f"The folder {root} must hold the ISIC 2017 release; it lacks {', '.join(missing)}. "
            "Download and unpack these from https://challenge.isic-archive.com/data/, so that the "
            f"folder holds:\n{_LAYOUT}"
        )
    return parts


def _files(root: Path, parts: dict[str, str], kind: str) -> dict[str, dict[str, Path]]:
    """Return the images, or the masks, of each part by stem."""
    ending = ".jpg" if kind == "Data" else "_segmentation.png"
    stem_of = partial(_stem, ending=ending)
    return {
        split: files_by_stem(root / _folder(part, kind), root, stem_of)
        for split, part in parts.items()
    }


def _stem(name: str, ending: str) -> str | None:
    """Return ``ISIC_0000000``, or None for superpixels, tables and licences."""
    wanted = name.startswith("ISIC_") and name.lower().endswith(ending)
    return name[: -len(ending)] if wanted else None


def _pairs(
    part: str, images: dict[str, Path], masks: dict[str, Path], excluded: set[str]
) -> dict[str, CaseFiles]:
    kept_images = {stem: path for stem, path in images.items() if stem not in excluded}
    kept_masks = {stem: path for stem, path in masks.items() if stem not in excluded}
    if images and not kept_images:
        return {}
    check_complete(
        {_folder(part, "Data"): kept_images, _folder(part, "Part1_GroundTruth"): kept_masks}
    )
    return {stem: CaseFiles(path, kept_masks[stem]) for stem, path in kept_images.items()}


def _table(root: Path, split: str, images: dict[str, Path]) -> pd.DataFrame:
    """Return one row an image of a part, with what the release's CSV files say of it."""
    sizes = [_native_size(path) for path in images.values()]
    table = pd.DataFrame({"stem": list(images), "group": list(images), "split": split}, dtype=str)
    table["native_height"], table["native_width"] = np.reshape(sizes, (-1, 2)).T
    part = _PARTS[split]
    for path in (
        root / _folder(part, "Data") / f"{_folder(part, 'Data')}_metadata.csv",
        root / f"{_folder(part, 'Part3_GroundTruth')}.csv",
    ):
        if os.path.lexists(path):
            stay_inside(path, root)
            table = table.merge(read_meta(path, "image_id"), on="stem", how="left")
    return table


def _native_size(path: Path) -> tuple[float, float]:
    """Return height and width; of a broken file, which reading will name, not a number."""
    try:
        return header_size(path)
    except DatasetError:
        return np.nan, np.nan
