"""What a plug-in could change for everybody else in the process."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_RANDOM = ("the seed of Python's random", "the seed of numpy.random")


def global_state() -> dict[str, Any]:
    """Return the process-wide state by name, as values that compare equal while it stands still."""
    python, numpy = _RANDOM
    state = {
        python: random.getstate(),
        numpy: [np.asarray(part).tolist() for part in np.random.get_state()],  # noqa: NPY002
        "NumPy's handling of errors": np.geterr(),
        "the working directory": str(Path.cwd()),
        "the environment variables": dict(os.environ),
        "Python's search path": tuple(sys.path),
    }
    keras = sys.modules.get("keras")
    if keras is not None:
        state |= {
            "the floatx of Keras": keras.config.floatx(),
            "the dtype policy of Keras": keras.config.dtype_policy().name,
            "the epsilon of Keras": keras.config.epsilon(),
            "the image format of Keras": keras.config.image_data_format(),
        }
    return state


@dataclass
class Watch:
    """The process-wide state before and after something."""

    before: dict[str, Any]
    after: dict[str, Any]


@contextmanager
def watching(start: int) -> Iterator[Watch]:
    """Watch the process-wide state, and put it back afterwards.

    Args:
        start: The random generators that everybody shares start from this seed, so that what
            depends on them differs from one start to another.
    """
    with put_back():
        random.seed(start)
        np.random.seed(start)  # noqa: NPY002
        watch = Watch(global_state(), {})
        yield watch
        watch.after = global_state()


def what_moved(first: Watch, second: Watch) -> list[str]:
    """Return the names of the state that two watches of the same thing saw moving.

    Random generators may be drawn from, as libraries do; they were seeded, to everybody's
    surprise, if they end in one state from two different starts.
    """
    return [
        name
        for name in first.before
        if (
            first.after[name] == second.after[name]
            if name in _RANDOM
            else any(watch.before[name] != watch.after[name] for watch in (first, second))
        )
    ]


@contextmanager
def put_back() -> Iterator[None]:
    """Put the process-wide state back as it was, whatever happened inside."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    before = global_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        np.seterr(**before["NumPy's handling of errors"])
        if global_state() != before:
            os.chdir(before["the working directory"])
            os.environ.clear()
            os.environ.update(before["the environment variables"])
            sys.path[:] = before["Python's search path"]
            _put_keras_back(before)


def _put_keras_back(before: dict[str, Any]) -> None:
    keras = sys.modules.get("keras")
    if keras is not None and "the floatx of Keras" in before:
        keras.config.set_floatx(before["the floatx of Keras"])
        keras.config.set_dtype_policy(before["the dtype policy of Keras"])
        keras.config.set_epsilon(before["the epsilon of Keras"])
        keras.config.set_image_data_format(before["the image format of Keras"])
