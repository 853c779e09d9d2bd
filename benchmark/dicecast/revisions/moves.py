"""What moved: one value, row or record."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """How something moved; all but ``ADDED`` need a reader's consent."""

    DUPLICATE = "duplicate"
    REMOVED = "removed"
    CHANGED = "changed"
    ADDED = "added"


class Move(NamedTuple):
    """Something that moved.

    Attributes:
        kind: How.
        where: A row of a leaderboard or a record.
        what: Of it; empty where all of it.
        old: The value it had.
        new: The value it has.
    """

    kind: Kind
    where: str
    what: str = ""
    old: str = ""
    new: str = ""
