"""Records: what one (suite, estimator, seed) gave, a table of cases and a JSON sidecar.

``<results>/<suite>/records/<estimator>/seed-<seed>.parquet`` and ``.json``. The leaderboard is a
pure function of these files. Reading and writing them needs neither Keras nor TensorFlow.
"""

from __future__ import annotations

import glob
import hashlib
import io
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from dicecast.errors import DicecastError
from dicecast.plain_file import read_plain_file
from dicecast.record_migration import migrate
from dicecast.record_seal import SEAL, is_sealed, sealed
from dicecast.registry import explain
from dicecast.stopwatch import timed
from dicecast.version import PROTOCOL_VERSION, RECORD_SCHEMA_VERSION

CASE_COLUMNS = ("stem", "group", "domain", "dice", "empty_truth", "empty_prediction")
"""Columns of every table of cases; per-class Dice (``dice/<class>``) and scores follow."""

QUALITY = "quality"
"""The column of the true quality, beside ``dice``, where a suite's target is not the mean Dice."""

PIXELS, POOLED_PIXELS = "pixels", "pooled_pixels"
"""Further tables of a record, each in a file ``seed-<seed>.<name>.parquet``, where it has them.

``pixels``: one row a case, its domain and stem and metrics of its pixels, ``<metric>`` of the
probabilities and ``<map>/<metric>`` of a map. ``pooled_pixels``: one row a number of all pixels of
a domain together; the columns domain, map, name, x and value, where x is the place on a curve.
"""

CASES = "cases"
TABLES = (CASES, PIXELS, POOLED_PIXELS)
"""Every table that a record may have, by the name of its hash."""

FIRST_SEALED_VERSION = 2
"""Of records from before, the bytes of the tables alone are checked."""

MOST_BYTES_OF_SIDECAR, MOST_BYTES_OF_TABLE = 2**26, 2**31
"""What is larger is no record: 64 MiB and 2 GiB."""

ON_QUALITY = ("spearman", "aurc")
"""The metrics of ``ScoreInfo.on_quality``; an estimator's aggregation is chosen by the first."""


# A written record has every key, also those with a default.
_FORMAT = ConfigDict(extra="forbid", strict=True, json_schema_serialization_defaults_required=True)


class ScoreInfo(BaseModel):
    """What a column of scores is.

    Attributes:
        kind: "aggregation" (of a map or of draws) or "head" (fitted on the quality role).
        predicts_quality: Whether its values estimate the Dice itself, so that errors are defined.
        undefined: Why the score has no column; None where it has one.
        failed: Whether it is undefined because a head raised, not because it cannot be defined.
        on_quality: What the metrics ``ON_QUALITY`` say of it on the quality role, None where
            undefined, so that one aggregation of many can be chosen without the test sets. Empty
            for a head, which was fitted there, and in records from before this was written.
        interval_level: The share of cases whose true quality an interval should hold, where the
            table has one in the columns ``<score>/low`` and ``<score>/high``; None where not.
    """

    model_config = _FORMAT

    kind: Literal["aggregation", "head"]
    predicts_quality: bool = False
    undefined: str | None = None
    failed: bool = False
    on_quality: dict[str, float | None] = Field(default_factory=dict)
    interval_level: float | None = None


