"""What moved in leaderboards."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from dicecast.revisions.moves import Kind, Move
from dicecast.revisions.numbers import number, same
from dicecast.revisions.snapshot import KEY

RANKS = ("rank", "rank_high", "chosen_rank", "chosen_rank_high")
"""Columns that one more row may move in all others; they are not compared."""


def moved_rows(old: pd.DataFrame, new: pd.DataFrame, tolerance: float) -> Iterator[Move]:
    """Yield rows that were removed, added or are there twice, and cells that changed."""
    before, after = _by_key(old), _by_key(new)
    for key, held in after.items():
        if len(held) > 1:
            yield Move(Kind.DUPLICATE, _title(key), "row", "", f"{len(held)} times")
    for key in sorted(before.keys() - after.keys()):
        yield Move(Kind.REMOVED, _title(key), "row")
    for key in sorted(after.keys() - before.keys()):
        yield Move(Kind.ADDED, _title(key), "row")
    for name in [name for name in old if name not in new] if len(after) else []:
        yield Move(Kind.REMOVED, "leaderboard.csv", f"column {name}")
    for key in [key for key in before if key in after]:
        names = _moved_cells(before[key][0], after[key][0], tolerance)
        if names:
            more = f" and {len(names) - 1} more columns" if len(names) > 1 else ""
            cells = (rows[key][0][names[0]] for rows in (before, after))
            yield Move(Kind.CHANGED, _title(key), f"{names[0]}{more}", *cells)


Key = tuple[str, ...]
Row = dict[str, str]


def _by_key(table: pd.DataFrame) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = {}
    # Sorted, so that what is yielded does not depend on the order of the rows.
    for row in table.sort_values(KEY, kind="stable").to_dict(orient="records"):
        texts = {str(name): str(value) for name, value in row.items()}
        found.setdefault(tuple(texts[name] for name in KEY), []).append(texts)
    return found


def _title(key: Key) -> str:
    return " / ".join(part for part in key if part)


def _moved_cells(old: Row, new: Row, tolerance: float) -> list[str]:
    return [
        name
        for name in old
        if name in new and name not in RANKS and not _same(old[name], new[name], tolerance)
    ]


def _same(old: str, new: str, tolerance: float) -> bool:
    numbers = number(old), number(new)
    return old == new or (None not in numbers and same(*numbers, tolerance))
