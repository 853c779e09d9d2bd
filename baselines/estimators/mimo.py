"""MIMO: one network that segments several images at a time."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.backend import Tensor
from dicecast.networks.contract import Convolution, ConvolutionSpec, Features
from dicecast.networks.layers import he_normal
from dicecast.networks.noise import Noise, active_noise
from dicecast.networks.probabilities import log, softmax
from dicecast.networks.unet import PlainConvolution
from dicecast.training.backbone import TrainBackbone
from dicecast.training.objective import SegmentationLoss, State, Step


def shown(noise: Noise, member: int, rows: Tensor, repetition: float) -> Tensor:
    """Return what one member is shown of a batch, ``(batch, ...)``: its rows in another order.

    Args:
        noise: Of the training step.
        member: The first sees the batch as it is.
        rows: Images or targets, ``(batch, ...)``.
        repetition: Share of rows, the first, that every member sees in the same place.
    """
    if member == 0:
        return rows
    batch = ops.shape(rows)[0]
    place = ops.arange(batch, dtype="float32")
    chance = noise.uniform(f"mimo_{member}", (batch,))
    together = ops.round(repetition * ops.cast(batch, "float32"))
    # What stays is sorted to the front, in order; what moves, by chance.
    order = ops.argsort(ops.where(place < together, place - ops.cast(batch, "float32"), chance))
    return ops.take(rows, order, axis=0)


class SeveralImagesConvolution2D(keras.layers.Conv2D):  # type: ignore[misc]
    """Reads an image for each member: others of the batch in training, else copies of one."""

    def __init__(self, spec: ConvolutionSpec, settings: "ImagesTogether") -> None:
        super().__init__(
            spec.filters,
            spec.kernel_size,
            padding="same",
            use_bias=spec.use_bias,
            kernel_initializer=he_normal(spec),
            name=spec.name,
        )
        self.settings = settings

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create the kernel for the images of all members, stacked on the channels."""
        super().build((*input_shape[:-1], self.settings.members * input_shape[-1]))
        self.input_spec = None

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Return ``(batch, height, width, filters)``."""
        noise, members = active_noise() if training else None, range(self.settings.members)
        if noise is None:
            return super().call(ops.concatenate([inputs for _ in members], axis=-1))
        images = [shown(noise, m, inputs, self.settings.repetition) for m in members]
        return super().call(ops.concatenate(images, axis=-1))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the output."""
        return (*input_shape[:-1], self.filters)


@dataclass(frozen=True)
class ImagesTogether:
    """Makes the convolutions; the one that reads images reads several. See ``MIMO``."""

    members: int
    repetition: float

    def layer(self, spec: ConvolutionSpec) -> Any:
        """Return a layer; see ``Convolution``."""
        plain: Convolution = PlainConvolution()
        return SeveralImagesConvolution2D(spec, self) if spec.of_images else plain.layer(spec)


class MemberLogits(keras.layers.Layer):  # type: ignore[misc]
    """Chooses among the logits of all members, which lie side by side on the channels."""

    draws_noise = True

    def __init__(self, members: int, name: str) -> None:
        super().__init__(name=name)
        self.members = members

    def call(self, inputs: Tensor) -> Tensor:
        """Return logits of ``(batch, height, width, classes)``.

        In a draw those of the draw's member; without noise those whose softmax is the mean of the
        members'; in training those of all members, one batch after the other.
        """
        logits = ops.stack(ops.split(inputs, self.members, axis=-1))
        noise = active_noise()
        if noise is None:
            return log(ops.mean(softmax(ops.cast(logits, "float32")), axis=0))
        if noise.shared:
            return ops.take(logits, noise.members(self.members, 1)[0], axis=0)
        return ops.reshape(logits, (-1, *logits.shape[2:]))


@dataclass(frozen=True)
class MemberHead:
    """Makes the logits of all members by one 1x1 convolution of the last block."""

    members: int

    def build(self, features: Features, name: str) -> Tensor:
        """Return the chosen logits; see ``Head``."""
        channels = self.members * features.num_classes
        together = keras.layers.Conv2D(channels, 1, name=f"{name}_of_members")(features.last)
        return MemberLogits(self.members, name)(together)


@dataclass(frozen=True)
class MemberLoss:
    """The mean of the members' segmentation losses, each on the images that it was shown."""

    members: int
    repetition: float

    def initial_state(self) -> dict[str, float]:
        """Return no state."""
        return {}

    def __call__(
        self, outputs: dict[str, Tensor], targets: Tensor, step: Step, state: State
    ) -> tuple[Tensor, State]:
        """Return the loss; see ``dicecast.training.objective.Objective``."""
        total = ops.zeros(())
        for member, logits in enumerate(ops.split(outputs["logits"], self.members, axis=0)):
            truth = shown(step.noise, member, targets, self.repetition)
            total += SegmentationLoss()({"logits": logits}, truth, step, {})[0]
        return total / self.members, state


@register_estimator("mimo")
@dataclass(frozen=True)
class MIMO:
    """One network reads an image for each member and segments them all at once.

    Havasi et al. 2021 (arXiv 2010.06610), section 2: in training the first convolution reads other
    images of the batch beside each image, and each member's logits learn the mask of its own image;
    in prediction all members read the same image, and draw ``i`` is member ``i``. Without draws the
    network gives the mean of the members' probabilities.

    Departs: the first member sees the batch in its order; a share of the rows shows all members the
    same image, which the paper needs for ImageNet only (section 4.3), and a network this small for
    masks too (embedded data, 28 steps, mean Dice of two seeds: repetition 0.5 0.80, none 0.76). No
    batch is repeated. Cost: one training, one forward pass.

    Attributes:
        members: How many, at least 2.
        repetition: Share of a training batch that all members see alike, in [0, 1).
    """

    members: int = 2
    repetition: float = 0.5

    def __post_init__(self) -> None:
        if self.members < 2 or not 0.0 <= self.repetition < 1.0:
            raise DicecastError(
                "mimo needs at least 2 members and a repetition in [0, 1) (with 1 they would be "
                f"one); got members = {self.members}, repetition = {self.repetition}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train one backbone with an input and an output for each member."""
        backbone = train_backbone(
            seed,
            convolution=ImagesTogether(self.members, self.repetition),
            heads={"logits": MemberHead(self.members)},
            objective=MemberLoss(self.members, self.repetition),
        )
        return BackbonePredictive([backbone], num_draws=self.members, noisy=True)