class Sidecar(BaseModel):
    """Everything about a record but its cases.

    Attributes:
        schema_version: Of this format.
        protocol_version: Numbers of different protocols are never in one table.
        suite: The suite's name.
        estimator: The estimator's label in the suite.
        seed: The suite's seed of this run.
        status: "ok", or "failed" where there is no table.
        error: Why it failed.
        failure_threshold: Dice below which a segmentation has failed.
        bootstrap: Settings of the leaderboard's intervals.
        parts: Every part of the run with its class, fields and the hash of its source.
        suite_settings: The suite as it was run.
        hashes: Of the data, the split, each table, the weights used, and, under "code", of each
            part of this package that numbers depend on (records from before have none).
        scores: Every score by name, in the order of the table's columns.
        own_map: The map that quality heads read and all metrics of maps are given for.
        undefined_pixels: Metrics of pixels that no case has, with the reason.
        draws: Draws a prediction.
        parameters: Trainable weights in all networks of the estimator.
        seconds: Wall time of each stage when it was computed: "train" of all networks used (also
            of those that another estimator trained), "predict", "heads".
        peak_memory_mb: Largest resident memory of the process so far, in MiB.
        determinism: What repeating the run on the same machine promises.
        packages: Versions of the packages numbers depend on.
        machine: Processor, cores, system, Python, Keras backend.
    """

    model_config = _FORMAT

    schema_version: int = RECORD_SCHEMA_VERSION
    protocol_version: int = PROTOCOL_VERSION
    suite: str
    estimator: str
    seed: int
    status: Literal["ok", "failed"]
    error: str | None = None
    failure_threshold: float
    bootstrap: dict[str, float | int]
    parts: dict[str, Any] = Field(default_factory=dict)
    suite_settings: dict[str, Any] = Field(default_factory=dict)
    hashes: dict[str, Any] = Field(default_factory=dict)
    scores: dict[str, ScoreInfo] = Field(default_factory=dict)
    own_map: str = ""
    undefined_pixels: dict[str, str] = Field(default_factory=dict)
    draws: int = 0
    parameters: int = 0
    seconds: dict[str, float] = Field(default_factory=dict)
    peak_memory_mb: float = 0.0
    determinism: str = ""
    packages: dict[str, str] = Field(default_factory=dict)
    machine: dict[str, str | int] = Field(default_factory=dict)


class Record:
    """A sidecar with its table of cases (None where the run failed) and further tables by name."""

    def __init__(
        self,
        sidecar: Sidecar,
        cases: pd.DataFrame | None,
        further: Mapping[str, pd.DataFrame] | None = None,
    ) -> None:
        self.sidecar = sidecar
        self.cases = cases
        self.further = dict(further or {})

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name, that of the cases first."""
        return ({} if self.cases is None else {CASES: self.cases}) | self.further


def record_path(results: Path, suite: str, estimator: str, seed: int) -> Path:
    """Return the path of a record's sidecar."""
    return results / suite / "records" / estimator / f"seed-{seed}.json"


@timed("write")
def write_record(results: Path, record: Record) -> Path:
    """Write a record, each file whole or not at all, and return the path of its sidecar.

    The sidecar carries the hashes of the tables and of itself, and is written last: a process
    killed in between leaves a record that does not match and is reported, never one that is
    silently mixed.
    """
    sidecar = record.sidecar
    path = record_path(results, sidecar.suite, sidecar.estimator, sidecar.seed)
    hashes = {name: held for name, held in sidecar.hashes.items() if name not in TABLES}
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, table in record.tables.items():
        content = table_bytes(table)
        hashes[name] = hashlib.sha256(content).hexdigest()
        write_atomically(table_path(path, name), content)
    now = {"hashes": hashes, "schema_version": RECORD_SCHEMA_VERSION}
    write_atomically(path, sealed(sidecar.model_copy(update=now).model_dump_json(indent=1)))
    for name in TABLES:
        if name not in record.tables:
            table_path(path, name).unlink(missing_ok=True)
    return path


@timed("read")
def read_record(path: Path) -> Record:
    """Read the record of a sidecar, which may be of an older version.

    Raises:
        DicecastError: A file is missing, does not match its hash, or is not in the format.
    """
    sidecar = read_sidecar(path)
    tables = {name: read_table(path, sidecar, name) for name in tables_of(sidecar)}
    return Record(sidecar, tables.pop(CASES, None), tables)


def read_sidecar(path: Path) -> Sidecar:
    """Read a sidecar, of the current version or an older one, without its tables.

    Raises:
        DicecastError: It is missing or not in the format, was changed after it was written, or is
            in another place than the one it names.
    """
    try:
        content = read_plain_file(path, MOST_BYTES_OF_SIDECAR)
    except OSError as error:
        raise DicecastError(
            f"The record {path} cannot be read: {error.strerror}. Restore the file, or run the "
            "suite again."
        ) from error
    try:
        sidecar = Sidecar.model_validate(_values(content))
    except ValueError as error:
        what = explain(error) if isinstance(error, ValidationError) else error
        raise DicecastError(
            f"The record {path} is not in the format of version {RECORD_SCHEMA_VERSION}: {what}. "
            "Restore the file, or run the suite again to write it anew."
        ) from error
    expected = record_path(Path(), sidecar.suite, sidecar.estimator, sidecar.seed).parts
    if path.absolute().parts[-len(expected) :] != expected:
        raise DicecastError(
            f"The record {path} says that it is {'/'.join(expected)}. Move it there, or remove it."
        )
    return sidecar


