"""Stored results of stages, found by what they were computed from."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from filelock import FileLock
from numpy.typing import NDArray

from dicecast.errors import DicecastError
from dicecast.identity import describe, hash_of
from dicecast.stacks import ArrayFile, Stack, write_npy
from dicecast.stopwatch import timed


@dataclass(frozen=True)
class Artifact:
    """What a stage produced.

    Attributes:
        arrays: By name; small, and held in memory.
        tables: By name.
        info: JSON values.
        stacks: By name, arrays of one row a case; what is read back leaves the rows in their file.
    """

    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    stacks: dict[str, Stack[Any]] = field(default_factory=dict)


class Store:
    """A folder of artifacts, ``<root>/<stage>/<hash of identity>/``.

    An artifact is written beside its place and renamed into it, so one that is half-written is
    never seen; its manifest holds the SHA-256 of each file, checked on every read, so one that was
    damaged later is never used: it is set aside and computed again. A lock for each artifact lets
    several processes share a store without computing anything twice.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, stage: str, identity: Any) -> Path:
        """Return the folder of the artifact of ``stage`` computed from ``identity``."""
        return self.root / stage / hash_of(identity)

    def find(self, stage: str, identity: Any) -> Artifact | None:
        """Return the artifact, or None where there is none or it fails its checksums."""
        place = self.place(stage, identity)
        if not place.is_dir():
            return None
        try:
            return _read(place)
        except _DAMAGE:
            with self._locked(place):
                return _read_or_remove(place)

    def get(self, stage: str, identity: Any, make: Callable[[], Artifact]) -> Artifact:
        """Return the stored artifact, or make, store and return it.

        Args:
            stage: The name of the stage.
            identity: Everything the artifact depends on; see ``describe``.
            make: Computes the artifact. If it raises, nothing is stored.

        Raises:
            DicecastError: The store cannot be written.
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

    @contextmanager
    def _locked(self, place: Path) -> Iterator[None]:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(place.with_name(place.name + ".lock"), is_singleton=True):
                yield
        except OSError as error:
            if error.filename is None or self.root not in (
                Path(error.filename),
                *Path(error.filename).parents,
            ):
                raise
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> DicecastError:
        return DicecastError(
            f"The store {self.root} cannot be written: {error.strerror or error}. Free some "
            "space, or name another folder with --store DIR."
        )

    @timed("write")
    def _write(self, place: Path, identity: Any, artifact: Artifact) -> None:
        half = Path(tempfile.mkdtemp(prefix=f"{place.name}.half-", dir=place.parent))
        try:
            checksums = {
                name: _write_file(half / name, content)
                for name, content in _contents(artifact, identity)
            }
            (half / "manifest.json").write_text(json.dumps(checksums, indent=1, sort_keys=True))
            half.rename(place)
        except BaseException as error:
            shutil.rmtree(half, ignore_errors=True)
            # A full disk names no file, so ``_locked`` would not know it for the store's.
            if isinstance(error, OSError):
                raise self._unwritable(error) from error
            raise


_DAMAGE = (OSError, ValueError, KeyError, zipfile.BadZipFile)


def _read_or_remove(place: Path) -> Artifact | None:
    """Remove a damaged artifact, unless another process has put it right meanwhile."""
    if not place.is_dir():
        return None
    try:
        return _read(place)
    except _DAMAGE:
        damaged = place.with_name(f"{place.name}.damaged-{os.getpid()}")
        place.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)
        return None


def _contents(artifact: Artifact, identity: Any) -> Iterator[tuple[str, bytes | Stack[Any]]]:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **artifact.arrays)
    yield "arrays.npz", buffer.getvalue()
    for name, stack in artifact.stacks.items():
        yield f"{name}.npy", stack
    for name, table in artifact.tables.items():
        yield f"{name}.parquet", table.to_parquet(index=False)
    content = {"identity": describe(identity), "info": artifact.info}
    yield "info.json", json.dumps(content, indent=1, sort_keys=True).encode()


class _HashingFile:
    """Keeps the hash of what is written to a file."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def write(self, content: bytes) -> None:
        self.digest.update(content)
        self.file.write(content)


def _write_file(path: Path, content: bytes | Stack[Any]) -> str:
    """Write a file and return its SHA-256."""
    with path.open("wb") as opened:
        file = _HashingFile(opened)
        if isinstance(content, bytes):
            file.write(content)
        else:
            write_npy(file, content)
    return file.digest.hexdigest()


@timed("read")
def _read(place: Path) -> Artifact:
    arrays: dict[str, NDArray[Any]] = {}
    tables: dict[str, pd.DataFrame] = {}
    info: dict[str, Any] = {}
    stacks: dict[str, Stack[Any]] = {}
    for name, checksum in json.loads((place / "manifest.json").read_text()).items():
        with (place / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != checksum:
                raise ValueError(f"{place / name} does not match its checksum")
            file.seek(0)
            if name == "arrays.npz":
                with np.load(file, allow_pickle=False) as archive:
                    arrays = dict(archive)
            elif name == "info.json":
                info = json.load(file)
            elif name.endswith(".npy"):
                stacks[name.removesuffix(".npy")] = ArrayFile.of(file)
            else:
                tables[name.removesuffix(".parquet")] = pd.read_parquet(file)
    return Artifact(arrays, tables, info["info"], stacks)
