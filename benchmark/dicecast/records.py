"""Records: what one (suite, estimator, seed) gave, a table of cases and a JSON sidecar.

``<results>/<suite>/records/<estimator>/seed-<seed>.parquet`` and ``.json``. The leaderboard is a
pure function of these files. Reading and writing them needs neither Keras nor TensorFlow.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dicecast.errors import DicecastError
from dicecast.registry import explain
from dicecast.stopwatch import timed
from dicecast.version import PROTOCOL_VERSION, RECORD_SCHEMA_VERSION

CASE_COLUMNS = ("stem", "group", "domain", "dice", "empty_truth", "empty_prediction")
"""Columns of every table of cases; per-class Dice (``dice/<class>``) and scores follow."""

QUALITY = "quality"
"""The column of the true quality, beside ``dice``, where a suite's target is not the mean Dice."""


ON_QUALITY = ("spearman", "aurc")
"""The metrics of ``ScoreInfo.on_quality``; an estimator's aggregation is chosen by the first."""


class ScoreInfo(BaseModel):
    """What a column of scores is.

    Attributes:
        kind: "aggregation" (of a map or of draws) or "head" (fitted on the quality role).
        predicts_quality: Whether its values estimate the Dice itself, so that errors are defined.
        undefined: Why the score has no column; None where it has one.
        failed: Whether it is undefined because a head raised, not because it cannot be defined.
        on_quality: What the metrics ``ON_QUALITY`` say of it on the quality role, None where
            undefined, so that one aggregation of many can be chosen without the test sets. Empty for
            a head, which was fitted there, and in records from before this was written.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Literal["aggregation", "head"]
    predicts_quality: bool = False
    undefined: str | None = None
    failed: bool = False
    on_quality: dict[str, float | None] = Field(default_factory=dict)


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
        hashes: Of the data, the split, the table of cases, and the weights used.
        scores: Every score by name, in the order of the table's columns.
        draws: Draws a prediction.
        parameters: Trainable weights in all networks of the estimator.
        seconds: Wall time of each stage when it was computed: "train" of all networks used (also
            of those that another estimator trained), "predict", "heads".
        peak_memory_mb: Largest resident memory of the process so far, in MiB.
        determinism: What repeating the run on the same machine promises.
        packages: Versions of the packages numbers depend on.
        machine: Processor, cores, system, Python, Keras backend.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

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
    draws: int = 0
    parameters: int = 0
    seconds: dict[str, float] = Field(default_factory=dict)
    peak_memory_mb: float = 0.0
    determinism: str = ""
    packages: dict[str, str] = Field(default_factory=dict)
    machine: dict[str, str | int] = Field(default_factory=dict)


class Record:
    """A sidecar with its table of cases (None where the run failed)."""

    def __init__(self, sidecar: Sidecar, cases: pd.DataFrame | None) -> None:
        self.sidecar = sidecar
        self.cases = cases


def record_path(results: Path, suite: str, estimator: str, seed: int) -> Path:
    """Return the path of a record's sidecar."""
    return results / suite / "records" / estimator / f"seed-{seed}.json"


@timed("write")
def write_record(results: Path, record: Record) -> Path:
    """Write a record, each file whole or not at all, and return the path of its sidecar.

    The sidecar carries the hash of the table and is written last: a process killed in between
    leaves a record that does not match and is reported, never one that is silently mixed.
    """
    sidecar = record.sidecar
    path = record_path(results, sidecar.suite, sidecar.estimator, sidecar.seed)
    table = path.with_suffix(".parquet")
    hashes = dict(sidecar.hashes)
    path.parent.mkdir(parents=True, exist_ok=True)
    if record.cases is None:
        hashes.pop("cases", None)
    else:
        content = table_bytes(record.cases)
        hashes["cases"] = hashlib.sha256(content).hexdigest()
        write_atomically(table, content)
    text = sidecar.model_copy(update={"hashes": hashes}).model_dump_json(indent=1)
    write_atomically(path, (text + "\n").encode())
    if record.cases is None:
        table.unlink(missing_ok=True)
    return path


@timed("read")
def read_record(path: Path) -> Record:
    """Read the record of a sidecar.

    Raises:
        DicecastError: A file is missing, does not match its hash, or is not in the format.
    """
    try:
        sidecar = Sidecar.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DicecastError(f"The record {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise DicecastError(
            f"The record {path} is not in the format of version {RECORD_SCHEMA_VERSION}: "
            f"{explain(error)}. Run the suite again to write it anew."
        ) from error
    if sidecar.schema_version != RECORD_SCHEMA_VERSION:
        raise DicecastError(
            f"The record {path} has schema_version {sidecar.schema_version}, but this program "
            f"reads {RECORD_SCHEMA_VERSION}. Run the suite again, or install the version of "
            "dicecast that wrote it."
        )
    expected = record_path(Path(), sidecar.suite, sidecar.estimator, sidecar.seed).parts
    if path.absolute().parts[-len(expected) :] != expected:
        raise DicecastError(
            f"The record {path} says that it is {'/'.join(expected)}. Move it there, or remove it."
        )
    return Record(sidecar, _read_cases(path, sidecar))


def _read_cases(path: Path, sidecar: Sidecar) -> pd.DataFrame | None:
    if sidecar.status == "failed":
        return None
    table = path.with_suffix(".parquet")
    try:
        content = table.read_bytes()
    except OSError as error:
        raise DicecastError(
            f"The record {path} has no table {table.name}. Run the suite again."
        ) from error
    if hashlib.sha256(content).hexdigest() != sidecar.hashes.get("cases"):
        raise DicecastError(
            f"The table {table} does not match the hash in its sidecar: one of the two was changed "
            "or only half written. Run the suite again, or restore both files."
        )
    return pd.read_parquet(io.BytesIO(content))


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


def true_quality(cases: pd.DataFrame) -> NDArray[np.float64]:
    """Return the true quality of each case, ``(cases,)``: what scores are compared with."""
    column = QUALITY if QUALITY in cases else "dice"
    return cases[column].to_numpy(dtype=np.float64)


def table_bytes(table: pd.DataFrame) -> bytes:
    """Return a table as parquet, the same bytes for the same table."""
    return bytes(table.to_parquet(index=False))


@timed("write")
def write_atomically(path: Path, content: bytes) -> None:
    """Write beside ``path`` and rename, so that readers see the old file or the new one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