def _values(content: bytes) -> dict[str, Any]:
    """Return the values of a sidecar in the current version.

    Raises:
        ValueError: The bytes are not JSON, of no known version, or not those that were written.
    """
    values = from_json(content, allow_inf_nan=False)
    if not isinstance(values, dict):
        raise ValueError(f"it must be a JSON object, and is a {type(values).__name__}")
    current = migrate(values)
    if values["schema_version"] >= FIRST_SEALED_VERSION:
        if not is_sealed(content):
            raise ValueError(
                f"its last line must be '{SEAL}' with the SHA-256 of the lines above, and is not: "
                "a byte was changed after it was written"
            )
        del current[SEAL]
    return current


def tables_of(sidecar: Sidecar) -> list[str]:
    """Return the names of the tables that a record has by its sidecar, that of the cases first."""
    if sidecar.status == "failed":
        return []
    return [CASES, *(name for name in TABLES if name in sidecar.hashes and name != CASES)]


def table_path(path: Path, name: str) -> Path:
    """Return the path of a table from that of its record's sidecar."""
    return path.with_suffix(".parquet" if name == CASES else f".{name}.parquet")


def read_table(path: Path, sidecar: Sidecar, name: str) -> pd.DataFrame:
    """Read a table of a record.

    Raises:
        DicecastError: It is missing, does not match its hash, or is no table.
    """
    table = table_path(path, name)
    try:
        content = read_plain_file(table, MOST_BYTES_OF_TABLE)
    except OSError as error:
        raise DicecastError(
            f"The record {path} has no table {table.name} that can be read: {error.strerror}. Run "
            "the suite again."
        ) from error
    if hashlib.sha256(content).hexdigest() != sidecar.hashes.get(name):
        raise DicecastError(
            f"The table {table} does not match the hash in its sidecar: one of the two was changed "
            "or only half written. Run the suite again, or restore both files."
        )
    try:
        return pd.read_parquet(io.BytesIO(content))
    except (ValueError, OSError) as error:
        raise DicecastError(
            f"The table {table} is not a parquet file: {error}. Run the suite again."
        ) from error


def read_records(results: Path, suite: str) -> Iterator[Record]:
    """Yield all records of a suite, by estimator and seed.

    Raises:
        DicecastError: There is none, or one cannot be read.
    """
    folder = results / suite / "records"
    paths = sorted(folder.glob("*/seed-*.json"))
    if not paths:
        raise DicecastError(
            f"There are no records of '{suite}' under {results}. Run 'dicecast run {suite}', or "
            "name another folder with --results DIR."
        )
    yield from (read_record(path) for path in paths)


def interval_columns(score: str) -> tuple[str, str]:
    """Return the names of the columns of a score's lower and upper ends."""
    return f"{score}/low", f"{score}/high"


def true_quality(cases: pd.DataFrame) -> NDArray[np.float64]:
    """Return the true quality of each case, ``(cases,)``: what scores are compared with."""
    column = QUALITY if QUALITY in cases else "dice"
    return cases[column].to_numpy(dtype=np.float64)


def table_bytes(table: pd.DataFrame) -> bytes:
    """Return a table as parquet, the same bytes for the same table."""
    return bytes(table.to_parquet(index=False))


@timed("write")
def write_atomically(path: Path, content: bytes) -> None:
    """Write beside ``path`` and rename, so that readers see the old file or the new one.

    What a process of this machine that was killed meanwhile left beside it is removed.
    """
    beside = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}")
    for other in path.parent.glob(f"{glob.escape(beside.name.rpartition('-')[0])}-*"):
        process = other.name.rpartition("-")[2]
        if process.isdecimal() and not _runs(int(process)):
            other.unlink(missing_ok=True)
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
