"""Computes each run of a suite in a process of its own: whatever ends one stops no other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from dicecast.errors import DicecastError
from dicecast.harness.child import Limits, StoppedError, call_in_child
from dicecast.harness.matrix import Compute
from dicecast.harness.outcome import Finished, RunKey
from dicecast.harness.quiet import quiet_start
from dicecast.harness.reporting import Reporter
from dicecast.harness.stored_records import StoredRecords, suite_facts
from dicecast.harness.work import Work
from dicecast.plugins import datasets
from dicecast.records import Record


def in_processes(work: Work, limits: Limits, reporter: Reporter) -> Compute:
    """Return a function that computes runs of ``work``, each in a process of its own.

    A run that is stopped or dies is a failed record that says why.
    """
    isolated = _Isolated(work, limits)

    def finished(keys: Sequence[RunKey]) -> Iterator[Finished]:
        reporter.begin(len(keys))
        try:
            for key in keys:
                reporter.run(*key)
                started = time.perf_counter()
                found = isolated.finished(key)
                reporter.done(f"{found}, {time.perf_counter() - started:.0f} s")
                yield found
        finally:
            reporter.end()

    return finished


@dataclass
class _Isolated:
    """What a failed record of a run that nobody can ask is made of; see ``Recorded``."""

    work: Work
    limits: Limits

    def finished(self, key: RunKey) -> Finished:
        """Return what comes of a run.

        Raises:
            DicecastError: The suite or the dataset is wrong, whatever the run.
        """
        # Of its estimator alone: others are not imported by it.
        alone = replace(self.work, suite=self.work.suite.with_estimators([key.estimator]))
        try:
            identity = call_in_child(_compute, (alone, key), self.limits)
        except StoppedError as reason:
            from dicecast.harness.record_stage import failed_record  # noqa: PLC0415  TensorFlow

            return failed_record(self, key, str(reason))
        found = StoredRecords(alone.suite, alone.open_store(), alone.data_root).handed_over(
            identity
        )
        if found is None:
            raise DicecastError(
                f"The record of {key} was stored, but is not in {self.work.store} any more. Run "
                "the same command again."
            )
        sidecar = found.record.sidecar.model_copy(update=self.facts())
        return found._replace(record=Record(sidecar, found.record.cases, found.record.further))

    def facts(self) -> dict[str, Any]:
        """Return what a record says of the whole suite."""
        return suite_facts(self.work.suite)

    def hashes(self) -> dict[str, Any]:
        """Return the hashes of the data and of the split."""
        return self._hashes

    def parts(self, key: RunKey) -> dict[str, Any]:
        """Return nothing: the parts were not described before the end."""
        return {}

    @cached_property
    def _hashes(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = call_in_child(_hashes_of, (self.work,), self.limits)
        except StoppedError as reason:
            raise DicecastError(
                f"The dataset '{self.work.suite.dataset.name}' must load within the limits of a "
                f"run: {reason}. Correct it, or raise the limits."
            ) from reason
        return found


def _compute(work: Work, key: RunKey) -> dict[str, Any]:
    """Compute a run and return what ``StoredRecords.handed_over`` finds it by."""
    with quiet_start():
        from dicecast.harness.run import SuiteRun  # noqa: PLC0415  imports TensorFlow

        work.load_plugins()
        store = work.open_store()
        run = SuiteRun(work.suite, store, work.results, work.data_root)
    (finished,) = run.finished([key])
    return StoredRecords(work.suite, store, work.data_root).hand_over(finished)


def _hashes_of(work: Work) -> dict[str, Any]:
    work.load_plugins()
    dataset = datasets.create(work.suite.dataset.name, work.suite.dataset.settings)
    data = dataset.load(work.data_root, work.suite.image_size)
    return {"data": data.content_hash, "split": data.split_hash}
