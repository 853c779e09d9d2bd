"""Initial weights that depend on a seed and on nothing global."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from keras import ops
from keras.src.random import seed_generator

from dicecast.training.trainer import Weights


def initial_weights(build: Callable[[], Any], seed: int) -> Weights:
    """Return the weights of a freshly built network, trainable then non-trainable.

    Args:
        build: Builds a ``keras.Model`` with ordinary initialisers.
        seed: Decides them.
    """
    with _initialisers_seeded(seed):
        network = build()
    variables = (*network.trainable_variables, *network.non_trainable_variables)
    return [np.asarray(ops.convert_to_numpy(variable)) for variable in variables]


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
