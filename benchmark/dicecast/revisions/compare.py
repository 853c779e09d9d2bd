"""Everything that moved between two versions of results."""

from __future__ import annotations

from dicecast.revisions.moved_records import moved_records
from dicecast.revisions.moved_rows import moved_rows
from dicecast.revisions.moves import Kind, Move
from dicecast.revisions.snapshot import Snapshot


def compare(old: Snapshot, new: Snapshot, tolerance: float) -> list[Move]:
    """Return all that moved, by kind, records before the rows that follow from them.

    Args:
        old: The results that are trusted.
        new: Those that are to replace them.
        tolerance: By how much a number may differ.
    """
    found: list[Move] = []
    if old.records is not None and new.records is not None:
        found += moved_records(old.records, new.records, tolerance)
    found += moved_rows(old.rows, new.rows, tolerance)
    order = list(Kind)
    return sorted(found, key=lambda move: order.index(move.kind))
