"""Spectral-normalised neural Gaussian processes (SNGP)."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi, prod, sqrt
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.backend import Tensor
from dicecast.networks.contract import ConvolutionSpec, Features
from dicecast.networks.inference import Prepared
from dicecast.networks.layers import UPSAMPLED_TAPS, he_normal, upsampled_convolution
from dicecast.networks.noise import Noise
from dicecast.networks.probabilities import softmax
from dicecast.training.backbone import Backbone, TrainBackbone

FEATURES = "logits_features"
"""The layer that gives the random features."""


class SpectralConvolution2D(layers.Layer):  # type: ignore[misc]
    """A convolution whose kernel, as a matrix, is kept to a spectral norm.

    The norm is followed by one power iteration a training step (Miyato et al. 2018, algorithm 1).
    """

    def __init__(self, spec: ConvolutionSpec, bound: float) -> None:
        super().__init__(name=spec.name)
        self.spec, self.bound = spec, bound

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create the kernel and the vector that the power iteration carries."""
        size, filters = self.spec.kernel_size, self.spec.filters
        shape = (size, size, input_shape[-1], filters)
        self.kernel = self.add_weight(
            shape=shape, initializer=he_normal(self.spec), name="kernel", autocast=False
        )
        self.vector = self.add_weight(
            shape=(1, filters),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
            name="vector",
            autocast=False,
        )
        if self.spec.use_bias:
            self.bias = self.add_weight(shape=(filters,), initializer="zeros", name="bias")

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Convolve with the kernel, scaled down to the bound if its norm is above."""
        kernel = ops.cast(self.bounded_kernel(training), inputs.dtype)
        if self.spec.upsample:
            outputs = upsampled_convolution(inputs, kernel)
        else:
            outputs = ops.conv(inputs, kernel, padding="same")
        return outputs + ops.cast(self.bias, outputs.dtype) if self.spec.use_bias else outputs

    def bounded_kernel(self, training: bool) -> Tensor:
        """Return the kernel over ``max(1, norm / bound)``."""
        kernel = ops.convert_to_tensor(self.kernel)
        matrix = ops.reshape(kernel, (-1, self.spec.filters))
        fixed, vector = ops.stop_gradient(matrix), ops.convert_to_tensor(self.vector)
        left = _unit(ops.matmul(vector, ops.transpose(fixed)))
        right = _unit(ops.matmul(left, fixed))
        if training:
            self.vector.assign(right)
        norm = ops.sum(ops.matmul(left, matrix) * right)
        return kernel / ops.maximum(norm / self.bound, 1.0)

    def multiply_adds(self, training: bool) -> int:
        """Return the multiplications of an example; see ``layer_operations``."""
        taps = UPSAMPLED_TAPS if self.spec.upsample else self.spec.kernel_size**2
        return int(taps * self.input.shape[-1] * prod(self.output.shape[1:]))


def _unit(vector: Tensor) -> Tensor:
    return vector / ops.maximum(ops.norm(vector), 1e-12)


@dataclass(frozen=True)
class SpectralConvolution:
    """Makes convolutions with a bounded spectral norm.

    Attributes:
        bound: The largest spectral norm of a kernel.
    """

    bound: float

    def layer(self, spec: ConvolutionSpec) -> Any:
        """Return a ``SpectralConvolution2D``; see ``Convolution``."""
        return SpectralConvolution2D(spec, self.bound)


class RandomFeatures(layers.Layer):  # type: ignore[misc]
    """``sqrt(2 / features) cos(W x + b)`` of each pixel, W and b fixed (Rahimi and Recht 2007).

    Their inner products tend to a Gaussian kernel of the length scale.
    """

    def __init__(self, count: int, length_scale: float, name: str) -> None:
        super().__init__(name=name)
        self.count, self.length_scale = count, length_scale

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create the directions and phases, which no training moves."""
        directions = keras.initializers.RandomNormal(stddev=1.0 / self.length_scale)
        phases = keras.initializers.RandomUniform(0.0, 2.0 * pi)
        self.directions = self.add_weight(
            shape=(input_shape[-1], self.count), initializer=directions, trainable=False
        )
        self.phases = self.add_weight(shape=(self.count,), initializer=phases, trainable=False)

    def call(self, inputs: Tensor) -> Tensor:
        """Return ``(batch, height, width, features)``."""
        waves = ops.cos(ops.matmul(inputs, self.directions) + self.phases)
        return waves * sqrt(2.0 / self.count)


@dataclass(frozen=True)
class GaussianProcessHead:
    """Logits linear in random features of the last block.

    Attributes:
        features: How many.
        length_scale: Of the kernel they stand for.
    """

    features: int
    length_scale: float

    def build(self, features: Features, name: str) -> Tensor:
        """Return the logits, ``(batch, height, width, classes)``."""
        waves = RandomFeatures(self.features, self.length_scale, FEATURES)(features.last)
        return layers.Conv2D(features.num_classes, 1, name=name)(waves)


