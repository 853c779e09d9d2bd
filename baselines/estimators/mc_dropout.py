"""Monte Carlo dropout."""

from dataclasses import dataclass

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.unet import Placement, PlainDropout
from dicecast.training.backbone import TrainBackbone


@register_estimator("mc_dropout")
@dataclass(frozen=True)
class MonteCarloDropout:
    """Dropout stays on while predicting, so each draw is another thinned network.

    Gal and Ghahramani 2016 (arXiv 1506.02142), eq. 6; for segmentation Kendall et al. 2017 (arXiv
    1511.02680). Dropout follows the deep blocks, BatchNormalization stands still, and one mask a
    draw is shared by all cases. Cost: one training, ``draws`` forward passes.

    Attributes:
        rate: Share of values dropped, in (0, 1).
        draws: Forward passes, at least 2.
        placement: The blocks that dropout follows.
        spatial: Whether whole channels are dropped (Tompson et al. 2015, arXiv 1411.4280) and not
            single values, whose neighbours tell the next convolution what is missing.
    """

    rate: float = 0.3
    draws: int = 20
    placement: Placement = "bottleneck_and_decoder"
    spatial: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.rate < 1.0 or self.draws < 2:
            raise DicecastError(
                "mc_dropout needs a rate in (0, 1) and at least 2 draws; "
                f"got rate = {self.rate}, draws = {self.draws}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train one backbone with dropout."""
        backbone = train_backbone(
            seed,
            dropout_rate=self.rate,
            dropout_placement=self.placement,
            dropout=PlainDropout(self.spatial),
        )
        return BackbonePredictive([backbone], num_draws=self.draws, noisy=True)
