"""Removes what is no longer wanted from a store, also beside a running process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from filelock import Timeout

from dicecast.errors import DicecastError, did_you_mean
from dicecast.manifest import DamageError, check_artifact
from dicecast.store_contents import Stored
from dicecast.store_layout import DAMAGED, HALF, Entry, beside, lock_of, remove

SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True)
class Wanted:
    """Which artifacts are to go; what is left of killed or damaged ones goes with them.

    Attributes:
        now: Seconds since 1970, from which age is counted.
        older_than: Days; None is any age.
        stages: Of these alone; of all where empty.
        damaged: Those alone that are not what was written. Every byte is read.
    """

    now: float
    older_than: float | None = None
    stages: tuple[str, ...] = ()
    damaged: bool = False

    def reason(self, stored: Stored) -> str:
        """Return why an artifact is to go; empty where it is to stay."""
        entry = stored.entry
        if self.stages and entry.stage not in self.stages:
            return ""
        if entry.mark:
            return {HALF: "half written", DAMAGED: "set aside as damaged"}[entry.mark]
        if self.older_than is not None and not self._older(stored, self.older_than):
            return ""
        if self.damaged:
            return _damage(entry.path)
        if self.older_than is not None:
            return "old"
        return "of this stage" if self.stages else ""

    def _older(self, stored: Stored, days: float) -> bool:
        return self.now - stored.modified > days * SECONDS_A_DAY


class Pruned(NamedTuple):
    """What came of one that was to go.

    Attributes:
        stored: Which.
        reason: Why.
        in_use: Whether it stays, since a process writes it.
    """

    stored: Stored
    reason: str
    in_use: bool


def prune(held: Sequence[Stored], wanted: Wanted, dry_run: bool = False) -> Iterator[Pruned]:
    """Remove what is wanted gone, and yield it.

    A process that is about to use an artifact finds none there, and computes it again; one that
    has it open reads on. What a process writes at the moment stays: its lock is held.

    Raises:
        DicecastError: A stage that the store does not have, or something cannot be removed.
    """
    known = {stored.entry.stage for stored in held}
    for stage in wanted.stages:
        if stage not in known:
            raise DicecastError(f"The store has no stage '{stage}'. {did_you_mean(stage, known)}")
    for stored in held:
        reason = wanted.reason(stored)
        if reason:
            yield Pruned(stored, reason, in_use=not _remove(stored.entry, dry_run))


def _remove(entry: Entry, dry_run: bool) -> bool:
    """Remove a folder, unless its lock is held; return whether it goes."""
    lock = lock_of(entry.place)
    try:
        with lock.acquire(timeout=0):
            if not dry_run:
                _vanish(entry)
    except Timeout:
        return False
    except OSError as error:
        raise DicecastError(
            f"{entry.path} cannot be removed: {error.strerror or error}. The store must be "
            "writable."
        ) from error
    return True


def _vanish(entry: Entry) -> None:
    """Let a folder vanish in one piece, so that nobody reads half of it."""
    gone = beside(entry.place, HALF)
    try:
        entry.path.rename(gone)
    except FileNotFoundError:
        return
    remove(gone)


def _damage(path: Path) -> str:
    try:
        check_artifact(path)
    except DamageError as error:
        return f"damaged: {error}"
    except FileNotFoundError as error:
        return f"damaged: {Path(error.filename).name} is missing"
    except OSError as error:
        raise DicecastError(f"{path} cannot be read: {error.strerror}.") from error
    return ""
