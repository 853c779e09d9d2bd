"""Pairwise Dice by ``dicecast``: the Gram matrix of the masks, then one ratio for each pair."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from dicecast.estimation.accumulate import agreement
from dicecast.estimation.prediction import Agreement
from dicecast.networks.backend import compiled
from dicecast.scores.agreement import pairwise_dice
from workloads.maps import drawn_masks

_kept: dict[str, Any] = {}


def start(images: int) -> None:
    """Make the masks and trace the graph."""
    masks = drawn_masks(images)
    _kept["masks"] = masks.reshape(*masks.shape[:2], -1)
    _kept["graph"] = compiled(lambda masks: agreement(masks, 2))


def turn() -> float:
    """Compare all draws; return the seconds."""
    started = time.perf_counter()
    _dice()
    return time.perf_counter() - started


def answers(path: str) -> None:
    """Write the mean Dice of each image."""
    np.savez(path, dice=_dice())


def _dice() -> NDArray[np.float64]:
    counts = _kept["graph"](_kept["masks"])
    found = {name: np.asarray(ops.convert_to_numpy(value)) for name, value in counts.items()}
    return pairwise_dice(Agreement(**found))
