"""Reads the CSV files that describe cases."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from dicecast.data.problems import listed
from dicecast.errors import DatasetError, control_characters, did_you_mean, shown

TEXT_COLUMNS = ("stem", "group", "split")
"""Read as written: a patient called 007 or NA is neither a number nor missing."""

MOST_COLUMNS = 1000
"""More of them are a table that lies on its side."""


def read_meta(path: Path, key: str = "stem") -> pd.DataFrame:
    """Return the table in a CSV file, one row a case, with a column ``stem``.

    Empty cells and the usual words for them (``NA``, ``nan``) are missing values, except in the
    columns ``stem``, ``group`` and ``split``.

    Args:
        path: The file: UTF-8, commas, the names of the columns in the first line.
        key: The column that holds the stems; renamed to ``stem``.

    Raises:
        DatasetError: The file cannot be read, lacks the key, has a column twice, a stem empty or
            twice, or control characters in a name.
    """
    if not path.is_file():
        raise DatasetError(f"{path} must be a CSV file; it is none. Put the table itself there.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            _check_header([name.strip() for name in next(csv.reader(file), [])], path)
        table = pd.read_csv(path, encoding="utf-8-sig", skipinitialspace=True)
        text = pd.read_csv(path, encoding="utf-8-sig", dtype=str, keep_default_na=False)
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(
            f"{path} must be a CSV file in UTF-8; {type(error).__name__}: {error}. Export it again."
        ) from error
    if not isinstance(table.index, pd.RangeIndex):
        raise DatasetError(
            f"The first line of {path} must name every column; rows have more cells than it. "
            "Correct it."
        )
    text.columns = table.columns = pd.Index([str(name).strip() for name in table.columns])
    if key not in table.columns:
        raise DatasetError(
            f"{path} must have a column '{key}', the names of the files without extension; it has "
            f"{listed(table.columns)}. {did_you_mean(key, table.columns)}"
        )
    for column in {key, *TEXT_COLUMNS}.intersection(table.columns):
        table[column] = text[column].str.strip()
    table = table.rename(columns={key: "stem"})
    _check_stems(table, path)
    return table


def _check_header(names: list[str], path: Path) -> None:
    # Before pandas, which renames the second of two equal columns.
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice or len(names) > MOST_COLUMNS:
        what = f"{listed(map(repr, twice))} twice" if twice else f"{len(names):,} columns"
        raise DatasetError(
            f"The first line of {path} must name every column once, and at most {MOST_COLUMNS:,}; "
            f"it has {what}. Correct it."
        )
    _check_printable(names, "the first line", path)


def _check_printable(texts: Iterable[str], where: str, path: Path) -> None:
    strange = [text for text in texts if control_characters(text)]
    if strange:
        raise DatasetError(
            f"{path} must hold no control characters, such as ends of lines, in {where}; got "
            f"{listed(repr(shown(text)) for text in strange)}. Remove them."
        )


def _check_stems(table: pd.DataFrame, path: Path) -> None:
    twice = sorted(set(table["stem"][table["stem"].duplicated()]))
    if twice:
        raise DatasetError(
            f"{path} must have one row a stem; these stems have more: "
            f"{listed(repr(stem) for stem in twice)}. Remove all but one row of each."
        )
    for column in sorted({*TEXT_COLUMNS}.intersection(table.columns)):
        _check_printable(table[column], f"the column {column}", path)
    for column in ("stem", "group"):
        if column in table.columns and (table[column] == "").any():
            lines = listed(str(row + 2) for row in np.flatnonzero(table[column] == ""))
            raise DatasetError(
                f"{path} must give every case a {column}; lines {lines} have none. Fill them in; "
                "a case without known relatives is a group of its own."
            )
