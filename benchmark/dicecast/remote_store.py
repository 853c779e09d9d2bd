"""A store at an fsspec URL such as ``s3://bucket/folder``, a folder of this machine before it."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from pathlib import Path
from typing import Any

import fsspec

from dicecast.errors import DicecastError
from dicecast.manifest import DamageError, check_artifact
from dicecast.store import Artifact, Store, StoreError
from dicecast.store_layout import HALF, beside, remove

CACHE = "DICECAST_CACHE"
CURRENT = "current"


class RemoteStore(Store):
    """A store whose artifacts are fetched from a URL when they are not here, and put there.

    ``<url>/<stage>/<hash of identity>/`` holds each upload in a folder of its own, and a file
    ``current`` with the name of one: it is written last and in one piece, so that nobody sees half
    an artifact or one mixed from two. What is fetched is checked as the local store checks it.

    Locks are of this machine alone. Machines that compute the same artifact at the same time both
    do the work, and either result may be the one that stays: they are equal.

    Args:
        url: A folder, in any form fsspec knows.
        cache: The folder of this machine; by default one for each URL below that of the environment
            variable ``DICECAST_CACHE``, or ``~/.cache/dicecast``.

    Raises:
        DicecastError: fsspec does not know the URL, or lacks a package for it.
    """

    def __init__(self, url: str, cache: Path | None = None) -> None:
        super().__init__(cache or _cache_of(url))
        self.url = url
        try:
            self._files, self._folder = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise DicecastError(
                f"The store {url} cannot be reached: {error}. Install what fsspec needs for it, or "
                "name a folder with --store DIR."
            ) from error

    def find(self, stage: str, identity: Any) -> Artifact | None:
        """Return the artifact, fetched if it is not here, or None."""
        found = super().find(stage, identity)
        if found is None and self._fetch(self.place(stage, identity)):
            found = super().find(stage, identity)
        return found

    def _publish(self, half: Path, place: Path) -> None:
        # Before it is seen here: here alone it would be found by nobody else, and never be put
        # there, also if this process is killed in between.
        try:
            self._put(half, place)
        except Exception as error:
            raise StoreError(f"The store {self.url} cannot be written: {error}") from error

    def _put(self, half: Path, place: Path) -> None:
        remote, name = self._remote(place), uuid.uuid4().hex
        self._files.makedirs(f"{remote}/{name}", exist_ok=True)
        for path in sorted(half.iterdir()):
            self._files.put_file(str(path), f"{remote}/{name}/{path.name}")
        self._files.pipe_file(f"{remote}/{CURRENT}", name.encode())

    def _fetch(self, place: Path) -> bool:
        """Copy an artifact here; return whether there is one.

        Raises:
            StoreError: The URL does not answer, or the artifact cannot be written here.
        """
        remote = self._remote(place)
        try:
            name = self._files.cat_file(f"{remote}/{CURRENT}").decode("ascii", "replace")
            # Shorter while it is being written, where a file system does not do that in one piece.
            if not re.fullmatch("[0-9a-f]{32}", name):
                return False
            with self._locked(place):
                return place.is_dir() or self._copy(f"{remote}/{name}", place)
        except FileNotFoundError:
            return False
        except StoreError:
            raise
        except Exception as error:
            raise StoreError(f"The store {self.url} cannot be read: {error}") from error

    def _copy(self, remote: str, place: Path) -> bool:
        """Copy an artifact here if it is whole; return whether it is."""
        half = beside(place, HALF)
        half.mkdir()
        try:
            for path in self._files.ls(remote, detail=False):
                # Only the last part: a name from elsewhere must not lead out of the folder.
                self._files.get_file(path, str(half / Path(path).name))
            check_artifact(half)
            half.rename(place)
        except DamageError:
            return False
        finally:
            remove(half)
        return True

    def _remote(self, place: Path) -> str:
        return f"{self._folder}/{place.parent.name}/{place.name}"


def _cache_of(url: str) -> Path:
    folder = Path(os.environ.get(CACHE) or Path.home() / ".cache" / "dicecast")
    return folder / hashlib.sha256(url.encode()).hexdigest()[:16]
