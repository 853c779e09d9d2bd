"""Computes a record again from its own provenance."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from dicecast.errors import DicecastError
from dicecast.harness.outcome import RunKey
from dicecast.harness.reporting import Reporter
from dicecast.harness.run import SuiteRun
from dicecast.records import Record, Sidecar, read_record, record_path, write_record
from dicecast.registry import explain
from dicecast.store import Store
from dicecast.suite import Suite


def suite_of(sidecar: Sidecar) -> Suite:
    """Return the suite of a record, of its estimator and seed alone.

    Raises:
        DicecastError: What the record says is no suite of this version.
    """
    try:
        suite = Suite.model_validate(sidecar.suite_settings)
    except ValidationError as error:
        raise DicecastError(
            f"The record's suite_settings are no suite of this version: {explain(error)}. Install "
            f"the version of dicecast that wrote it ({sidecar.packages.get('dicecast', '?')})."
        ) from error
    one = suite.with_estimators([sidecar.estimator])
    return one.model_copy(update={"seeds": (sidecar.seed,)})


def rebuilt(
    then: Record, store: Path, results: Path, data_root: Path | None, reporter: Reporter
) -> Record:
    """Compute a record again, write it, and return it as it is read back.

    Raises:
        DicecastError: The data are others than the record's, or something of it is missing here.
    """
    sidecar = then.sidecar
    run = SuiteRun(suite_of(sidecar), Store(store), results, data_root, reporter)
    if run.data.content_hash != sidecar.hashes.get("data"):
        raise DicecastError(
            f"The data are not those of the record: their hash is {run.data.content_hash[:12]}, "
            f"the record's {str(sidecar.hashes.get('data'))[:12]}. Give its images with "
            "--data-root DIR; images that are drawn by a program need its version."
        )
    key = RunKey(sidecar.estimator, sidecar.seed)
    for finished in run.finished([key]):
        write_record(results, finished.record)
    return read_record(record_path(results, sidecar.suite, key.estimator, key.seed))
