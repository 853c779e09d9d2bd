"""Deep ensembles."""

from dataclasses import dataclass

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.training.backbone import TrainBackbone

SEED_STEP = 1000
"""Distance of the members' seeds; the first member is the softmax estimator's network."""


@register_estimator("deep_ensemble")
@dataclass(frozen=True)
class DeepEnsemble:
    """Several networks trained from different seeds; each is one draw.

    Lakshminarayanan, Pritzel and Blundell 2017 (arXiv 1612.01474), without adversarial training.
    Cost: ``members`` trainings (the first is shared with ``softmax``) and as many forward passes.

    Attributes:
        members: How many networks, at least 2.
    """

    members: int = 5

    def __post_init__(self) -> None:
        if self.members < 2:
            raise DicecastError(f"deep_ensemble needs at least 2 members; got {self.members}.")

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train the members one after another."""
        seeds = [seed + SEED_STEP * member for member in range(self.members)]
        return BackbonePredictive([train_backbone(member_seed) for member_seed in seeds])
