"""Deep sub-ensembles."""

from dataclasses import dataclass
from typing import Literal

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.training.backbone import TrainBackbone

BRANCHES = {"decoder": ("decoder_", "logits"), "last_block": ("decoder_0", "logits")}
"""How the names of the layers begin that each member has of its own."""

SEED_STEP = 1000
"""Distance of the branches' seeds."""


@register_estimator("deep_sub_ensemble")
@dataclass(frozen=True)
class DeepSubEnsemble:
    """One trunk, several branches: the first layers are shared, the last ones an ensemble.

    Valdenegro-Toro 2019 (arXiv 1910.08168): the whole network is trained once; then further
    branches are trained from fresh weights on the frozen trunk. The trunk runs once for all draws.
    Cost: one training and ``members - 1`` of a branch; a forward pass and ``members - 1`` of a
    branch.

    Attributes:
        members: Branches, at least 2.
        branch: "decoder": encoder and bottleneck are shared; "last_block": all but the block of
            full resolution.
    """

    members: int = 5
    branch: Literal["decoder", "last_block"] = "decoder"

    def __post_init__(self) -> None:
        if self.members < 2:
            raise DicecastError(f"deep_sub_ensemble needs at least 2 members; got {self.members}.")

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train the network, then the other branches."""
        first, layers = train_backbone(seed), BRANCHES[self.branch]
        others = [
            train_backbone(seed + SEED_STEP * number, initial=first, trained=layers)
            for number in range(1, self.members)
        ]
        # All in the order of weights of the whole network, which frozen ones do not have.
        members = [first, *(first.with_weights(first.arranged(other)) for other in others)]
        predictive = BackbonePredictive(members, varying=layers)
        # The trunk counts once: in the others only the branch is trainable.
        predictive.num_parameters = sum(member.num_parameters for member in (first, *others))
        return predictive
