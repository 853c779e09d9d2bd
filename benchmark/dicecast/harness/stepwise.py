"""Computes one stage of a suite at a time, in any order and in any number of processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dicecast.errors import DicecastError
from dicecast.estimation.contract import Predictive
from dicecast.harness.cuts import WHOLE
from dicecast.harness.head_stage import Column, Predicted
from dicecast.harness.outcome import Finished, RunKey, message_of
from dicecast.harness.record_stage import failed_record, finished_record
from dicecast.harness.reporting import Reporter
from dicecast.harness.run import SuiteRun
from dicecast.harness.stages import (
    Done,
    Failed,
    HeadStage,
    Needs,
    Outcome,
    PredictStage,
    RecordStage,
    Stage,
    TrainStage,
    Unfitted,
)
from dicecast.harness.stored_records import StoredRecords
from dicecast.harness.work import Work
from dicecast.identity import hash_of
from dicecast.records import ScoreInfo
from dicecast.store import Artifact, Store, StoreError


class _NeedsBackbones(BaseException):
    """An estimator was fitted with backbones that are not trained yet: not a failure of a head."""

    def __init__(self, fold: int) -> None:
        self.fold = fold


class _Trained(BaseException):
    """The wanted backbone is trained: the rest of ``fit`` is not for this stage."""


class _BackboneStore(Store):
    """A store that trains no backbone but the one that is wanted, and notes which are missing.

    An estimator says which backbones it needs only by asking for them. In place of a missing one it
    is given one without weights: so it goes on to ask for the others, they can be trained side by
    side, and it is fitted again when all are there.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store.root)
        self.store = store
        self.wanted = ""
        self.missing: list[str] = []

    def find(self, stage: str, identity: Any) -> Artifact | None:
        """Return the stored artifact, or None."""
        return self.store.find(stage, identity)

    def get(self, stage: str, identity: Any, make: Callable[[], Artifact]) -> Artifact:
        """Return the stored artifact, or make it; a missing backbone has no weights."""
        if stage != "backbone":
            return self.store.get(stage, identity, make)
        key = hash_of(identity)
        if key == self.wanted:
            self.store.get(stage, identity, make)
            raise _Trained
        found = self.find(stage, identity)
        if found is None:
            self.missing.append(key)
        return found or Artifact(info={"log": [], "seconds": 0.0})


class StepwiseRun(SuiteRun):
    """A suite of which one stage is computed at a time.

    Args:
        work: The suite; its plug-in files are loaded already.
        reporter: Receives the progress of a stage.

    Raises:
        DicecastError: As ``SuiteRun``.
    """

    def __init__(self, work: Work, reporter: Reporter) -> None:
        store = work.open_store()
        self._backbones = _BackboneStore(store)
        super().__init__(
            work.suite, self._backbones, work.results, work.data_root, reporter, work.debug
        )
        self._records = StoredRecords(work.suite, store, work.data_root)
        self._latest: tuple[RunKey, Artifact, Predicted] | None = None

    def compute(self, stage: Stage) -> Outcome:
        """Compute a stage and store what it makes; a failure is an outcome, unless ``debug``."""
        try:
            return Done(self._compute(stage))
        except _NeedsBackbones as needs:
            return Needs(tuple(dict.fromkeys(self._backbones.missing)), needs.fold)
        except StoreError:
            raise
        except Exception as error:
            if self.debug:
                raise
            return Failed(message_of(error))

    def fit(self, key: RunKey, number: int = WHOLE) -> Predictive:
        """Return the predictive distribution if all its backbones are trained."""
        self._backbones.missing.clear()
        try:
            predictive = super().fit(key, number)
        except Exception:
            # What an estimator makes of a backbone without weights says nothing.
            if not self._backbones.missing:
                raise
        if self._backbones.missing:
            raise _NeedsBackbones(number)
        return predictive

    def _compute(self, stage: Stage) -> Any:
        match stage:
            case TrainStage():
                return self._train(stage)
            case PredictStage():
                self.predict(stage.key, stage.fold)
                return None
            case HeadStage():
                _, predicted = self._predicted(stage.key)
                return _unfitted(self.column(self.heads[stage.number], predicted))
            case RecordStage():
                return self._records.hand_over(self._record(stage))

    def _train(self, stage: TrainStage) -> None:
        self._backbones.wanted = stage.backbone
        try:
            super().fit(stage.key, stage.fold)
        except _Trained:
            return
        finally:
            self._backbones.wanted = ""
        raise DicecastError(
            f"{stage.key} must ask every worker for the same backbones; here it does not ask for "
            f"{stage.backbone[:12]}. Run it on workers of one kind: all with an accelerator, or "
            "all without."
        )

    def _predicted(self, key: RunKey) -> tuple[Artifact, Predicted]:
        if self._latest is None or self._latest[0] != key:
            artifact = self.predict(key)
            self._latest = (key, artifact, self.predicted(key))
        return self._latest[1:]

    def _record(self, stage: RecordStage) -> Finished:
        if stage.error:
            return failed_record(self, stage.key, stage.error)
        artifact, predicted = self._predicted(stage.key)
        unfitted = dict(stage.columnless)
        columns = {
            chosen.score: _without_column(unfitted[number])
            if number in unfitted
            else self.column(chosen, predicted)
            for number, chosen in enumerate(self.heads)
        }
        return finished_record(self, stage.key, artifact, predicted, columns)


def _unfitted(column: Column) -> Unfitted | None:
    if column.quality is not None:
        return None
    return Unfitted(str(column.info.undefined), column.info.failed)


def _without_column(unfitted: Unfitted) -> Column:
    info = ScoreInfo(
        kind="head",
        predicts_quality=True,
        undefined=unfitted.reason,
        failed=unfitted.failed,
    )
    return Column(info, None)
