"""The matrix of a suite: each (estimator, seed) found in the store or computed, and written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from dicecast.harness.outcome import Failure, Finished, RunKey
from dicecast.harness.stored_records import StoredRecords
from dicecast.harness.work import Work
from dicecast.records import write_record

Compute: TypeAlias = Callable[[Sequence[RunKey]], Iterable[Finished]]
"""Computes runs, in this process or on a cluster, and yields what comes of each."""


class Matrix:
    """The runs of a suite, those whose records are in the store apart from the others.

    Args:
        work: What to run.

    Attributes:
        stored: Runs whose records are already written from the store.
        missing: Runs to be computed.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self._records = StoredRecords(work.suite, work.open_store(), work.data_root)
        self.stored: list[RunKey] = []
        self.missing: list[RunKey] = []
        for key in work.run_keys():
            record = self._records.find(key)
            if record is None:
                self.missing.append(key)
            else:
                write_record(work.results, record)
                self.stored.append(key)

    def run(self, compute: Compute) -> list[Failure]:
        """Write the record of each missing run as ``compute`` yields it; return what failed."""
        failures = []
        for finished in compute(self.missing):
            write_record(self.work.results, finished.record)
            self._records.keep(finished)
            failures += finished.failures
        return sorted(failures, key=lambda f: self.missing.index(RunKey(f.estimator, f.seed)))
