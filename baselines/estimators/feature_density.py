"""The density of a pixel's features under Gaussians of the classes."""

from dataclasses import dataclass
from math import log, pi
from typing import Any, NamedTuple

import numpy as np
from keras import ops
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.estimation.last_layer import FEATURES, sample_pixels, with_features
from dicecast.networks.backend import Tensor
from dicecast.networks.inference import Prepared
from dicecast.training.backbone import Backbone, TrainBackbone

LEAST_JITTER, MOST_JITTER = 1e-6, 1e3
"""Added to the variances, times the mean variance of the features: float32 resolves no less."""

KNOTS = 1025
"""Quantiles that stand for the distribution of densities on validation."""


class Gaussians(NamedTuple):
    """A mixture of one Gaussian a class.

    Attributes:
        means: ``(classes, features)``.
        whitening: ``(classes, features, features)``; makes centred features standard normal.
        offsets: Logarithm of the density at the mean times the share of the class, ``(classes,)``.
    """

    means: Any
    whitening: Any
    offsets: Any


def fit_gaussians(features: NDArray[np.float32], truth: NDArray[np.uint8]) -> Gaussians:
    """Return the Gaussians of the classes that occur, with their shares.

    Args:
        features: ``(pixels, features)``.
        truth: The index of the true class, ``(pixels,)``.

    Raises:
        DicecastError: The features are the same in all pixels.
    """
    variance = float(features.var(axis=0, dtype=np.float64).mean())
    parts = []
    for label in np.unique(truth):
        chosen = features[truth == label].astype(np.float64)
        mean = chosen.mean(axis=0)
        covariance = (chosen - mean).T @ (chosen - mean) / len(chosen)
        root = _cholesky(covariance, variance)
        whitening = solve_triangular(root, np.eye(len(mean)), lower=True).T
        offset = log(len(chosen) / len(truth)) - np.log(np.diag(root)).sum()
        parts.append((mean, whitening, offset - 0.5 * len(mean) * log(2.0 * pi)))
    return Gaussians(*(np.stack(part).astype(np.float32) for part in zip(*parts, strict=True)))


def _cholesky(covariance: NDArray[Any], variance: float) -> NDArray[Any]:
    jitter = LEAST_JITTER
    while variance > 0.0 and jitter < MOST_JITTER:
        try:
            return np.linalg.cholesky(covariance + jitter * variance * np.eye(len(covariance)))
        except np.linalg.LinAlgError:
            jitter *= 10.0
    raise DicecastError(
        "feature_density: the features of the backbone's last block have no covariance (their mean "
        f"variance is {variance:.3g}). Train the backbone longer, or look for features that are "
        "NaN or all zero."
    )


def surprise(gaussians: Gaussians, features: Tensor) -> Tensor:
    """Return minus the logarithm of the density of features, ``(...)`` for ``(..., features)``."""
    logs = []
    for mean, whitening, offset in zip(
        *(ops.unstack(part, part.shape[0]) for part in gaussians), strict=True
    ):
        standard = ops.matmul(features - mean, whitening)
        logs.append(offset - 0.5 * ops.sum(ops.square(standard), axis=-1))
    return -ops.logsumexp(ops.stack(logs), axis=0)


def position(knots: Tensor, values: Tensor) -> Tensor:
    """Return the place of values in a distribution, in [0, 1], linear between its quantiles.

    Args:
        knots: The quantiles at equal distances from 0 to 1, in order.
        values: In any shape.
    """
    last = knots.shape[0] - 1
    above = ops.searchsorted(knots, ops.reshape(values, (-1,)))
    above = ops.clip(ops.reshape(above, ops.shape(values)), 1, last)
    low, high = ops.take(knots, above - 1), ops.take(knots, above)
    share = ops.clip((values - low) / ops.maximum(high - low, 1e-30), 0.0, 1.0)
    return (ops.cast(above, "float32") - 1.0 + share) / last


class _DensityPredictive(BackbonePredictive):
    """One backbone, with its features' surprise as a map of its own."""

    own_map = "feature_density"

    def __init__(
        self, backbone: Backbone, gaussians: Gaussians, knots: NDArray[np.float32]
    ) -> None:
        super().__init__([backbone])
        self.state = (self.state, tuple(gaussians), knots)

    def prepare(self, state: Any, images: Tensor) -> Prepared:
        """Run the backbone."""
        return super().prepare(state[0], images)

    def maps(self, state: Any, prepared: Prepared) -> dict[str, Tensor]:
        """Return the share of validation pixels whose features were less surprising."""
        _, gaussians, knots = state
        features = self.inference.outputs(prepared, None)[FEATURES]
        return {self.own_map: position(knots, surprise(Gaussians(*gaussians), features))}


@register_estimator("feature_density")
@dataclass(frozen=True)
class FeatureDensity:
    """How unlike the training pixels' features a pixel's are: minus their log-density.

    Deep deterministic uncertainty: Mukhoti et al. 2023 (arXiv 2102.11582), section 4: one Gaussian
    a class, fitted to the features of the last block under the true class, and the density of their
    mixture. Departs in three ways. The backbone has no spectral normalisation. The variances always
    have some jitter (1e-6 of the mean variance, more until the Cholesky decomposition succeeds), so
    that rounding is not taken for distance. The map is the place of the density among those of the
    validation pixels, in [0, 1]: 1 for a pixel less likely than each of them.
    Masks and all measures of draws are those of ``softmax``. It tells strange images; how good the
    mask of a usual image is, it hardly tells. Cost: no training beyond ``softmax``; forward passes
    of the training and validation roles whenever it predicts.

    Attributes:
        pixels: Pixels at most from which the Gaussians are fitted, and as many for the quantiles;
            at least 1. Where there are more, as many of each case, drawn under the seed.
    """

    pixels: int = 2**18

    def __post_init__(self) -> None:
        if self.pixels < 1:
            raise DicecastError(
                f"feature_density needs at least 1 of the pixels; got {self.pixels}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train (or find) the softmax backbone and fit the Gaussians of its features."""
        backbone = train_backbone(seed)
        featured = with_features(backbone)
        gaussians = fit_gaussians(*sample_pixels(featured, data.train, FEATURES, self.pixels, seed))
        seen = sample_pixels(featured, data.validation, FEATURES, self.pixels, seed).values
        values = ops.convert_to_numpy(surprise(gaussians, seen))
        knots = np.quantile(values, np.linspace(0.0, 1.0, KNOTS)).astype(np.float32)
        predictive = _DensityPredictive(featured, gaussians, knots)
        predictive.feature_backbone = backbone
        return predictive
