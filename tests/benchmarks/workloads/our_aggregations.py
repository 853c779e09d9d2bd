"""All aggregations of a stack of maps by ``dicecast``."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd

from dicecast.estimation.prediction import Prediction
from dicecast.scores.map_scores import map_scores
from workloads.maps import THRESHOLD, smooth_maps

_kept: dict[str, Any] = {}


def start() -> None:
    """Make the maps."""
    maps = smooth_maps()
    nothing = np.zeros((len(maps.masks), 1, 1, 2), np.float32)
    _kept["prediction"] = Prediction(nothing, maps.masks, {"map": maps.uncertainty}, None)


def turn() -> float:
    """Aggregate all maps; return the seconds."""
    started = time.perf_counter()
    _scores()
    return time.perf_counter() - started


def answers(path: str) -> None:
    """Write the aggregations, high where unsure."""
    np.savez(path, **{name.removeprefix("map/"): -column for name, column in _scores().items()})


def _scores() -> pd.DataFrame:
    return map_scores(_kept["prediction"], {"map": THRESHOLD})
