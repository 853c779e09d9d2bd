"""What a stage produced, and how it is written to files and read back."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.identity import describe
from dicecast.manifest import (
    INFO,
    MANIFEST,
    check_name,
    check_sum,
    manifest_bytes,
    read_manifest,
)
from dicecast.stacks import ArrayFile, Stack, write_npy

ARRAYS, STACK, TABLE = "arrays.npz", ".npy", ".parquet"


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


def write_artifact(folder: Path, identity: Any, artifact: Artifact) -> None:
    """Write an artifact into an empty folder, its manifest last, and onto the disk.

    Args:
        folder: Where.
        identity: What it was computed from; see ``describe``.
        artifact: What is written.
    """
    checksums = {}
    for name, content in _contents(artifact, identity):
        checksums[name] = _write_file(folder / name, content)
    _write_file(folder / MANIFEST, manifest_bytes(checksums))
    to_disk(folder)


def read_artifact(place: Path) -> Artifact:
    """Read an artifact, every byte of it checked.

    Raises:
        DamageError: It is not what was written.
        ValueError: A file is not in its format.
        OSError: A file cannot be read.
    """
    arrays: dict[str, NDArray[Any]] = {}
    tables: dict[str, pd.DataFrame] = {}
    info: dict[str, Any] = {}
    stacks: dict[str, Stack[Any]] = {}
    for name, checksum in read_manifest(place).items():
        with (place / name).open("rb") as file:
            if name.endswith(STACK):
                check_sum(name, hashlib.file_digest(file, "sha256"), checksum)
                file.seek(0)
                stacks[name.removesuffix(STACK)] = ArrayFile.of(file)
                continue
            content = file.read()
        # What was checked is what is used: the file is read once.
        check_sum(name, hashlib.sha256(content), checksum)
        if name == ARRAYS:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                arrays = dict(archive)
        elif name == INFO:
            info = check_name(place, json.loads(content))["info"]
        else:
            tables[name.removesuffix(TABLE)] = pd.read_parquet(io.BytesIO(content))
    return Artifact(arrays, tables, info, stacks)


def to_disk(folder: Path) -> None:
    """Let the names in a folder outlast a loss of power, where its file system can do that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _contents(artifact: Artifact, identity: Any) -> Iterator[tuple[str, bytes | Stack[Any]]]:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **artifact.arrays)
    yield ARRAYS, buffer.getvalue()
    for name, stack in artifact.stacks.items():
        yield name + STACK, stack
    for name, table in artifact.tables.items():
        yield name + TABLE, table.to_parquet(index=False)
    content = {"identity": describe(identity), "info": artifact.info}
    yield INFO, json.dumps(content, indent=1, sort_keys=True).encode()


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
        opened.flush()
        os.fsync(opened.fileno())
    return file.digest.hexdigest()
