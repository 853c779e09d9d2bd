"""Mean-field variational inference over all convolutions."""

from dataclasses import dataclass
from math import expm1, log, prod
from typing import Any, Literal

import keras
from keras import ops

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.backend import BACKEND, Tensor
from dicecast.networks.contract import ConvolutionSpec
from dicecast.networks.layers import UPSAMPLED_TAPS, he_normal, upsampled_convolution
from dicecast.networks.noise import Noise, active_noise
from dicecast.stopwatch import timed
from dicecast.training.backbone import TrainBackbone
from dicecast.training.evidence import EvidenceLowerBound

Method = Literal["flipout", "reparameterised"]


class VariationalConvolution2D(keras.layers.Layer):  # type: ignore[misc]
    """A convolution whose kernel has an independent Gaussian posterior.

    Keras 3 models cannot hold the layers of TensorFlow Probability; its distributions serve here
    for posterior, prior and their Kullback-Leibler divergence, which is given by ``add_loss``.
    """

    draws_noise = True

    def __init__(self, spec: ConvolutionSpec, posterior: "Posterior") -> None:
        super().__init__(name=spec.name)
        self.spec, self.posterior = spec, posterior

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create mean and (before softplus) standard deviation of the kernel."""
        size, filters = self.spec.kernel_size, self.spec.filters
        shape = (size, size, input_shape[-1], filters)
        untransformed = log(expm1(self.posterior.initial_std))
        spread = keras.initializers.Constant(untransformed)
        # Float32 under mixed precision too: a posterior narrower than bfloat16 resolves is a point.
        self.mean = self.add_weight(
            shape=shape, initializer=he_normal(self.spec), name="mean", autocast=False
        )
        self.spread = self.add_weight(
            shape=shape, initializer=spread, name="spread", autocast=False
        )
        if self.spec.use_bias:
            self.bias = self.add_weight(shape=(filters,), initializer="zeros", name="bias")

    def call(self, inputs: Tensor) -> Tensor:
        """Convolve with a kernel drawn from the posterior, or with its mean without noise."""
        mean = ops.convert_to_tensor(self.mean)
        std = ops.softplus(ops.convert_to_tensor(self.spread))
        self.add_loss(self.divergence(mean, std))
        noise = active_noise()
        if noise is None:
            outputs = self._convolve(inputs, mean)
        else:
            shift = std * keras.random.normal(mean.shape, seed=noise.key(self.name))
            outputs = self._perturbed(inputs, mean, shift, noise)
        return outputs + ops.cast(self.bias, outputs.dtype) if self.spec.use_bias else outputs

    def multiply_adds(self, training: bool) -> int:
        """Return the multiplications of an example; see ``layer_operations``."""
        taps = UPSAMPLED_TAPS if self.spec.upsample else self.spec.kernel_size**2
        convolutions = 2 if training and self.posterior.method == "flipout" else 1
        return int(convolutions * taps * self.input.shape[-1] * prod(self.output.shape[1:]))

    def divergence(self, mean: Tensor, std: Tensor) -> Tensor:
        """Return KL(posterior || prior) in nats, summed over the kernel."""
        with timed("import"):
            import tensorflow_probability as tfp  # noqa: PLC0415  seconds to import

        posterior = tfp.distributions.Normal(mean, std)
        prior = tfp.distributions.Normal(0.0, self.posterior.prior_std)
        return ops.sum(tfp.distributions.kl_divergence(posterior, prior))

    def _perturbed(self, inputs: Tensor, mean: Tensor, shift: Tensor, noise: Noise) -> Tensor:
        if self.posterior.method == "reparameterised" or noise.shared:
            # One draw of the weights for the whole batch is what Flipout decorrelates.
            return self._convolve(inputs, mean + shift)
        batch, channels, kind = ops.shape(inputs)[0], inputs.shape[-1], inputs.dtype
        incoming = noise.signs(f"{self.name}_in", (batch, 1, 1, channels), kind)
        outgoing = noise.signs(f"{self.name}_out", (batch, 1, 1, self.spec.filters), kind)
        perturbation = self._convolve(inputs * incoming, shift) * outgoing
        return self._convolve(inputs, mean) + perturbation

    def _convolve(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        kernel = ops.cast(kernel, inputs.dtype)
        if self.spec.upsample:
            return upsampled_convolution(inputs, kernel)
        return ops.conv(inputs, kernel, padding="same")


@dataclass(frozen=True)
class Posterior:
    """What the training of a variational convolution depends on; see ``Variational``."""

    method: Method
    prior_std: float
    initial_std: float


@dataclass(frozen=True)
class VariationalConvolution:
    """Makes the convolutions of a variational backbone."""

    posterior: Posterior

    def layer(self, spec: ConvolutionSpec) -> Any:
        """Return a ``VariationalConvolution2D``; see ``Convolution``."""
        return VariationalConvolution2D(spec, self.posterior)


@register_estimator("variational")
@dataclass(frozen=True)
class Variational:
    """Every convolution kernel has a Gaussian posterior; each draw is a kernel drawn from it.

    Blundell et al. 2015 (arXiv 1505.05424); Flipout: Wen et al. 2018 (arXiv 1803.04386). The
    divergence counts by 1 / (number of training images), with a warm-up. Normalisation and biases
    stay deterministic. Needs TensorFlow Probability, so the TensorFlow backend.
    Cost: one training with twice the weights (Flipout: twice the convolutions), ``draws`` passes.

    Attributes:
        draws: Forward passes, at least 2.
        method: "flipout" perturbs each training example by itself; "reparameterised" all alike.
        prior_std: Standard deviation of the Gaussian prior, above 0.
        initial_std: Standard deviation of the posterior at the start, above 0.
        weight: Factor of the divergence; below 1 tempers the posterior.
        warm_up: Share of training over which the divergence is faded in, in [0, 1].
    """

    draws: int = 20
    method: Method = "flipout"
    prior_std: float = 0.3
    initial_std: float = 0.03
    weight: float = 1.0
    warm_up: float = 0.5

    def __post_init__(self) -> None:
        positive = min(self.prior_std, self.initial_std) > 0.0 and self.weight >= 0.0
        if self.draws < 2 or not positive or not 0.0 <= self.warm_up <= 1.0:
            raise DicecastError(
                "variational needs at least 2 draws, prior_std and initial_std above 0, a weight "
                f"of at least 0 and a warm_up in [0, 1]; got {self}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train one backbone of variational convolutions."""
        if BACKEND != "tensorflow":
            raise DicecastError(
                "variational needs TensorFlow Probability: run it with KERAS_BACKEND=tensorflow."
            )
        posterior = Posterior(self.method, self.prior_std, self.initial_std)
        backbone = train_backbone(
            seed,
            convolution=VariationalConvolution(posterior),
            objective=EvidenceLowerBound(self.weight, self.warm_up),
        )
        return BackbonePredictive([backbone], num_draws=self.draws, noisy=True)
