"""A Laplace approximation of the last layer."""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import exp, log
from typing import Any, Literal, NamedTuple

import numpy as np
from keras import ops
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax as numpy_softmax

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import Cases, FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.estimation.last_layer import FEATURES, with_features
from dicecast.networks.backend import Tensor
from dicecast.networks.inference import Prepared
from dicecast.networks.noise import Noise
from dicecast.networks.probabilities import softmax
from dicecast.training.backbone import Backbone, TrainBackbone
from dicecast.training.initial import by_layer

Structure = Literal["full", "kronecker", "diagonal"]
Array = NDArray[Any]

RANGE = (1e-6, 1e6)
"""Prior precisions that are looked at."""


class Curvature(NamedTuple):
    """The Gauss-Newton matrix of the last layer, ``basis diag(values) basis'``.

    Attributes:
        values: ``(weights,)``, at least 0.
        basis: Orthonormal columns, ``(weights, weights)``.
    """

    values: Array
    basis: Array


def curvature_sums(structure: Structure, features: Array, probability: Array) -> list[Array]:
    """Return what pixels add to the Gauss-Newton matrix, summed over them.

    The matrix of a pixel is ``(phi phi') x (diag(p) - p p')``, the Jacobian of the logits being
    ``phi' x I`` (Daxberger et al. 2021, section 2).

    Args:
        structure: See ``LaplaceLastLayer``.
        features: With a last column of ones for the bias, ``(pixels, features)``.
        probability: ``(pixels, classes)``.
    """
    if structure == "diagonal":
        return [np.square(features).T @ (probability * (1.0 - probability))]
    if structure == "kronecker":
        of_logits = np.diag(probability.sum(axis=0)) - probability.T @ probability
        return [features.T @ features, of_logits]
    width, classes = features.shape[1], probability.shape[1]
    matrix = np.empty((width, classes, width, classes))
    for first, second in combinations_with_replacement(range(classes), 2):
        weight = probability[:, first] * ((first == second) - probability[:, second])
        block = (features * weight[:, None]).T @ features
        matrix[:, first, :, second] = matrix[:, second, :, first] = block
    return [matrix.reshape(width * classes, -1)]


def curvature(structure: Structure, sums: list[Array], pixels: int) -> Curvature:
    """Return the Gauss-Newton matrix from ``curvature_sums`` of so many pixels."""
    if structure == "diagonal":
        return Curvature(sums[0].ravel(), np.eye(sums[0].size))
    (values, basis), *others = (np.linalg.eigh(one) for one in sums)
    for more, columns in others:
        values, basis = np.outer(values, more).ravel() / pixels, np.kron(basis, columns)
    return Curvature(np.maximum(values, 0.0), basis)


def best_prior_precision(values: Array, weights: Array) -> float:
    """Return the prior precision with the largest marginal likelihood, within ``RANGE``.

    Daxberger et al. 2021, eq. 6; but for what does not depend on the precision ``t`` it is
    ``-1/2 (t |w|^2 + sum_i log(1 + h_i / t))``, concave in ``log t``.

    Args:
        values: Eigenvalues ``h`` of the Gauss-Newton matrix.
        weights: The trained weights ``w``.
    """
    square = float(np.square(weights).sum())

    def minus_twice(log_precision: float) -> float:
        precision = exp(log_precision)
        return precision * square + float(np.log1p(values / precision).sum())

    found = minimize_scalar(minus_twice, bounds=(log(RANGE[0]), log(RANGE[1])))
    return exp(found.x)


