"""Snapshot ensembles."""

from dataclasses import dataclass

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.training.backbone import TrainBackbone


@register_estimator("snapshot_ensemble")
@dataclass(frozen=True)
class SnapshotEnsemble:
    """One training whose learning rate falls again and again; the end of each cycle is a member.

    Huang et al. 2017 (arXiv 1704.00109, eq. 2), with Adam, and with the suite's number of epochs
    for all cycles together, rounded up to whole cycles.
    Cost: one training, ``members`` forward passes.

    Attributes:
        members: Cycles, at least 2.
    """

    members: int = 5

    def __post_init__(self) -> None:
        if self.members < 2:
            raise DicecastError(f"snapshot_ensemble needs at least 2 members; got {self.members}.")

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train one backbone in cycles."""
        length = -(-train_backbone.schedule.epochs // self.members)
        ends = tuple(length * (cycle + 1) for cycle in range(self.members))
        backbone = train_backbone(
            seed, epochs=ends[-1], cycles=self.members, patience=0, snapshots=ends
        )
        return BackbonePredictive([backbone.with_weights(w) for w in backbone.snapshots])
