"""How good intervals for the quality are: do they hold it, and how wide are they?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def coverage(ends: Floats, quality: Floats, level: float) -> Floats:
    """Return for each case whether its interval holds the quality, 1 or 0; the mean is the share.

    Args:
        ends: ``(cases, 2)``, lower and upper end; what lies on an end is held.
        quality: ``(cases,)``, the true quality.
        level: The share that is aimed at; not read.

    Returns:
        ``(cases,)``. A mean below ``level`` by more than chance says that new cases are not like
        those the intervals were calibrated on.

    Example:
        >>> coverage(np.array([[0.2, 0.6], [0.7, 0.9]]), np.array([0.6, 0.5]), 0.9)
        array([1., 0.])
    """
    return ((ends[:, 0] <= quality) & (quality <= ends[:, 1])).astype(np.float64)


def interval_width(ends: Floats, quality: Floats, level: float) -> Floats:
    """Return how wide each case's interval is, in units of the quality; low where it says much.

    Arguments are those of :func:`coverage`; neither quality nor level is read.

    Example:
        >>> interval_width(np.array([[0.25, 0.75]]), np.array([0.5]), 0.9)
        array([0.5])
    """
    width: Floats = ends[:, 1] - ends[:, 0]
    return width


def interval_score(ends: Floats, quality: Floats, level: float) -> Floats:
    """Return each case's width plus ``2 / (1 - level)`` times how far outside the quality lies.

    A proper score, low where good: intervals that are honest quantiles have the least mean, so it
    tells whether narrow intervals or sure ones are better.

    Arguments are those of :func:`coverage`.

    Returns:
        ``(cases,)``, at least 0, in units of the quality.

    Source:
        Gneiting and Raftery 2007 (JASA 102:359), equation 43.

    Example:
        >>> interval_score(np.array([[0.25, 0.75]]), np.array([0.0]), 0.9).round(6)
        array([5.5])
    """
    outside = np.maximum(ends[:, 0] - quality, 0.0) + np.maximum(quality - ends[:, 1], 0.0)
    return interval_width(ends, quality, level) + 2.0 / (1.0 - level) * outside


METRICS_OF_INTERVALS: dict[str, Callable[[Floats, Floats, float], Floats]] = {
    "coverage": coverage,
    "interval_width": interval_width,
    "interval_score": interval_score,
}
"""Metrics of intervals by name: ends, quality and level to one number a case, to be averaged."""
