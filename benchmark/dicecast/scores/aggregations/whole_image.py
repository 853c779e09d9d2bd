"""Aggregations over all pixels, wherever the mask is."""

from __future__ import annotations

import numpy as np

from dicecast.scores.arithmetic import PerCase, PerPixel, num_pixels, total
from dicecast.scores.map_aggregation import MapContext, map_aggregation
from dicecast.scores.regions import count_pixels

PATCH_SIZE = 10
"""Side of the box of ``patch_max``, in pixels (ValUES, Kahl et al. 2024)."""


@map_aggregation
def mean(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Mean uncertainty over all pixels.

    Source:
        Jungo et al. 2020 (Front. Neurosci. 14:282), mean aggregation.
    """
    return total(uncertainty) / num_pixels(uncertainty)


@map_aggregation
def sum(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Sum of the uncertainty of all pixels.

    Differs from ``mean`` where images differ in size.

    Source:
        ValUES (Kahl et al. 2024), image level.
    """
    return total(uncertainty)


@map_aggregation
def sum_over_volume(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Sum of the uncertainty divided by the predicted foreground volume.

    An empty mask counts as one pixel of foreground. In uncertainty per foreground pixel.

    Source:
        Jungo et al. 2020 (Front. Neurosci. 14:282), volume weighting, which has the mean where
        this has the sum: the same ranking among images of one size.
    """
    return total(uncertainty) / np.maximum(context.regions.volume, 1)


@map_aggregation
def maximum(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Uncertainty of the most uncertain pixel."""
    return np.asarray(uncertainty.max(axis=(1, 2)))


@map_aggregation
def quantile_75(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Uncertainty that three quarters of the pixels do not exceed, interpolated linearly."""
    return _quantile(uncertainty, 0.75)


@map_aggregation
def quantile_95(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Uncertainty that 95 % of the pixels do not exceed, interpolated linearly."""
    return _quantile(uncertainty, 0.95)


@map_aggregation
def patch_max(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Highest mean uncertainty of any patch of 10 x 10 pixels.

    Over all positions where the patch lies inside the image; the patch is clipped to the image.

    Source:
        ValUES (Kahl et al. 2024), patch level; ValUES sums where this takes the mean.
    """
    tall, wide = (min(PATCH_SIZE, side) for side in uncertainty.shape[1:])
    sums = _window_sums(_window_sums(uncertainty, tall, 1), wide, 2)
    return np.asarray(sums.max(axis=(1, 2)) / (tall * wide))


@map_aggregation
def above_threshold(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Mean uncertainty of the pixels at or above the validation threshold.

    0 where no pixel reaches the threshold, as ValUES does. Not monotone: where all pixels become
    more uncertain, further ones pass that lie near the threshold and can lower the mean.

    Source:
        ValUES (Kahl et al. 2024), threshold level.
    """
    passing = uncertainty >= np.float64(context.threshold)
    return total(uncertainty * passing) / np.maximum(count_pixels(passing), 1)


def _quantile(uncertainty: PerPixel, share: float) -> PerCase:
    """Return ``np.quantile``, of which selecting one order statistic instead of two is a fifth."""
    pixels = num_pixels(uncertainty)
    place = share * (pixels - 1)
    low = int(place)
    rows = np.partition(uncertainty.reshape(len(uncertainty), pixels), low, axis=1)
    below, above = rows[:, low], rows[:, min(low + 1, pixels - 1) :].min(axis=1)
    return np.asarray(below + (above - below) * (place - low))


def _window_sums(stack: PerPixel, length: int, axis: int) -> PerCase:
    """Return the sum of every ``length`` neighbours along an axis, as differences of one sum."""
    ends = np.moveaxis(np.cumsum(stack, axis=axis), axis, 0)
    sums = ends[length - 1 :].copy("K")
    sums[1:] -= ends[: len(ends) - length]
    return np.moveaxis(sums, 0, axis)
