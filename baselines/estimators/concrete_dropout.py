"""Concrete dropout: rates that are learned."""

from dataclasses import dataclass
from math import log
from typing import Any

import keras
from keras import ops

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.backend import Tensor
from dicecast.networks.contract import Convolution, ConvolutionSpec
from dicecast.networks.convolutions import FactoredConvolution2D, Factors
from dicecast.networks.noise import Noise
from dicecast.networks.unet import PlainConvolution
from dicecast.training.backbone import TrainBackbone
from dicecast.training.evidence import EvidenceLowerBound

TEMPERATURE = 0.1
"""Of the relaxed Bernoulli variables, as in the authors' experiments."""

QUICKNESS = 10.0
"""How many times as far as other weights a step of Adam moves the logit of a rate."""


class ConcreteDropoutConvolution2D(FactoredConvolution2D):
    """A convolution that drops channels of its input at a rate that it learns."""

    def __init__(self, spec: ConvolutionSpec, settings: "LearnedRates") -> None:
        super().__init__(spec)
        self.settings = settings

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create the kernel and the rate."""
        super().build(input_shape)
        start = log(self.settings.initial_rate / (1.0 - self.settings.initial_rate)) / QUICKNESS
        initial = keras.initializers.Constant(start)
        # Float32 under mixed precision too: small rates are differences of large numbers.
        self.slow_logit = self.add_weight(
            shape=(), initializer=initial, name="slow_logit", autocast=False
        )

    @property
    def logit(self) -> Tensor:
        """The logit of the rate, the share of channels dropped; scalar."""
        return QUICKNESS * ops.convert_to_tensor(self.slow_logit)

    def factors(self, noise: Noise | None, member: Tensor) -> Factors:
        """Return what is left of each channel, divided by its mean; add the regularisers."""
        self.add_loss(self.divergence())
        channels, outgoing = self.kernel.shape[2], ops.ones((1, self.spec.filters))
        if noise is None:
            return Factors(ops.ones((1, channels)), outgoing)
        uniform = noise.uniform(self.name, (ops.shape(member)[0], channels))
        # Off 0 and 1, whose logarithms are not finite.
        uniform = ops.clip(uniform, 1e-6, 1.0 - 1e-6)
        chance = ops.log(uniform) - ops.log(1.0 - uniform)
        dropped = ops.sigmoid((self.logit + chance) / TEMPERATURE)
        return Factors((1.0 - dropped) / (1.0 - ops.sigmoid(self.logit)), outgoing)

    def divergence(self) -> Tensor:
        """Return the divergence from the prior in nats, up to a constant; see ``ConcreteDropout``.

        The kernel's weights times what is left of a channel have the scale that the paper's have,
        so its ``l^2 (1 - p) / 2 |M|^2`` is ``l^2 / (2 (1 - p)) |W|^2`` here.
        """
        kernel = ops.cast(ops.convert_to_tensor(self.kernel), "float32")
        logit = self.logit
        rate = ops.sigmoid(logit)
        squares = ops.sum(ops.square(kernel)) / (1.0 - rate)
        # H(p) = softplus(z) - p z for p = sigmoid(z): finite however small p is.
        entropy = ops.softplus(logit) - rate * logit
        return self.settings.length_scale**2 / 2.0 * squares - kernel.shape[2] * entropy


@dataclass(frozen=True)
class LearnedRates:
    """Makes the convolutions; that of the images is an ordinary one. See ``ConcreteDropout``."""

    initial_rate: float
    length_scale: float

    def layer(self, spec: ConvolutionSpec) -> Any:
        """Return a layer; see ``Convolution``."""
        plain: Convolution = PlainConvolution()
        return plain.layer(spec) if spec.of_images else ConcreteDropoutConvolution2D(spec, self)


@register_estimator("concrete_dropout")
@dataclass(frozen=True)
class ConcreteDropout:
    """Dropout of channels whose rates are learned, one for each convolution.

    Gal, Hron and Kendall 2017 (arXiv 1705.07832), eq. 3-5: while training and drawing, a channel is
    multiplied with a relaxed Bernoulli variable (temperature 0.1), through which the rate ``p`` has
    a gradient. The bound is the loss plus ``(l^2 / (2 (1 - p)) |W|^2 - K H(p)) / N`` for each
    convolution ``W`` with ``K`` input channels: the entropy ``H`` draws rates to 1/2, the data draw
    them to 0. This suite's loss is a mean over pixels, so that ``N`` is the number of training
    images times their pixels, as of ``variational``.

    Dropping belongs to the convolution that reads the channels, whose weights it regularises, and
    not to blocks, as that of ``mc_dropout`` does. Departs: the images' own channels are kept; the
    length scale acts on kernels that are mostly normalised, whose size does not matter to the
    network; rates move ten times as fast as weights, or a short training would not move them.
    Cost: one training, ``draws`` forward passes.

    Attributes:
        draws: Forward passes, at least 2.
        initial_rate: Where all rates start, in (0, 1).
        length_scale: ``l`` of the prior, at least 0.
        weight: Factor of the regularisers; above 1 keeps the rates up.
    """

    draws: int = 20
    initial_rate: float = 0.05
    length_scale: float = 0.01
    weight: float = 1.0

    def __post_init__(self) -> None:
        positive = self.length_scale >= 0.0 and self.weight >= 0.0
        if self.draws < 2 or not 0.0 < self.initial_rate < 1.0 or not positive:
            raise DicecastError(
                "concrete_dropout needs at least 2 draws, an initial_rate in (0, 1), and a "
                f"length_scale and a weight of at least 0; got {self}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train one backbone with the rates of its convolutions."""
        backbone = train_backbone(
            seed,
            convolution=LearnedRates(self.initial_rate, self.length_scale),
            objective=EvidenceLowerBound(self.weight, warm_up=0.0),
        )
        return BackbonePredictive([backbone], num_draws=self.draws, noisy=True)
