"""The control whose uncertainty is noise."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from dicecast import register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.backend import Tensor
from dicecast.networks.inference import Prepared
from dicecast.training.backbone import Backbone, TrainBackbone


class _RandomPredictive(BackbonePredictive):
    """The softmax network's masks with a map of hashed pixels.

    Noise of a draw is shared by all cases, so it would rank none of them; the noise here must
    differ from case to case and yet not depend on the batch. Integer arithmetic on the image's
    bytes is exact in any order of summation.
    """

    own_map = "random"
    measures_from_draws = False

    def __init__(self, backbone: Backbone, seed: int) -> None:
        super().__init__([backbone])
        generator = np.random.default_rng(seed)
        count = int(np.prod(backbone.network.input_shape[1:]))
        weights = generator.integers(-(2**31), 2**31, count, dtype=np.int64).astype(np.int32) | 1
        # Not of the class: the one graph of all seeds takes them as an argument.
        self.state = (self.state, weights)

    def prepare(self, state: Any, images: Tensor) -> Prepared:
        """Run the softmax network."""
        return super().prepare(state[0], images)

    def maps(self, state: Any, prepared: Prepared) -> dict[str, Tensor]:
        """Return noise, uniform in [0, 1) and independent from pixel to pixel and case to case."""
        pixels = ops.cast(ops.round(prepared.images * 255.0), "int32")
        _, weights = state
        case = ops.sum(ops.reshape(pixels, (-1, weights.shape[0])) * weights, axis=1)
        height, width = pixels.shape[1:3]
        place = np.arange(height * width, dtype=np.int32).reshape(1, height, width)
        return {"random": _uniform(_mixed(case[:, None, None]) + place)}


def _mixed(number: Tensor) -> Tensor:
    """Return a 32-bit integer whose every bit depends on every bit of ``number``.

    The finaliser of MurmurHash3 (Appleby 2011), whose shifts are unsigned.
    """
    for shift, factor in ((16, -2048144789), (13, -1028477387), (16, 1)):
        unsigned = ops.bitwise_and(ops.right_shift(number, shift), 2 ** (32 - shift) - 1)
        number = ops.bitwise_xor(number, unsigned) * np.int32(factor)
    return number


def _uniform(number: Tensor) -> Tensor:
    bits = ops.bitwise_and(_mixed(number), 2**24 - 1)
    return ops.cast(bits, "float32") / 2.0**24


@register_estimator("random")
@dataclass(frozen=True)
class Random:
    """Control: the softmax network's masks with uncertainty that is pure noise.

    Every pixel's uncertainty is a hash of the image and the place, so its scores know nothing of
    quality: AUROC 0.5 within its interval. Where an aggregation does predict quality here, it reads
    the predicted mask and not the map: ``random/sum_over_volume`` is the volume control, and the
    ``forest`` on these scores knows the mask's shape alone. Cost: none beyond ``softmax``.
    """

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train (or find) the softmax backbone."""
        return _RandomPredictive(train_backbone(seed), seed)
