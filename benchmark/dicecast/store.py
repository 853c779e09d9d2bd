"""Stored results of stages, found by what they were computed from."""

from __future__ import annotations

import errno
import logging
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import Timeout

from dicecast.artifact import Artifact, read_artifact, to_disk, write_artifact
from dicecast.errors import DicecastError
from dicecast.identity import hash_of
from dicecast.manifest import DamageError
from dicecast.stopwatch import timed
from dicecast.store_layout import DAMAGED, HALF, beside, leftovers, lock_of, remove

__all__ = ["Artifact", "Store", "StoreError"]

SECONDS_BEFORE_A_WORD = 5.0
"""How long a lock is waited for in silence."""

_LOG = logging.getLogger(__name__)
_UNREADABLE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EIO)
"""What the system says of a file that is not there or not whole; else it is of us or of the way."""


class StoreError(DicecastError):
    """A store cannot be read or written: no fault of what is computed, so the run stops."""


class Store:
    """A folder of artifacts, ``<root>/<stage>/<hash of identity>/``.

    An artifact is written beside its place and renamed into it, so one that is half-written is
    never seen; its manifest holds the SHA-256 of each file, checked on every read, so one that was
    damaged later is never used: it is set aside and computed again. A lock for each artifact lets
    several processes share a store without computing anything twice. No clock is asked.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, stage: str, identity: Any) -> Path:
        """Return the folder of the artifact of ``stage`` computed from ``identity``."""
        return self.root / stage / hash_of(identity)

    def find(self, stage: str, identity: Any) -> Artifact | None:
        """Return the artifact, or None where there is none or it is damaged.

        Raises:
            StoreError: It cannot be read, or is damaged and cannot be set aside.
        """
        place = self.place(stage, identity)
        try:
            return self._read(place)
        except DamageError:
            return self._read_or_set_aside(place)

    def get(self, stage: str, identity: Any, make: Callable[[], Artifact]) -> Artifact:
        """Return the stored artifact, or make, store and return it.

        Args:
            stage: The name of the stage.
            identity: Everything the artifact depends on; see ``describe``.
            make: Computes the artifact. If it raises, nothing is stored.

        Raises:
            StoreError: The store cannot be read or written.
        """
        found = self.find(stage, identity)
        if found is not None:
            return found
        place = self.place(stage, identity)
        with self._locked(place):
            found = self.find(stage, identity)
            if found is not None:
                return found
            artifact = make()
            self._write(place, identity, artifact)
        return artifact

    def _publish(self, half: Path, place: Path) -> None:
        """Put an artifact where others look for it, before it is seen here."""

    @contextmanager
    def _locked(self, place: Path) -> Iterator[None]:
        """Hold the artifact's lock; what a process that was killed left half-done goes."""
        lock = lock_of(place)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=SECONDS_BEFORE_A_WORD)
            except Timeout:
                _LOG.warning("Waiting for another process, which computes %s.", place)
                lock.acquire()
        except (OSError, NotImplementedError) as error:
            raise self._unwritable(error) from error
        try:
            for left in leftovers(place):
                remove(left)
            yield
        finally:
            lock.release()

    def _unwritable(self, error: OSError | NotImplementedError) -> StoreError:
        what = getattr(error, "strerror", None) or error
        remedy = "Free some space, or name another folder with --store DIR."
        if getattr(error, "errno", None) in (errno.EROFS, errno.EACCES, errno.EPERM):
            remedy = (
                "What it holds can be used, but something is not in it: name a folder that you "
                "may write with --store DIR."
            )
        return StoreError(f"The store {self.root} cannot be written: {what}. {remedy}")

    @timed("read")
    def _read(self, place: Path) -> Artifact | None:
        """Return an artifact, or None where there is none.

        Raises:
            DamageError: It is not what was written.
            StoreError: It cannot be read, but may be whole.
        """
        try:
            return read_artifact(place)
        except (ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DamageError(str(error)) from error
        except OSError as error:
            if error.errno is not None and error.errno not in _UNREADABLE:
                raise StoreError(
                    f"{place} in the store cannot be read: {error.strerror}. Make it readable, or "
                    "name another store with --store DIR."
                ) from error
            if not os.path.lexists(place):
                return None
            raise DamageError(str(error)) from error

    def _read_or_set_aside(self, place: Path) -> Artifact | None:
        """Set a damaged artifact aside, unless another process has put it right meanwhile."""
        with self._locked(place):
            try:
                return self._read(place)
            except DamageError as damage:
                aside = beside(place, DAMAGED)
                try:
                    place.rename(aside)
                except OSError as error:
                    raise self._unwritable(error) from error
                _LOG.warning("%s is damaged (%s); it was set aside as %s.", place, damage, aside)
                return None

    @timed("write")
    def _write(self, place: Path, identity: Any, artifact: Artifact) -> None:
        half = beside(place, HALF)
        try:
            half.mkdir()
            write_artifact(half, identity, artifact)
            self._publish(half, place)
            _rename(half, place)
            to_disk(place.parent)
        except BaseException as error:
            remove(half)
            if isinstance(error, OSError):
                raise self._unwritable(error) from error
            raise


def _rename(half: Path, place: Path) -> None:
    try:
        half.rename(place)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        # A machine that our lock does not reach was faster; what it computed is as good.
        remove(half)
