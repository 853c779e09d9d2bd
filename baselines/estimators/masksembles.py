"""Masksembles: a few fixed masks in place of dropout's endless ones."""

import zlib
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.backend import Tensor
from dicecast.networks.noise import active_noise
from dicecast.networks.unet import Placement
from dicecast.training.backbone import TrainBackbone


def make_masks(
    members: int, channels: int, scale: float, generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which channels each member keeps, ``(members, channels)``; each is kept by someone.

    Durasov et al. 2021, section 3.2: each mask keeps as many, at random, of ``scale`` times as
    many places, and places that no mask keeps are cut away. Two masks overlap by an IoU of
    ``1 / (2 scale - 1)`` on average. Masks are drawn until ``channels`` places are left.

    Args:
        members: How many masks.
        channels: Places that are to be left, at least 1.
        scale: Above 1; the larger, the less the masks overlap.
        generator: What draws them.
    """
    covered_share = 1.0 - (1.0 - 1.0 / scale) ** members
    # No fewer than can cover all the channels between them.
    kept = min(max(round(channels / (scale * covered_share)), -(-channels // members)), channels)
    places = max(channels, round(kept * scale))
    while True:
        order = generator.permuted(np.tile(np.arange(places), (members, 1)), axis=1)
        masks = order < kept
        covered = masks.any(axis=0)
        if covered.sum() == channels:
            return masks[:, covered]


class FixedMasks(keras.layers.Layer):  # type: ignore[misc]
    """Keeps the channels of one member; those that are kept by fewer members count for more."""

    draws_noise = True

    def __init__(self, settings: "Masks", scale: float, name: str) -> None:
        super().__init__(name=name)
        self.settings, self.scale = settings, scale

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Draw the masks, which are no weights: they follow from the settings and the name."""
        generator = np.random.default_rng([self.settings.mask_seed, zlib.crc32(self.name.encode())])
        masks = make_masks(self.settings.members, input_shape[-1], self.scale, generator)
        self.masks = (masks / masks.mean(axis=0)).astype(np.float32)

    def call(self, inputs: Tensor) -> Tensor:
        """Return ``inputs`` under the masks of their members, or unchanged without noise."""
        noise = active_noise()
        if noise is None:
            return inputs
        member = noise.members(self.settings.members, ops.shape(inputs)[0])
        masks = ops.take(ops.convert_to_tensor(self.masks, inputs.dtype), member, axis=0)
        return inputs * masks[:, None, None, :]


@dataclass(frozen=True)
class Masks:
    """Makes layers of fixed masks.

    Attributes:
        members: Masks a layer.
        mask_seed: Decides them.
    """

    members: int
    mask_seed: int = 0

    def layer(self, rate: float, name: str) -> Any:
        """Return ``FixedMasks`` that keep one of ``1 / (1 - rate)`` places; see ``Dropping``."""
        return FixedMasks(self, 1.0 / (1.0 - rate), name)


@register_estimator("masksembles")
@dataclass(frozen=True)
class Masksembles:
    """Each member is the network under one fixed mask of channels a layer.

    Durasov et al. 2021 (arXiv 2012.08334), section 3. An example of a training batch has the mask
    of one member, in turn, whatever the batch size; draw ``i`` is member ``i``. Masks follow the
    same blocks as dropout's. Departs: a channel is divided by the share of members that keep it, so
    that the network without draws is the members' mean (the following weights can undo it). The
    further the masks are apart, the longer members must be trained (embedded data, 28 steps, mean
    Dice of two seeds: scale 1.5 0.76, scale 2 0.50).
    Cost: one training, ``members`` forward passes of what follows the first mask.

    Attributes:
        members: Masks a layer, at least 2.
        scale: Above 1; two masks overlap by an IoU of 1 / (2 scale - 1).
        placement: The blocks that masks follow.
        mask_seed: Decides the masks, at least 0; the same for all seeds of a suite.
    """

    members: int = 4
    scale: float = 1.5
    placement: Placement = "bottleneck_and_decoder"
    mask_seed: int = 0

    def __post_init__(self) -> None:
        if self.members < 2 or not 1.0 < self.scale <= self.members or self.mask_seed < 0:
            raise DicecastError(
                "masksembles needs at least 2 members, a scale above 1 and at most the number of "
                f"members (or masks do not overlap), and a mask_seed of at least 0; got {self}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train one backbone under all masks."""
        backbone = train_backbone(
            seed,
            dropout=Masks(self.members, self.mask_seed),
            dropout_rate=1.0 - 1.0 / self.scale,
            dropout_placement=self.placement,
        )
        return BackbonePredictive([backbone], num_draws=self.members, noisy=True)
