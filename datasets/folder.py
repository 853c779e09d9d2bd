"""Images and masks in a folder of the user's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from dicecast import register_dataset
from dicecast.data.assemble import Description, assemble, class_by_value
from dicecast.data.cases import IN_DISTRIBUTION, SegmentationData
from dicecast.data.domains import Domain, check_domains, hold_out, leave_out
from dicecast.data.expressions import check_expression
from dicecast.data.layout import check_complete, data_root, files_by_stem, stay_inside
from dicecast.data.reading import CaseFiles
from dicecast.data.splits import assign_roles, check_fractions, check_split
from dicecast.data.tables import read_meta
from dicecast.errors import DatasetError, SuiteError

_LAYOUT = """  images/STEM.*         one image a case
  masks/STEM.png        its mask
  raters/R/STEM.png     optional: the masks of further raters
  meta.csv              optional: one row a case, with the columns stem, group, split, ..."""


def _shares() -> dict[str, float]:
    return {"train": 0.5, "validation": 0.1, "quality": 0.2, "test": 0.2}


def _binary() -> dict[str, str]:
    return {"0": "background", "1": "foreground", "255": "foreground"}


@register_dataset("folder")
@dataclass(frozen=True)
class Folder:
    """Images and masks in your own folder, cut into roles by patient.

    Attributes:
        channels: Of the images: 3 for colour, 1 for grey.
        classes: Names of the classes; the first is the background.
        mask_values: Name of the class by pixel value of the masks.
        fractions: The share of each role among the cases that are cut by hash.
        split: Role, or ``"hash"``, by value of the column ``split``; empty cuts all by hash.
        salt: Another text gives another, equally fixed, cut.
        domains: Test sets of shifted cases, held out of every role; the first match wins.
        exclude: An expression on the columns of meta.csv; cases that match are left out.
        citation: How to cite the data.
        terms: Under what terms the data may be used.
    """

    channels: int = 3
    classes: tuple[str, ...] = ("background", "foreground")
    mask_values: dict[str, str] = field(default_factory=_binary)
    fractions: dict[str, float] = field(default_factory=_shares)
    split: dict[str, str] = field(default_factory=dict)
    salt: str = ""
    domains: tuple[Domain, ...] = ()
    exclude: str = ""
    citation: str = ""
    terms: str = ""

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise SuiteError(
                f"channels must be 3 (colour) or 1 (grey); got {self.channels}. Write one of them."
            )
        class_by_value(self.classes, self.mask_values)
        check_fractions(self.fractions)
        check_split(self.split)
        check_domains(self.domains)
        if self.exclude:
            check_expression(self.exclude)

    def load(self, root: Path | None, size: tuple[int, int]) -> SegmentationData:
        """Read the folder; see ``dicecast.data.dataset.Dataset``."""
        root = data_root(root, "folder", _LAYOUT)
        parts = {name: files_by_stem(root / name, root) for name in _parts(root)}
        everyone = _table(root, parts)
        table = leave_out(everyone, self.exclude)
        files = _complete(parts, table, set(everyone["stem"]) - set(table["stem"]))
        table = hold_out(
            table, assign_roles(table, self.fractions, self.split, self.salt), self.domains
        )
        description = Description(
            "folder", self.classes, self.mask_values, self.channels, self.citation, self.terms
        )
        return assemble(description, table, files, self._test_sets(), size)

    def _test_sets(self) -> list[str]:
        roles = set(self.split.values()) if self.split else {"hash"}
        by_hash = "hash" in roles and self.fractions.get("test", 0) > 0
        inside = [IN_DISTRIBUTION] if by_hash or "test" in roles else []
        return [*inside, *(domain.name for domain in self.domains)]


def _parts(root: Path) -> list[str]:
    raters = root / "raters"
    if os.path.lexists(raters) and not raters.is_dir():
        raise DatasetError(
            f"{raters} must be a folder with one folder a rater; it is none. Rename it."
        )
    names = sorted(path.name for path in raters.iterdir()) if raters.is_dir() else []
    return ["images", "masks", *(f"raters/{name}" for name in names if name[0] != ".")]


def _table(root: Path, parts: Mapping[str, Mapping[str, Path]]) -> pd.DataFrame:
    """Return one row a case, with its group; without meta.csv, one row an image."""
    path = root / "meta.csv"
    if os.path.lexists(path):
        stay_inside(path, root)
        table = read_meta(path)
    else:
        table = pd.DataFrame({"stem": list(parts["images"])}, dtype=str)
    return table if "group" in table.columns else table.assign(group=table["stem"])


def _complete(
    parts: Mapping[str, Mapping[str, Path]], table: pd.DataFrame, excluded: set[str]
) -> dict[str, CaseFiles]:
    """Return the files of every case that is not excluded."""
    kept = {
        name: {s: p for s, p in part.items() if s not in excluded} for name, part in parts.items()
    }
    check_complete({**kept, "meta.csv": set(table["stem"])})
    images, masks, *raters = kept.values()
    return {
        stem: CaseFiles(images[stem], masks[stem], tuple(rater[stem] for rater in raters))
        for stem in table["stem"]
    }
