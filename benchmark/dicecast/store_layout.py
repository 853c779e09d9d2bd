"""The names of a store's files: ``<root>/<stage>/<hash>/``, and what lies beside an artifact.

``<hash>.lock`` is held by whoever computes, sets aside or removes the artifact; the system lets go
of it when the process ends, however it ends, so the file itself means nothing. ``<hash>.half-*`` is
an artifact being written or removed: while nobody holds the lock it is a leftover.
``<hash>.damaged-*`` is one that was not what had been written.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

HALF, DAMAGED = "half", "damaged"
_ENTRY = re.compile(rf"([0-9a-f]{{64}})(?:\.({HALF}|{DAMAGED})-\w+)?")


class Entry(NamedTuple):
    """A folder of a store.

    Attributes:
        path: Where it is.
        place: Where its artifact is, or would be.
        mark: ``HALF``, ``DAMAGED``, or empty for an artifact.
    """

    path: Path
    place: Path
    mark: str

    @property
    def stage(self) -> str:
        """The stage that it is of."""
        return self.place.parent.name


def entries(root: Path) -> Iterator[Entry]:
    """Yield every artifact of a store and what is left of others, sorted; nothing else there.

    Raises:
        OSError: A folder cannot be read.
    """
    for stage in sorted(path for path in root.iterdir() if path.is_dir()):
        for path in sorted(stage.iterdir()):
            named = _ENTRY.fullmatch(path.name)
            if named:
                yield Entry(path, stage / named[1], named[2] or "")


def lock_of(place: Path) -> FileLock:
    """Return the lock of an artifact; a thread that holds it may take it again."""
    return FileLock(place.with_name(f"{place.name}.lock"), is_singleton=True)


def beside(place: Path, mark: str) -> Path:
    """Return a new name beside an artifact's place."""
    return place.with_name(f"{place.name}.{mark}-{uuid.uuid4().hex[:12]}")


def leftovers(place: Path) -> Iterator[Path]:
    """Yield what is half-written or half-removed of an artifact whose lock is held."""
    yield from place.parent.glob(f"{place.name}.{HALF}-*")


def remove(path: Path) -> None:
    """Remove a folder of the store as far as the file system lets us; a link, but not its end."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)
