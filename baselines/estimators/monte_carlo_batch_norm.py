"""Monte Carlo batch normalisation."""

from dataclasses import dataclass

import numpy as np

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.training.backbone import TrainBackbone
from dicecast.training.normalisation import with_statistics_of


@register_estimator("monte_carlo_batch_norm")
@dataclass(frozen=True)
class MonteCarloBatchNorm:
    """Each draw normalises with the statistics of another random batch of training images.

    Teye, Azizpour and Smith 2018 (arXiv 1802.06455, section 3.3): the mini-batch is the noise of
    batch normalisation. The network is the softmax estimator's, its stored statistics untouched.
    Needs a backbone with batch normalisation. Cost: one training, ``draws`` forward passes and as
    many batches of training images.

    Attributes:
        draws: Batches, at least 2.
        batch_size: Training images a batch, at least 2; 0 takes the batch size of the training.
    """

    draws: int = 20
    batch_size: int = 0

    def __post_init__(self) -> None:
        if self.draws < 2 or self.batch_size < 0 or self.batch_size == 1:
            raise DicecastError(
                "monte_carlo_batch_norm needs at least 2 draws and a batch_size of at least 2 (or "
                f"0: the training's); got draws = {self.draws}, batch_size = {self.batch_size}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train (or find) the softmax backbone and pass training batches through it."""
        backbone = train_backbone(seed)
        size = min(self.batch_size or train_backbone.schedule.batch_size, len(data.train))
        generator = np.random.default_rng(seed)
        batches = [
            generator.choice(len(data.train), size, replace=False) for _ in range(self.draws)
        ]
        members = [with_statistics_of(backbone, data.train.images[rows], size) for rows in batches]
        if members[0] is backbone:
            raise DicecastError(
                "monte_carlo_batch_norm needs a backbone with batch normalisation; this one has "
                'none. Set backbone.normalisation = "batch", or leave the estimator out.'
            )
        predictive = BackbonePredictive(members)
        # The members share their weights; only the statistics differ.
        predictive.num_parameters = backbone.num_parameters
        return predictive
