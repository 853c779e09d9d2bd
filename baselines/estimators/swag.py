"""Stochastic weight averaging - Gaussian (SWAG)."""

from dataclasses import dataclass

import numpy as np

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.training.backbone import TrainBackbone
from dicecast.training.normalisation import with_statistics_of
from dicecast.training.trainer import Weights

LEAST_VARIANCE = 1e-30


@register_estimator("swag")
@dataclass(frozen=True)
class SWAG:
    """Training goes on at a constant rate; a Gaussian is fitted to the weights it wanders through.

    Maddox et al. 2019 (arXiv 1902.02476, algorithm 1): mean, diagonal and low-rank deviations of
    the weights after each further epoch; a draw is
    ``mean + sqrt(scale) (sqrt(variance) z1 + D z2 / sqrt(rank - 1))``, its normalisation statistics
    computed anew from training images. Departs in the optimiser (Adam) and in refreshing the
    statistics from some of the training images alone.
    Cost: the softmax network and ``epochs`` more; ``draws`` forward passes.

    Attributes:
        draws: Sampled networks, at least 2.
        epochs: Epochs of the second part of the training, at least 2.
        rate: Its learning rate, as a share of the suite's.
        rank: Most columns of the low-rank part: the last so many epochs; at least 2.
        scale: Factor of the covariance, at least 0; 0.5 is the paper's.
        refresh: Training images that the statistics are computed from.
    """

    draws: int = 20
    epochs: int = 10
    rate: float = 0.25
    rank: int = 20
    scale: float = 0.5
    refresh: int = 256

    def __post_init__(self) -> None:
        if min(self.draws, self.epochs, self.rank) < 2 or self.refresh < 1:
            raise DicecastError(
                "swag needs draws, epochs and rank of at least 2 and a refresh of at least 1; got "
                f"draws = {self.draws}, epochs = {self.epochs}, rank = {self.rank}, "
                f"refresh = {self.refresh}."
            )
        if self.rate <= 0.0 or self.scale < 0.0:
            raise DicecastError(
                "swag needs a rate above 0 and a scale of at least 0; "
                f"got rate = {self.rate}, scale = {self.scale}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train on from the softmax backbone, and draw networks."""
        walk = train_backbone(
            seed,
            initial=train_backbone(seed),
            epochs=self.epochs,
            learning_rate=self.rate * train_backbone.schedule.learning_rate,
            final_rate=1.0,
            patience=0,
            snapshots=tuple(range(1, self.epochs + 1)),
        )
        trainable = len(walk.network.trainable_variables)
        gaussian = LowRankGaussian([s[:trainable] for s in walk.snapshots], self.rank)
        images = data.train.images[: self.refresh]
        generator = np.random.default_rng(seed)
        return BackbonePredictive(
            [
                with_statistics_of(
                    walk.with_weights(
                        gaussian.draw(generator, self.scale) + walk.weights[trainable:]
                    ),
                    images,
                    train_backbone.schedule.batch_size,
                )
                for _ in range(self.draws)
            ]
        )


class LowRankGaussian:
    """A Gaussian over lists of weights, from snapshots; half diagonal, half low rank.

    Args:
        snapshots: In the order of training.
        rank: Most deviations that are kept.
    """

    def __init__(self, snapshots: list[Weights], rank: int) -> None:
        self.mean: Weights = []
        self.std: Weights = []
        self.deviations: Weights = []
        for stacked in map(np.stack, zip(*snapshots, strict=True)):
            mean = stacked.mean(axis=0)
            self.mean.append(mean)
            self.std.append(np.sqrt(np.maximum(stacked.var(axis=0), LEAST_VARIANCE)))
            # Each from the mean so far, as algorithm 1 has it.
            counts = np.arange(1, len(stacked) + 1).reshape(-1, *[1] * mean.ndim)
            self.deviations.append((stacked - np.cumsum(stacked, axis=0) / counts)[-rank:])
        self.rank = len(self.deviations[0])

    def draw(self, generator: np.random.Generator, scale: float) -> Weights:
        """Return sampled weights; ``scale`` multiplies the covariance."""
        common = generator.standard_normal(self.rank) / np.sqrt(self.rank - 1)
        return [
            (
                mean
                + np.sqrt(scale)
                * (
                    std * generator.standard_normal(mean.shape)
                    + np.tensordot(common, deviations, axes=1)
                )
            ).astype(mean.dtype)
            for mean, std, deviations in zip(self.mean, self.std, self.deviations, strict=True)
        ]
