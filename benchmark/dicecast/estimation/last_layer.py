"""What an estimator fitted after training reads of a backbone: its last features, by pixel."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.data.cases import Cases
from dicecast.errors import PluginError
from dicecast.training.backbone import Backbone

FEATURES = "features"
"""The output that ``with_features`` adds."""


class Pixels(NamedTuple):
    """An output of a network at some pixels.

    Attributes:
        values: ``(pixels, channels)``, float32.
        truth: The index of the true class, ``(pixels,)``, uint8.
    """

    values: NDArray[np.float32]
    truth: NDArray[np.uint8]


def with_features(backbone: Backbone) -> Backbone:
    """Return the backbone with one more output, ``features``: what the layer ``logits`` reads.

    Raises:
        PluginError: The network has no layer of this name that reads another layer's output.
    """
    network = backbone.network
    read = next((layer.input for layer in network.layers if layer.name == "logits"), None)
    before = next((layer.name for layer in network.layers if layer.output is read), None)
    if before is None:
        raise PluginError(
            "The features of a backbone are what its layer 'logits' reads, and it must be the "
            f"output of a layer; the layers are {', '.join(x.name for x in network.layers)}."
        )
    return backbone.with_layers(**{FEATURES: before})


def sample_pixels(backbone: Backbone, cases: Cases, output: str, at_most: int, seed: int) -> Pixels:
    """Return an output of the mean network at pixels of all cases.

    Of ``at_most`` pixels or fewer all are taken, else as many of each case, drawn without
    replacement; memory is bounded by that and by a batch.

    Args:
        backbone: Trained.
        cases: With their truth.
        output: The name of the output.
        at_most: How many pixels to take; at least one a case is.
        seed: Decides, with the number of the case, which.
    """
    area = int(np.prod(cases.masks.shape[1:]))
    each = min(area, max(1, at_most // len(cases)))
    values, truth = list[NDArray[Any]](), list[NDArray[Any]]()
    for rows, outputs in backbone.predict(cases.images):
        chosen = np.stack(
            [_places(area, each, [seed, case]) for case in range(*rows.indices(len(cases)))]
        )
        flat = outputs[output].reshape(len(chosen), area, -1)
        masks = cases.masks[rows].reshape(len(chosen), area)
        values.append(
            np.take_along_axis(flat, chosen[..., None], axis=1).reshape(-1, flat.shape[-1])
        )
        truth.append(np.take_along_axis(masks, chosen, axis=1).ravel())
    return Pixels(np.concatenate(values), np.concatenate(truth))


def _places(area: int, count: int, seed: list[int]) -> NDArray[np.intp]:
    if count == area:
        return np.arange(area)
    return np.random.default_rng(seed).choice(area, count, replace=False)
