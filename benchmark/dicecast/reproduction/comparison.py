"""Compares the tables of a record with those of the same record computed again, case by case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from dicecast.records import CASES, Record


class Deviation(NamedTuple):
    """Something that was not computed again as it is in the record.

    Attributes:
        where: The table and column.
        what: In words, with the case that differs most.
        size: The largest difference of a case as a share of the column's largest absolute value;
            infinite where it is none of numbers.
    """

    where: str
    what: str
    size: float = np.inf


def deviations(then: Record, now: Record) -> list[Deviation]:
    """Return what of a record's tables differs by a bit or more; columns that are new do not."""
    if then.sidecar.status != now.sidecar.status:
        said = f"status {then.sidecar.status} then, {now.sidecar.status} now"
        return [Deviation("record", f"{said}: {now.sidecar.error or then.sidecar.error}")]
    if then.sidecar.error != now.sidecar.error:
        return [Deviation("record", f"failed then: {then.sidecar.error}; now: {now.sidecar.error}")]
    return [found for name in then.tables for found in _of_table(name, then, now)]


def _of_table(name: str, then: Record, now: Record) -> Iterator[Deviation]:
    if name not in now.tables:
        yield Deviation(name, "this table was not made again")
        return
    old, new = then.tables[name], now.tables[name]
    if len(old) != len(new):
        yield Deviation(name, f"{len(old)} rows then, {len(new)} now")
        return
    rows = _rows(name, old)
    for column in old.columns:
        where = f"{name}: {column}"
        if column not in new:
            yield Deviation(where, "this column was not made again")
        elif not old[column].equals(new[column]):
            yield _of_column(where, old[column], new[column], rows)


def _of_column(where: str, old: pd.Series, new: pd.Series, rows: pd.Series) -> Deviation:
    numbers = pd.api.types.is_numeric_dtype(old) and pd.api.types.is_numeric_dtype(new)
    if not numbers or pd.api.types.is_bool_dtype(old):
        differ = (old != new) & ~(old.isna() & new.isna())
        return Deviation(
            where, f"{differ.sum()} of {len(old)} differ, first {rows[differ].iloc[0]}"
        )
    before, after = old.to_numpy(np.float64), new.to_numpy(np.float64)
    undefined = np.isnan(before) != np.isnan(after)
    if undefined.any():
        return Deviation(where, f"{rows[undefined].iloc[0]} is undefined in one of both")
    same = (before == after) | np.isnan(before)
    difference = np.where(same, 0.0, np.abs(after - before))
    at = int(np.argmax(difference))
    scale = float(np.nanmax(np.abs(before)))
    said = f"{int((~same).sum())} of {len(old)} differ; most {rows.iloc[at]}: {before[at]:.9g} then"
    size = float(difference[at]) / scale if scale else np.inf
    return Deviation(where, f"{said}, {after[at]:.9g} now", size)


def _rows(name: str, table: pd.DataFrame) -> pd.Series:
    """Return what each row is called."""
    if name == CASES or "stem" in table:
        return "case " + table["stem"].astype(str)
    return pd.Series([f"row {row}" for row in range(len(table))])
