"""Initial weights that depend on a seed and on nothing global."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from keras import ops
from keras.src.random import seed_generator
from numpy.typing import NDArray

from dicecast.errors import PluginError
from dicecast.training.trainer import Weights


def initial_weights(build: Callable[[], Any], seed: int) -> Weights:
    """Return the weights of a freshly built network, trainable then non-trainable.

    Args:
        build: Builds a ``keras.Model`` with ordinary initialisers.
        seed: Decides them.
    """
    with _initialisers_seeded(seed):
        network = build()
    return [np.asarray(ops.convert_to_numpy(variable)) for variable in variables(network)]


def variables(network: Any) -> list[Any]:
    """Return the variables of a network in the order of all lists of weights."""
    return [*network.trainable_variables, *network.non_trainable_variables]


def by_layer(network: Any, weights: Weights) -> dict[str, list[NDArray[Any]]]:
    """Return the weights of each layer by its name."""
    values = dict(zip(map(id, variables(network)), weights, strict=True))
    return {layer.name: [values[id(v)] for v in layer.weights] for layer in network.layers}


def taken_over(network: Any, weights: Weights, source: Any, known: Weights) -> Weights:
    """Return ``weights`` with those of another network where a layer of the same name has them.

    Where some layers of the network are frozen, these alone are taken over.

    Args:
        network: What the weights are for.
        weights: Of the layers that the other network lacks, or has in other shapes.
        source: The other network.
        known: Its weights.

    Raises:
        PluginError: The two have no layer in common.
    """
    values = dict(zip(map(id, variables(network)), weights, strict=True))
    found, there = 0, by_layer(source, known)
    frozen = [layer for layer in network.layers if not layer.trainable]
    for layer in frozen or network.layers:
        other = there.get(layer.name, [])
        if other and [w.shape for w in other] == [tuple(v.shape) for v in layer.weights]:
            values |= {id(v): w for v, w in zip(layer.weights, other, strict=True)}
            found += 1
    if not found:
        raise PluginError(
            "train_backbone(initial=...) needs a backbone with layers of the same names and "
            "shapes; it has none in common with the one to be trained."
        )
    return [values[id(v)] for v in variables(network)]


@contextmanager
def _initialisers_seeded(seed: int) -> Iterator[None]:
    """Keras seeds each unseeded initialiser from ``random``; give it numbers of its own instead.

    To seed ``random`` itself would not do: other threads draw from it meanwhile, such as Dask's.
    """
    before = seed_generator.python_random
    seed_generator.python_random = random.Random(seed)
    try:
        yield
    finally:
        seed_generator.python_random = before