class LaplacePredictive(BackbonePredictive):
    """A backbone whose last layer is drawn from a Gaussian.

    Args:
        backbone: With the output ``features``.
        weights: Mean of the Gaussian, ``(features + 1, classes)``; the bias is the last row.
        curvature: With the prior's precision the inverse of its covariance.
        prior_precision: Above 0.
        num_draws: How many.
    """

    def __init__(
        self,
        backbone: Backbone,
        weights: Array,
        curvature: Curvature,
        prior_precision: float,
        num_draws: int,
    ) -> None:
        super().__init__([backbone], num_draws)
        self.layer_shape = weights.shape
        root = curvature.basis / np.sqrt(curvature.values + prior_precision)
        self.state = (self.state, weights.astype(np.float32), root.astype(np.float32))

    @property
    def operations(self) -> int:
        """Those of the network, once, and those of the last layer of each draw."""
        height, width, _ = self.backbone.network.input_shape[1:]
        of_layers = 2 * self.num_draws * height * width * int(np.prod(self.layer_shape))
        return super().operations + int(of_layers)

    def prepare(self, state: Any, images: Tensor) -> Tensor:
        """Return the features, ``(batch, height, width, features)``, float32."""
        prepared: Prepared = super().prepare(state[0], images)
        return self.backbone.inference.outputs(prepared, None)[FEATURES]

    def layer(self, state: Any, noise: Noise) -> Tensor:
        """Return the last layer of a draw, ``(features + 1, classes)``."""
        _, mean, root = state
        standard = noise.normal("laplace_last_layer", (1, root.shape[1]), "float32")
        return mean + ops.reshape(ops.matmul(root, standard[0]), self.layer_shape)

    def draw(self, state: Any, prepared: Tensor, noise: Noise) -> Tensor:
        """Return the softmax under a last layer of its own."""
        layer = self.layer(state, noise)
        return softmax(ops.matmul(prepared, layer[:-1]) + layer[-1])


@register_estimator("laplace_last_layer")
@dataclass(frozen=True)
class LaplaceLastLayer:
    """A Gaussian around the trained weights of the last layer, as wide as the loss is flat.

    Daxberger et al. 2021 (arXiv 2106.14806), after Kristiadi, Hein and Hennig 2020 (arXiv
    2002.10118): the posterior's precision is the generalised Gauss-Newton matrix of the
    cross-entropy over all training pixels plus the prior's. The logits are linear in these weights,
    so that drawing weights is the linearised predictive distribution, without its integral.
    Departs in that the weights were trained with a Dice loss too, without the prior, so that they
    are not quite the mode; and pixels count as independent, which makes the posterior narrow.
    Cost: no training beyond ``softmax``; a forward pass of the training role whenever it predicts;
    a 1x1 convolution a draw.

    Attributes:
        structure: Of the Gauss-Newton matrix: "full", "kronecker" (the expectation of a Kronecker
            product as the product of expectations; Ritter et al. 2018) or "diagonal".
        draws: How many last layers, at least 2.
        prior_precision: Of the Gaussian prior, above 0; by default the one with the largest
            marginal likelihood.
    """

    structure: Structure = "kronecker"
    draws: int = 20
    prior_precision: float | None = None

    def __post_init__(self) -> None:
        prior = self.prior_precision
        if self.draws < 2 or not (prior is None or prior > 0.0):
            raise DicecastError(
                "laplace_last_layer needs at least 2 draws and a prior_precision above 0 (leave it "
                f"out to have it fitted); got draws = {self.draws}, prior_precision = {prior}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train (or find) the softmax backbone and fit the posterior of its last layer."""
        softmax_backbone = train_backbone(seed)
        backbone = with_features(softmax_backbone)
        kernel, bias = by_layer(backbone.network, backbone.weights)["logits"]
        weights = np.concatenate([kernel.reshape(-1, len(bias)), bias[None]])
        found = self._curvature(backbone, data.train)
        prior = self.prior_precision or best_prior_precision(found.values, weights)
        predictive = LaplacePredictive(backbone, weights, found, prior, self.draws)
        predictive.feature_backbone = softmax_backbone
        return predictive

    def _curvature(self, backbone: Backbone, cases: Cases) -> Curvature:
        total = list[Array]()
        for _, outputs in backbone.predict(cases.images):
            features = outputs[FEATURES].reshape(-1, outputs[FEATURES].shape[-1])
            features = np.pad(features, ((0, 0), (0, 1)), constant_values=1.0)
            logits = outputs["logits"].reshape(len(features), -1)
            sums = curvature_sums(self.structure, features, numpy_softmax(logits, axis=1))
            total = [old + new for old, new in zip(total, sums, strict=True)] if total else sums
        return curvature(self.structure, total, cases.masks[0].size * len(cases))
