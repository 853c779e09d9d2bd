"""Which stage may be computed when: the graph of a suite's stages, found as it is computed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from dicecast.errors import DicecastError
from dicecast.harness.outcome import RunKey
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


class StageGraph:
    """The stages of some runs.

    The predictions of a run lead to its heads and these to the record. Which backbones a run needs
    is known when one of its stages asks for them; each is trained once, whoever asks for it first.

    Args:
        keys: The runs.
        heads: How many heads the suite has.
        folds: How many folds of the training role they are fitted on.
    """

    def __init__(self, keys: Iterable[RunKey], heads: int, folds: int = 0) -> None:
        self.keys = list(keys)
        self.heads = heads
        self.folds = folds if heads else 0
        self._asked: dict[str, TrainStage] = {}
        self._trained: set[str] = set()
        self._untrainable: dict[str, str] = {}
        self._waiting: dict[Stage, set[str]] = {}
        self._predictions_left = {key: 1 + self.folds for key in self.keys}
        self._heads_left = {key: heads for key in self.keys}
        self._recorded: set[RunKey] = set()
        self._columnless: dict[RunKey, list[tuple[int, Unfitted]]] = defaultdict(list)

    def first(self) -> list[Stage]:
        """Return the stages that can be computed at once."""
        return [PredictStage(key, fold) for key in self.keys for fold in range(1 + self.folds)]

    def after(self, stage: Stage, outcome: Outcome) -> list[Stage]:
        """Return the stages that can be computed now that ``stage`` has been.

        Raises:
            DicecastError: A record could not be put together.
        """
        if isinstance(outcome, Needs):
            return self._train_first(stage, outcome)
        match stage:
            case TrainStage():
                return self._after_training(stage, outcome)
            case PredictStage():
                return self._after_prediction(stage, outcome)
            case HeadStage():
                return self._after_head(stage, outcome)
            case RecordStage():
                if isinstance(outcome, Failed):
                    raise DicecastError(f"There is no record of {stage.key}: {outcome.message}")
                return []

    def _train_first(self, stage: Stage, needs: Needs) -> list[Stage]:
        for backbone in needs.backbones:
            if backbone in self._untrainable:
                return self._record(stage.key, self._untrainable[backbone])
            if backbone in self._trained:
                raise DicecastError(
                    f"The backbone {backbone[:12]} was trained, but '{stage}' does not find it in "
                    "the store. Give a store that all workers share, with --store."
                )
        self._waiting[stage] = set(needs.backbones)
        new = [
            TrainStage(stage.key, backbone, needs.fold)
            for backbone in needs.backbones
            if backbone not in self._asked
        ]
        self._asked |= {training.backbone: training for training in new}
        return list(new)

    def _after_training(self, stage: TrainStage, outcome: Outcome) -> list[Stage]:
        if isinstance(outcome, Failed):
            self._untrainable[stage.backbone] = outcome.message
        else:
            self._trained.add(stage.backbone)
        ready: list[Stage] = []
        for waiting, backbones in list(self._waiting.items()):
            if stage.backbone not in backbones:
                continue
            backbones.discard(stage.backbone)
            if isinstance(outcome, Failed):
                del self._waiting[waiting]
                ready += self._record(waiting.key, outcome.message)
            elif not backbones:
                del self._waiting[waiting]
                ready.append(waiting)
        return ready

    def _after_prediction(self, stage: PredictStage, outcome: Outcome) -> list[Stage]:
        if isinstance(outcome, Failed):
            return self._record(stage.key, outcome.message)
        self._predictions_left[stage.key] -= 1
        if self._predictions_left[stage.key]:
            return []
        if not self.heads:
            return self._record(stage.key)
        return [HeadStage(stage.key, number) for number in range(self.heads)]

    def _after_head(self, stage: HeadStage, outcome: Outcome) -> list[Stage]:
        unfitted = outcome.value if isinstance(outcome, Done) else None
        if isinstance(outcome, Failed):
            unfitted = Unfitted(outcome.message, failed=True)
        if unfitted is not None:
            self._columnless[stage.key].append((stage.number, unfitted))
        self._heads_left[stage.key] -= 1
        return [] if self._heads_left[stage.key] else self._record(stage.key)

    def _record(self, key: RunKey, error: str = "") -> list[Stage]:
        if key in self._recorded:
            return []
        self._recorded.add(key)
        return [RecordStage(key, error, tuple(sorted(self._columnless[key])))]
