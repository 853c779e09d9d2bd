"""Pairwise Dice by ``dicecast``: shared pixels of all pairs of masks, then one ratio a pair."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicecast.estimation.agreement import agreement
from dicecast.scores.agreement import pairwise_dice
from workloads.maps import drawn_masks

_kept: dict[str, Any] = {}


def start(images: int) -> None:
    """Make the masks."""
    masks = drawn_masks(images)
    _kept["masks"] = masks.reshape(*masks.shape[:2], -1)


def turn() -> float:
    """Compare all draws; return the seconds."""
    started = time.perf_counter()
    _dice()
    return time.perf_counter() - started


def answers(path: str) -> None:
    """Write the mean Dice of each image."""
    np.savez(path, dice=_dice())


def _dice() -> NDArray[np.float64]:
    return pairwise_dice(agreement(_kept["masks"], _kept["masks"][0], 2))
