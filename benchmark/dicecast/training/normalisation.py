"""Batch normalisation for other weights, or from other images, than it was trained with."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from dicecast.networks.backend import Tensor, as_tensors, compiled
from dicecast.networks.layers import BatchNormalization
from dicecast.stacks import Stack
from dicecast.training.backbone import Backbone
from dicecast.training.batches import padded_batches
from dicecast.training.initial import variables
from dicecast.training.trainer import Weights, to_network


def with_statistics_of(
    backbone: Backbone, images: Stack[np.uint8], batch_size: int = 32
) -> Backbone:
    """Return the backbone with its normalisations' statistics computed anew from images.

    The mean over the batches of each batch's mean and variance, as the running averages of training
    tend to; every layer is fed what the layers before it make of the batch. A last batch that is
    short is left out, unless it is the only one.

    Args:
        backbone: It is not changed.
        images: ``(cases, height, width, channels)``, uint8.
        batch_size: Images that are normalised together.
    """
    statistics = _statistics(backbone.network)
    if not statistics:
        return backbone
    batch_size = min(batch_size, len(images))
    graph, tensors = _moments(backbone.network), as_tensors(backbone.weights)
    batches = [
        rows for rows, count in padded_batches(len(images), batch_size) if count == batch_size
    ]
    total: list[NDArray[Any]] = [np.zeros(1)] * len(statistics)
    for rows in batches:
        found = graph(tensors, images[rows])
        total = [old + ops.convert_to_numpy(new) for old, new in zip(total, found, strict=True)]
    weights = list(backbone.weights)
    for place, summed in zip(statistics, total, strict=True):
        weights[place] = (summed / len(batches)).astype(weights[place].dtype)
    return backbone.with_weights(weights)


def _statistics(network: Any) -> dict[int, float]:
    """Return the places of moving means and variances among the weights, with their momentum."""
    places = {id(variable): place for place, variable in enumerate(variables(network))}
    return {
        places[id(variable)]: layer.momentum
        for layer in network.layers
        if isinstance(layer, BatchNormalization)
        for variable in (layer.moving_mean, layer.moving_variance)
    }


@lru_cache(maxsize=16)
def _moments(network: Any) -> Callable[..., list[Tensor]]:
    """Return a graph of a batch's means and variances in all normalisations."""
    statistics, trainable = _statistics(network), len(network.trainable_variables)

    def run(weights: list[Tensor], images: Tensor) -> list[Tensor]:
        # From 0, a moving average after one batch is its moment times 1 - momentum.
        start: Weights = [
            ops.zeros_like(w) if place in statistics else w for place, w in enumerate(weights)
        ]
        _, moved = network.stateless_call(
            start[:trainable], start[trainable:], to_network(images), training=True
        )
        return [
            moved[place - trainable] / (1.0 - momentum) for place, momentum in statistics.items()
        ]

    return compiled(run)