def posterior_covariance(
    batches: Iterator[tuple[NDArray[Any], NDArray[Any]]], ridge: float
) -> NDArray[np.float32]:
    """Return the covariance of the last layer's weights by Laplace's method.

    The inverse of ``ridge I + sum over images of the mean over pixels of p (1 - p) f f^T``.

    Args:
        batches: Random features ``(batch, height, width, features)`` and logits.
        ridge: Prior precision.
    """
    precision: Any = 0.0
    for waves, logits in batches:
        exponential = np.exp(logits - logits.max(axis=-1, keepdims=True))
        largest = (exponential / exponential.sum(axis=-1, keepdims=True)).max(axis=-1)
        rows = waves.reshape(-1, waves.shape[-1]).astype(np.float64)
        weights = (largest * (1.0 - largest)).reshape(-1, 1) / np.prod(waves.shape[1:3])
        precision = precision + (rows * weights).T @ rows
    return np.linalg.inv(precision + ridge * np.eye(len(precision))).astype(np.float32)


class _GaussianProcessPredictive(BackbonePredictive):
    # Heads read the entropy, not the variance: the precision counts a pixel by p (1 - p), so that
    # the posterior knows the pixels near borders best, where the segmentation errs.

    def __init__(
        self, backbone: Backbone, covariance: NDArray[np.float32], settings: "SNGP"
    ) -> None:
        super().__init__([backbone.with_layers(features=FEATURES)])
        self.state = (self.state, covariance)
        self.settings = settings
        self.graph_key = (self.graph_key, settings)

    def prepare(self, state: Any, images: Tensor) -> Prepared:
        """Return, as values, the logits and the variance of the process at each pixel."""
        outputs = self.inference.outputs(super().prepare(state[0], images), None)
        waves = outputs["features"]
        variance = ops.sum(ops.matmul(waves, state[1]) * waves, axis=-1)
        values = {"logits": outputs["logits"], "variance": ops.maximum(variance, 0.0)}
        return Prepared(images, [], {}, values)

    def draw(self, state: Any, prepared: Prepared, noise: Noise) -> Tensor:
        """Return the softmax of the logits, tempered by the variance (mean-field)."""
        scale = ops.sqrt(1.0 + self.settings.mean_field_factor * prepared.values["variance"])
        return softmax(prepared.values["logits"] / scale[..., None])

    def maps(self, state: Any, prepared: Prepared) -> dict[str, Tensor]:
        """Return the variance, relative to that of the prior."""
        # The prior's is f^T f / ridge, on average 1 / ridge.
        relative = ops.minimum(self.settings.ridge * prepared.values["variance"], 1.0)
        return {"gaussian_process_variance": relative}


@register_estimator("spectral_normalised_gaussian_process")
@dataclass(frozen=True)
class SNGP:
    """A distance-aware network: bounded convolutions, and a Gaussian process as the last layer.

    Liu et al. 2020 (arXiv 2006.10108, eq. 8-10; algorithm 1), for each pixel: random features of
    the last block, logits linear in them, and a Laplace posterior whose variance tempers the
    logits. Departs: the precision is exact, from one pass after training, and an image counts as
    one observation (its pixels say much the same, and millions of them would leave no variance).
    Batch normalisation between the convolutions is kept, and is not bounded.
    The variance is a map of its own, for what lies far from the training images; heads read the
    predictive entropy.
    Cost: one training with a power iteration a convolution, a pass over the training images, one
    forward pass with a quadratic form a pixel.

    Attributes:
        bound: Largest spectral norm of a kernel, above 0.
        features: Random features, at least 1.
        length_scale: Of the Gaussian kernel, above 0.
        ridge: Prior precision, above 0.
        mean_field_factor: How strongly the variance tempers the logits, at least 0.
    """

    bound: float = 6.0
    features: int = 128
    length_scale: float = 2.0
    ridge: float = 1.0
    mean_field_factor: float = pi / 8.0

    def __post_init__(self) -> None:
        positive = min(self.bound, self.length_scale, self.ridge) > 0.0
        if not positive or self.features < 1 or self.mean_field_factor < 0.0:
            raise DicecastError(
                "spectral_normalised_gaussian_process needs bound, length_scale and ridge above 0, "
                f"at least 1 feature and a mean_field_factor of at least 0; got {self}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train the backbone, then pass the training images for the posterior."""
        backbone = train_backbone(
            seed,
            convolution=SpectralConvolution(self.bound),
            heads={"logits": GaussianProcessHead(self.features, self.length_scale)},
        )
        outputs = backbone.with_layers(features=FEATURES).predict(data.train.images)
        covariance = posterior_covariance(
            ((found["features"], found["logits"]) for _, found in outputs), self.ridge
        )
        return _GaussianProcessPredictive(backbone, covariance, self)
