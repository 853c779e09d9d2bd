"""Aggregations of an uncertainty map into one number a case, and their turn into quality scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.errors import DicecastError, did_you_mean
from dicecast.estimation.prediction import Prediction
from dicecast.scores.regions import MaskRegions, count_pixels

PATCH_SIZE = 10
"""Side of the box of ``patch_max``, in pixels (ValUES, Kahl et al. 2024)."""

PIXELS_A_BLOCK = 2**15
"""Pixels aggregated at once: 0.25 MiB a float64 array, so that a core's cache holds all of them."""

FloatMaps: TypeAlias = NDArray[np.floating]
PerCase: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class MapContext:
    """What an aggregation may read beside the map.

    Attributes:
        regions: Regions of the predicted masks of the batch.
        threshold: Uncertainty from which on a pixel counts as uncertain, for this estimator and
            measure; chosen on the validation role.
    """

    regions: MaskRegions
    threshold: float


MapAggregation: TypeAlias = Callable[[FloatMaps, MapContext], PerCase]

MAP_AGGREGATIONS: dict[str, MapAggregation] = {}
"""Aggregations by name: maps ``(cases, height, width)`` to ``(cases,)``, high where unsure."""


def map_aggregation(function: MapAggregation) -> MapAggregation:
    """Register an aggregation under the name of its function."""
    MAP_AGGREGATIONS[function.__name__] = function
    return function


@map_aggregation
def mean(uncertainty: FloatMaps, context: MapContext) -> PerCase:
    """Mean uncertainty over all pixels.

    Source:
        Jungo et al. 2020 (Front. Neurosci. 14:282), mean aggregation.
    """
    return _sum(uncertainty) / _pixels(uncertainty)


@map_aggregation
def sum_over_volume(uncertainty: FloatMaps, context: MapContext) -> PerCase:
    """Sum of the uncertainty divided by the predicted foreground volume.

    An empty mask counts as one pixel of foreground. In uncertainty per foreground pixel.

    Source:
        Jungo et al. 2020 (Front. Neurosci. 14:282), volume weighting, which has the mean where
        this has the sum: the same ranking among images of one size.
    """
    return _sum(uncertainty) / np.maximum(context.regions.volume, 1)


@map_aggregation
def boundary(uncertainty: FloatMaps, context: MapContext) -> PerCase:
    """Mean uncertainty within the boundary region of the predicted mask.

    Over the whole image where the mask has no boundary.

    Source:
        Zenk et al. 2025 (MedIA 101:103392), boundary aggregation, width 4 pixels.
    """
    return _mean_within(uncertainty, context.regions.boundary)


@map_aggregation
def non_boundary(uncertainty: FloatMaps, context: MapContext) -> PerCase:
    """Mean uncertainty outside the boundary region of the predicted mask.

    Over the whole image where the boundary region covers all of it.

    Source:
        Zenk et al. 2025 (MedIA 101:103392), non-boundary aggregation, width 4 pixels.
    """
    return _mean_within(uncertainty, context.regions.non_boundary)


@map_aggregation
def patch_max(uncertainty: FloatMaps, context: MapContext) -> PerCase:
    """Highest mean uncertainty of any patch of 10 x 10 pixels.

    Over all positions where the patch lies inside the image; the patch is clipped to the image.

    Source:
        ValUES (Kahl et al. 2024), patch level; ValUES sums where this takes the mean.
    """
    tall, wide = (min(PATCH_SIZE, side) for side in uncertainty.shape[1:])
    sums = _window_sums(_window_sums(uncertainty, tall, 1), wide, 2)
    return np.asarray(sums.max(axis=(1, 2)) / (tall * wide))


@map_aggregation
def above_threshold(uncertainty: FloatMaps, context: MapContext) -> PerCase:
    """Mean uncertainty of the pixels at or above the validation threshold.

    0 where no pixel reaches the threshold, as ValUES does. Not monotone: where all pixels become
    more uncertain, further ones pass that lie near the threshold and can lower the mean.

    Source:
        ValUES (Kahl et al. 2024), threshold level.
    """
    passing = uncertainty >= np.float64(context.threshold)
    return _sum(uncertainty * passing) / np.maximum(count_pixels(passing), 1)


def map_scores(prediction: Prediction, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Return a quality score for every measure and aggregation; high where good.

    The one place where uncertainty is negated into quality.

    Args:
        prediction: A batch of cases.
        thresholds: By measure, the uncertainty from which on a pixel counts as uncertain; see
            ``ThresholdCalibration``.

    Returns:
        One row a case, one column ``<measure>/<aggregation>``, float64, never above 0.

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
    cases = max(PIXELS_A_BLOCK // max(_pixels(masks), 1), 1)
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


def _pixels(stack: NDArray[np.generic]) -> int:
    return int(stack.shape[1] * stack.shape[2])


def _sum(stack: NDArray[np.generic]) -> PerCase:
    # Cast first and sum contiguous rows: a cast inside the sum goes by buffers that span cases, so
    # that the last digits would depend on the batch size.
    rows = stack.reshape(len(stack), _pixels(stack)).astype(np.float64, copy=False)
    return np.asarray(rows.sum(axis=1))


def _mean_within(uncertainty: FloatMaps, region: NDArray[np.bool_]) -> PerCase:
    count = count_pixels(region)
    means = _sum(uncertainty * region) / np.maximum(count, 1)
    nothing = count == 0
    means[nothing] = _sum(uncertainty[nothing]) / _pixels(uncertainty)
    return means


def _window_sums(stack: FloatMaps, length: int, axis: int) -> PerCase:
    """Return the sum of every ``length`` neighbours along an axis, as differences of one sum."""
    ends = np.moveaxis(np.cumsum(stack, axis=axis, dtype=np.float64), axis, 0)
    sums = ends[length - 1 :].copy("K")
    sums[1:] -= ends[: len(ends) - length]
    return np.moveaxis(sums, 0, axis)
