"""From a table of cases and their files to a dataset cut into roles, with every check."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dicecast.data.cases import Cases, SegmentationData
from dicecast.data.problems import raise_problems
from dicecast.data.reading import CaseFiles, PixelForm, Pixels, read_pixels
from dicecast.data.splits import ROLES, check_groups
from dicecast.errors import DatasetError, SuiteError, did_you_mean
from dicecast.stacks import select


@dataclass(frozen=True)
class Description:
    """What a dataset says of itself, and how its pixels are read.

    Attributes:
        name: The registered name.
        classes: Names of the classes; index 0 is the background.
        mask_values: Name of the class by pixel value, as text.
        channels: Of the images, 3 or 1.
        citation: How to cite the data.
        terms: Under what terms the data may be used.
    """

    name: str
    classes: tuple[str, ...]
    mask_values: Mapping[str, str]
    channels: int
    citation: str = ""
    terms: str = ""

    def form(self, size: tuple[int, int]) -> PixelForm:
        """Return what pixels become at ``size`` (height, width)."""
        return PixelForm(size, self.channels, class_by_value(self.classes, self.mask_values))


def class_by_value(classes: Sequence[str], mask_values: Mapping[str, str]) -> dict[int, int]:
    """Return the index of the class by pixel value.

    Raises:
        SuiteError: A value is no whole number in 0..65535, or a class is unknown or has none.
    """
    found: dict[int, int] = {}
    for value, name in mask_values.items():
        if not (value.isascii() and value.isdigit() and int(value) < 65536):
            raise SuiteError(
                "mask_values must give a class to pixel values, whole numbers between 0 and "
                f"65535; got '{value}'. Write, for example, 255 = \"foreground\"."
            )
        if name not in classes:
            raise SuiteError(
                f"mask_values must name classes; '{name}' of pixel value {value} is none. "
                f"{did_you_mean(name, classes)}"
            )
        found[int(value)] = classes.index(name)
    without = [name for index, name in enumerate(classes) if index not in found.values()]
    if without:
        raise SuiteError(
            f"Every class must have a pixel value in mask_values; {', '.join(without)} has none. "
            "Add it, or remove the class."
        )
    return found


def assemble(
    description: Description,
    table: pd.DataFrame,
    files: Mapping[str, CaseFiles],
    domains: Sequence[str],
    size: tuple[int, int],
) -> SegmentationData:
    """Read every case of a table and return the dataset.

    Args:
        description: Of the dataset.
        table: With the columns ``stem``, ``group``, ``role`` (see ``splits.ROLES``) and
            ``domain``; further columns are kept.
        files: By stem, one for each row.
        domains: The test sets to return, in order; each must get cases.
        size: Height and width to which everything is resized.

    Raises:
        DatasetError: A group or an image is in two roles, or files cannot be used.
    """
    if not domains:
        raise DatasetError(
            f"The dataset '{description.name}' must have cases to test on; it has neither a test "
            "part nor a domain. Give it one."
        )
    if table.empty:
        raise DatasetError(
            f"The dataset '{description.name}' must hold cases; all are excluded. Narrow the "
            "setting exclude."
        )
    check_groups(table)
    table = table.iloc[_order(table, domains)].reset_index(drop=True)
    pixels = read_pixels([files[stem] for stem in table["stem"]], description.form(size))
    check_leaks(table, files, pixels.fingerprints)
    test = {
        name: _cases(table, pixels, (table["role"] == "test") & (table["domain"] == name))
        for name in domains
    }
    return SegmentationData(
        description.name,
        description.classes,
        train=_cases(table, pixels, table["role"] == "train"),
        validation=_cases(table, pixels, table["role"] == "validation"),
        quality=_cases(table, pixels, table["role"] == "quality"),
        test=test,
        citation=description.citation,
        terms=description.terms,
    )


def _order(table: pd.DataFrame, domains: Sequence[str]) -> list[int]:
    """Return rows by role, domain and stem: each role is then one stretch, a view to cut out."""
    places = [
        (ROLES.index(role), domains.index(domain) if role == "test" else 0, stem)
        for role, domain, stem in zip(table["role"], table["domain"], table["stem"], strict=True)
    ]
    return sorted(range(len(table)), key=places.__getitem__)


def check_leaks(
    table: pd.DataFrame, files: Mapping[str, CaseFiles], fingerprints: Sequence[str]
) -> None:
    """Raise DatasetError where the same image is in two roles; within a role it may repeat."""
    twins: dict[str, dict[str, str]] = defaultdict(dict)
    for stem, role, fingerprint in zip(table["stem"], table["role"], fingerprints, strict=True):
        twins[fingerprint].setdefault(role, stem)
    raise_problems(
        [
            " and ".join(f"{files[stem].image} ({role})" for role, stem in found.items())
            for found in twins.values()
            if len(found) > 1
        ],
        "No image may be in two roles, or what is tested was trained on; the same image:",
        "Give both one group, or leave one out with the setting exclude.",
    )


def _cases(table: pd.DataFrame, pixels: Pixels, rows: pd.Series[bool]) -> Cases:
    places = np.flatnonzero(rows.to_numpy())
    stretch = slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0)
    return Cases(
        table.iloc[stretch].drop(columns="role").reset_index(drop=True),
        select(pixels.images, stretch),
        select(pixels.masks, stretch),
        None if pixels.raters is None else select(pixels.raters, stretch),
    )
