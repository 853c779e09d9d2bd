"""What moved in records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from dicecast.records import TABLES, Record
from dicecast.revisions.moves import Kind, Move
from dicecast.revisions.numbers import same
from dicecast.revisions.snapshot import RecordKey

Records = dict[RecordKey, Record]

MAY_DIFFER = {"schema_version", "seconds", "peak_memory_mb", "machine", "packages", "determinism"}
"""What another run of the same may say otherwise; so may the hash of this package's sources."""

_KEYS = ["domain", "stem", "map", "name", "x"]
"""Columns of which a table has those that tell its rows apart."""


def moved_records(old: Records, new: Records, tolerance: float) -> Iterator[Move]:
    """Yield records that were removed or added, and what changed in others."""
    for key in sorted(old.keys() - new.keys()):
        yield Move(Kind.REMOVED, str(key), "record")
    for key in sorted(new.keys() - old.keys()):
        yield Move(Kind.ADDED, str(key), "record")
    for key in sorted(old.keys() & new.keys()):
        yield from _moved_facts(str(key), old[key], new[key], tolerance)
        yield from _moved_tables(str(key), old[key], new[key], tolerance)


def _moved_facts(where: str, old: Record, new: Record, tolerance: float) -> Iterator[Move]:
    before, after = (_facts(record) for record in (old, new))
    for name in sorted(before.keys() | after.keys()):
        held, found = before.get(name), after.get(name)
        if not same(held, found, tolerance):
            yield Move(Kind.CHANGED, where, name.replace("_", " "), *_shown(held, found))


def _facts(record: Record) -> dict[str, object]:
    """Return what the sidecar says; hashes one by one, but those of the tables."""
    facts = record.sidecar.model_dump(mode="json", exclude=MAY_DIFFER)
    hashes = facts.pop("hashes")
    others = hashes.keys() - {*TABLES, "code"}
    return facts | {f"{name} hash": hashes[name] for name in others}


def _shown(old: object, new: object) -> tuple[str, str]:
    """Return both values; of settings, those of the first key that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *new]:
            if old.get(key) != new.get(key):
                held, found = _shown(old.get(key), new.get(key))
                return f"{key}: {held}", f"{key}: {found}"
    return str(old), str(new)


def _moved_tables(where: str, old: Record, new: Record, tolerance: float) -> Iterator[Move]:
    for name in TABLES:
        before, after = old.tables.get(name), new.tables.get(name)
        if before is not None and after is not None:
            if old.sidecar.hashes.get(name) != new.sidecar.hashes.get(name):
                yield from _moved_cells(where, name, before, after, tolerance)
        elif before is not None:
            yield Move(Kind.REMOVED, where, f"table of {name}")
        elif after is not None:
            yield Move(Kind.CHANGED, where, f"a new table of {name}")


def _moved_cells(
    where: str, name: str, old: pd.DataFrame, new: pd.DataFrame, tolerance: float
) -> Iterator[Move]:
    keys = [key for key in _KEYS if key in old and key in new]
    before, after = (_indexed(table, keys) for table in (old, new))
    # A record that was there is changed by what is added to it.
    for kind, word, one, other in (
        (Kind.REMOVED, "", before, after),
        (Kind.CHANGED, "new ", after, before),
    ):
        rows = one.index.difference(other.index)
        if len(rows):
            first = " / ".join(map(str, rows[0]))
            yield Move(kind, where, f"{len(rows)} {word}rows of {name}, such as {first}")
        columns = [str(column) for column in one if column not in other]
        if columns:
            what = f"{len(columns)} {word}columns of {name}, such as {columns[0]}"
            yield Move(kind, where, what)
    if before.index.has_duplicates or after.index.has_duplicates:
        yield Move(Kind.DUPLICATE, where, f"rows of {name}")
        return
    rows = before.index.intersection(after.index)
    shared = [str(column) for column in before if column in after]
    pairs = before.reindex(rows)[shared], after.reindex(rows)[shared]
    for column in shared:
        move = _moved_column(pairs[0][column], pairs[1][column], tolerance)
        if move:
            yield Move(Kind.CHANGED, where, f"{name}: {move[0]}", *move[1:])


def _indexed(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return table.set_index(keys).sort_index()


def _moved_column(
    old: pd.Series[Any], new: pd.Series[Any], tolerance: float
) -> tuple[str, str, str] | None:
    """Return how many values of a column changed, and both values where they changed most."""
    if old.dtype.kind == new.dtype.kind == "f":
        distance = (old - new).abs().mask(old.isna() != new.isna(), np.inf).to_numpy()
        moved = np.where(distance > tolerance, distance, 0.0)
    else:
        moved = (old.astype(str) != new.astype(str)).to_numpy().astype(float)
    if not moved.any():
        return None
    row = int(moved.argmax())
    most = " / ".join(map(str, old.index[row]))
    counts = f"{np.count_nonzero(moved)} of {len(old)}"
    return f"{old.name} of {counts} rows, most of {most}", str(old.iloc[row]), str(new.iloc[row])
