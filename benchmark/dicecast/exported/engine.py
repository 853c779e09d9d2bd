"""Which of Keras' backends computes the measures: JAX, unless a head needs the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from dicecast.harness.outcome import created
from dicecast.plugins import heads
from dicecast.suite import Part


def choose_engine(parts: Sequence[Part]) -> str:
    """Choose the backend, before Keras is imported, and return its name.

    Heads are imported first: one that is a network imports Keras with the backend that it trains
    on, TensorFlow unless ``KERAS_BACKEND`` says otherwise, and that one is used. Where no head
    does, it is JAX, which starts in half the time and half the memory.

    Args:
        parts: The heads that are asked for.

    Raises:
        DicecastError: No such head, or a wrong setting.
    """
    for part in parts:
        created(heads.create, part)
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "jax")
    return os.environ.get("KERAS_BACKEND", "tensorflow")
