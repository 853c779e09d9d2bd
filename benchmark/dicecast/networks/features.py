"""A network's own description of an image: the mean activations of its deepest block."""

from __future__ import annotations

from math import prod
from typing import Any

import keras
from keras import ops

from dicecast.networks.backend import Tensor
from dicecast.networks.inference import InferenceNetwork


class DeepFeatures:
    """The encoder of a segmentation network, up to its deepest block.

    Args:
        network: A functional ``keras.Model`` with one input; it is not changed.

    Attributes:
        width: How many features: the channels of the deepest block.
    """

    def __init__(self, network: Any) -> None:
        layer = deepest_layer(network)
        self.width = int(layer.output.shape[-1])
        encoder = keras.Model(network.inputs, {"features": layer.output})
        self._inference = InferenceNetwork(encoder)
        places = {id(variable): place for place, variable in enumerate(_variables(network))}
        self._places = [places[id(variable)] for variable in _variables(encoder)]

    def __call__(self, weights: list[Tensor], images: Tensor) -> Tensor:
        """Return the features of each image, ``(batch, width)``, float32.

        Args:
            weights: Of the whole network, trainable then non-trainable.
            images: ``(batch, height, width, channels)``, float32 in [0, 1].
        """
        prepared = self._inference.prepare([weights[place] for place in self._places], images)
        activations = self._inference.outputs(prepared, None)["features"]
        return ops.mean(activations, axis=(1, 2))


def deepest_layer(network: Any) -> Any:
    """Return the last layer of the deepest block of a functional network.

    Of the layers whose output ``(batch, height, width, channels)`` has the fewest pixels, the last
    of those with the most channels: a small output beside the block, such as a class score at low
    resolution, is not the block.

    Raises:
        ValueError: No layer has such an output.
    """
    spatial = [layer for layer in network.layers if len(getattr(layer.output, "shape", ())) == 4]
    return min(reversed(spatial), key=lambda layer: _size(layer.output.shape[1:]))


def _size(shape: tuple[int, int, int]) -> tuple[int, int]:
    return prod(shape[:2]), -shape[2]


def _variables(network: Any) -> list[Any]:
    return [*network.trainable_variables, *network.non_trainable_variables]
