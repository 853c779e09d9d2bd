"""Initial weights that depend on a seed and on nothing global."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from keras import ops

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
    """Keras seeds each unseeded initialiser from ``random``; seed that, and put it back."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
