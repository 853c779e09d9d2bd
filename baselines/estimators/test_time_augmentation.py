"""Test-time augmentation."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from keras import ops

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.backend import Tensor
from dicecast.networks.inference import Prepared
from dicecast.networks.noise import Noise
from dicecast.networks.probabilities import softmax
from dicecast.training.backbone import Backbone, TrainBackbone

Transform = tuple[bool, bool, bool, bool]
"""Flip up-down, then left-right, then transpose, then add noise."""


def transformed(images: Tensor, transform: Tensor) -> Tensor:
    """Flip and transpose ``(batch, height, width, channels)`` as a ``Transform`` says, if square.

    A choice of the graph and not of the program: all draws are one trace.
    """
    for axis in (1, 2):
        images = ops.where(transform[axis - 1], ops.flip(images, axis), images)
    if images.shape[1] != images.shape[2]:
        return images
    return ops.where(transform[2], ops.swapaxes(images, 1, 2), images)


def undone(images: Tensor, transform: Tensor) -> Tensor:
    """Invert ``transformed``."""
    if images.shape[1] == images.shape[2]:
        images = ops.where(transform[2], ops.swapaxes(images, 1, 2), images)
    for axis in (2, 1):
        images = ops.where(transform[axis - 1], ops.flip(images, axis), images)
    return images


class _AugmentedPredictive(BackbonePredictive):
    """One backbone that sees another version of the images in each draw."""

    def __init__(self, backbone: Backbone, transforms: list[Transform], noise: float) -> None:
        super().__init__([backbone], num_draws=len(transforms))
        self.transforms, self.deviation = np.array(transforms), noise
        self.graph_key = (self.graph_key, self.transforms.tobytes(), noise)

    @property
    def operations(self) -> int:
        """Those of the network, once a draw."""
        return self.num_draws * self.backbone.inference.operations(1)

    def prepare(self, state: Any, images: Tensor) -> Tensor:
        """Return the images: each draw changes them before the first layer."""
        return images

    def draw(self, state: Any, prepared: Tensor, noise: Noise) -> Tensor:
        """Return the softmax of the changed images, turned back."""
        transform = ops.take(self.transforms, noise.index, axis=0)
        images = transformed(prepared, transform)
        if self.deviation:
            added = noise.normal("test_time_augmentation", tuple(images.shape), "float32")
            images = images + ops.where(transform[3], self.deviation * added, 0.0)
        seen: Prepared = super().prepare(state, images)
        return undone(softmax(self.outputs(state, seen, noise)["logits"]), transform)


@register_estimator("test_time_augmentation")
@dataclass(frozen=True)
class TestTimeAugmentation:
    """One network sees each image flipped, turned and with noise; each version is a draw.

    Wang et al. 2019 (arXiv 1807.07356), eq. 5-6; the versions are those of Kahl et al. 2024 (arXiv
    2401.08501): all flips, once without and once with Gaussian noise, each turned back before the
    mean is taken. Departs from Wang et al. in that draw ``i`` is always version ``i``, and nothing
    is drawn but the noise, which all cases share. Cost: no training beyond ``softmax``, a forward
    pass a version (2 x 4 by default, 2 x 8 with quarter turns).

    Attributes:
        flips: Whether to flip up-down and left-right.
        quarter_turns: Whether to turn by 90 degrees and its multiples; square images only.
        noise: Standard deviation of the noise, of images in [0, 1]; 0 leaves the noisy ones out.
    """

    flips: bool = True
    quarter_turns: bool = False
    noise: float = 0.05

    def __post_init__(self) -> None:
        if not self.noise >= 0.0 or len(self.transforms) < 2:
            raise DicecastError(
                "test_time_augmentation needs a noise of at least 0, and flips, quarter_turns or a "
                f"noise above 0; got {self}."
            )

    @property
    def transforms(self) -> list[Transform]:
        """The versions, one a draw, the image itself first."""
        every = product((False, True), repeat=4)
        return [
            (up, left, turned, noisy)
            for noisy, turned, up, left in every
            if self._has(up, left, turned) and (self.noise or not noisy)
        ]

    def _has(self, up: bool, left: bool, turned: bool) -> bool:
        if turned and not self.quarter_turns:
            return False
        # An odd number of mirrors is a flip, an even one a turn; a half turn is two flips.
        mirrored = (up + left + turned) % 2 == 1
        return self.flips or not (mirrored or (up and not self.quarter_turns))

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train (or find) the softmax backbone."""
        height, width, _ = data.image_shape
        if self.quarter_turns and height != width:
            raise DicecastError(
                "test_time_augmentation with quarter_turns needs square images; got "
                f"{height}x{width}. Leave quarter_turns off, or change the suite's image size."
            )
        return _AugmentedPredictive(train_backbone(seed), self.transforms, self.noise)
