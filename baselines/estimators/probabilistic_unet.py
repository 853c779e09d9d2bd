"""The probabilistic U-Net: a latent variable chooses among plausible segmentations."""

from dataclasses import dataclass

from keras import layers, ops

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.backend import Tensor
from dicecast.networks.contract import Features
from dicecast.networks.noise import active_noise
from dicecast.networks.truth import active_truth
from dicecast.training.backbone import TrainBackbone

LEVELS = 3
"""How often the encoders halve the image."""


def gaussian_divergence(posterior: Tensor, prior: Tensor) -> Tensor:
    """Return KL(posterior || prior) in nats, summed over the latent dimensions, ``(batch,)``.

    Args:
        posterior: ``(batch, 2 * dimensions)``: the means, then the logarithms of the standard
            deviations.
        prior: Likewise.
    """
    (mean, log_std), (other, log_other) = (ops.split(p, 2, axis=-1) for p in (posterior, prior))
    scaled = (ops.exp(2.0 * log_std) + ops.square(mean - other)) * ops.exp(-2.0 * log_other)
    return ops.sum(log_other - log_std + 0.5 * (scaled - 1.0), axis=-1)


class Encoder(layers.Layer):  # type: ignore[misc]
    """Images to the means and log standard deviations of a Gaussian over the latent variable."""

    def __init__(self, dimensions: int, width: int, name: str) -> None:
        super().__init__(name=name)
        self.blocks = [
            layers.Conv2D(width * 2**level, 3, padding="same", activation="relu")
            for level in range(LEVELS)
            for _ in (1, 2)
        ]
        self.parameters = layers.Dense(2 * dimensions, dtype="float32")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Build the layers inside."""
        channels = input_shape[-1]
        for block in self.blocks:
            block.build((None, None, None, channels))
            channels = block.filters
        self.parameters.build((None, channels))

    def call(self, inputs: Tensor) -> Tensor:
        """Return ``(batch, 2 * dimensions)``, float32."""
        for place, block in enumerate(self.blocks):
            inputs = block(inputs)
            if place % 2:
                inputs = ops.average_pool(inputs, 2, padding="same")
        return self.parameters(ops.cast(ops.mean(inputs, axis=(1, 2)), "float32"))


class Latent(layers.Layer):  # type: ignore[misc]
    """Draws the latent variable: from the posterior where the truth is known, else from the prior.

    Args:
        head: The head it is a part of.
        num_classes: How many classes, background included.
        name: Unique in the network.
    """

    draws_noise = True

    def __init__(self, head: "LatentHead", num_classes: int, name: str) -> None:
        super().__init__(name=name)
        self.head, self.num_classes = head, num_classes
        self.posterior = Encoder(head.dimensions, head.width, f"{name}_posterior")

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        """Build the posterior, which sees the image and its truth."""
        _, (*shape, channels) = input_shape
        assert channels is not None
        self.posterior.build((*shape, channels + self.num_classes))

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Return the latent variable of each case, ``(batch, dimensions)``, float32."""
        (prior, images), truth = inputs, active_truth()
        drawn_from = prior = ops.cast(prior, "float32")
        if truth is not None:
            known = ops.one_hot(truth, self.num_classes, dtype=images.dtype)
            drawn_from = self.posterior(ops.concatenate([images, known], axis=-1))
            pixels = images.shape[1] * images.shape[2]
            divergence = ops.mean(gaussian_divergence(drawn_from, prior))
            self.add_loss(self.head.beta / pixels * divergence)
        mean, log_std = ops.split(drawn_from, 2, axis=-1)
        noise = active_noise()
        if noise is None:
            return mean
        normal = noise.normal(self.name, tuple(ops.shape(mean)), "float32")
        return mean + ops.exp(log_std) * normal


@dataclass(frozen=True)
class LatentHead:
    """Logits from the last block and a latent variable, by three 1x1 convolutions.

    Attributes:
        dimensions: Of the latent variable.
        width: Channels of the first convolution of its encoders.
        beta: Weight of the divergence of posterior and prior.
    """

    dimensions: int
    width: int
    beta: float

    def build(self, features: Features, name: str) -> Tensor:
        """Return the logits, ``(batch, height, width, classes)``."""
        prior = Encoder(self.dimensions, self.width, f"{name}_prior")(features.images)
        latent = Latent(self, features.num_classes, f"{name}_latent")([prior, features.images])
        height, width, channels = features.last.shape[1:]
        tensor = layers.Reshape((1, 1, self.dimensions), name=f"{name}_pixel")(latent)
        tensor = layers.UpSampling2D((height, width), name=f"{name}_everywhere")(tensor)
        tensor = layers.Concatenate(name=f"{name}_joined")([features.last, tensor])
        for number in (1, 2):
            tensor = layers.Conv2D(channels, 1, activation="relu", name=f"{name}_conv_{number}")(
                tensor
            )
        return layers.Conv2D(features.num_classes, 1, name=name)(tensor)


@register_estimator("probabilistic_unet")
@dataclass(frozen=True)
class ProbabilisticUNet:
    """A conditional variational auto-encoder around the backbone; each draw is another latent.

    Kohl et al. 2018 (arXiv 1806.05034, eq. 1-4): a prior sees the image, a posterior in training
    the truth too. One latent's noise is shared by all cases of a draw. The bound is divided by the
    pixels, as the suite's loss is a mean over them. Departs in the added Dice term, and in encoders
    of three levels. Cost: one training with two small encoders more, a forward pass, ``draws``
    times three 1x1 convolutions.

    Attributes:
        draws: Sampled segmentations, at least 2.
        dimensions: Of the latent variable, at least 1.
        width: Channels of the first convolution of the encoders, at least 1.
        beta: Weight of the divergence, at least 0; 1 is the bound itself.
    """

    draws: int = 20
    dimensions: int = 6
    width: int = 8
    beta: float = 1.0

    def __post_init__(self) -> None:
        if self.draws < 2 or min(self.dimensions, self.width) < 1 or self.beta < 0.0:
            raise DicecastError(
                "probabilistic_unet needs at least 2 draws, dimensions and width of at least 1 and "
                f"a beta of at least 0; got {self}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train one backbone with a latent variable."""
        head = LatentHead(self.dimensions, self.width, self.beta)
        backbone = train_backbone(seed, heads={"logits": head})
        return BackbonePredictive([backbone], num_draws=self.draws, noisy=True)
