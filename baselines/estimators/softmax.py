"""The deterministic network: one draw, its softmax."""

from dataclasses import dataclass

from dicecast import register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.training.backbone import TrainBackbone


@register_estimator("softmax")
@dataclass(frozen=True)
class Softmax:
    """The softmax of one network, without any noise: the baseline that costs nothing.

    Hendrycks and Gimpel 2017 (arXiv 1610.02136): the largest softmax probability as confidence.
    Cost: one training, one forward pass. Measures that compare draws are undefined.
    """

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train one backbone."""
        return BackbonePredictive([train_backbone(seed)])
