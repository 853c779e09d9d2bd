"""Quality scores from uncertainty maps: every measure with every aggregation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.errors import DicecastError, did_you_mean
from dicecast.estimation.prediction import Prediction
from dicecast.scores.aggregations import MAP_AGGREGATIONS, MapContext
from dicecast.scores.arithmetic import num_pixels
from dicecast.scores.regions import MaskRegions

PIXELS_A_BLOCK = 2**15
"""Pixels aggregated at once: 0.25 MiB a float64 array, so that a core's cache holds a few."""


def map_scores(prediction: Prediction, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Return a quality score for every measure and aggregation; high where good.

    The one place where uncertainty is negated into quality.

    Args:
        prediction: A batch of cases.
        thresholds: By measure, the uncertainty from which on a pixel counts as uncertain; see
            ``ThresholdCalibration``.

    Returns:
        One row a case, one column ``<measure>/<aggregation>``, float64; NaN where an aggregation is
        undefined for a case.

    Raises:
        DicecastError: A measure of the prediction has no threshold.
    """
    limits = {measure: _threshold_of(measure, thresholds) for measure in prediction.maps}
    cases = len(prediction.mask)
    scores = {f"{m}/{name}": np.empty(cases) for m in limits for name in MAP_AGGREGATIONS}
    for rows in _blocks(prediction.mask):
        regions = MaskRegions(prediction.mask[rows])
        for measure, maps in prediction.maps.items():
            context = MapContext(regions, limits[measure])
            uncertainty = maps[rows].astype(np.float64)
            for name, aggregate in MAP_AGGREGATIONS.items():
                # From 0, because -0.0 would be written to tables as "-0.0".
                scores[f"{measure}/{name}"][rows] = 0.0 - aggregate(uncertainty, context)
    return pd.DataFrame(scores, index=pd.RangeIndex(cases))


def _blocks(masks: NDArray[np.uint8]) -> Iterator[slice]:
    """Cut the cases into blocks whose maps stay in a core's cache; scores do not depend on it."""
    cases = max(PIXELS_A_BLOCK // max(num_pixels(masks), 1), 1)
    for start in range(0, len(masks), cases):
        yield slice(start, start + cases)


def _threshold_of(measure: str, thresholds: Mapping[str, float]) -> float:
    if measure not in thresholds:
        raise DicecastError(
            f"Every measure needs a threshold, and '{measure}' has none. "
            f"{did_you_mean(measure, thresholds)} Calibrate on predictions of the validation role "
            "that hold this measure."
        )
    return thresholds[measure]
