"""Whether an estimate of the quality can be taken at its word: agreement, line, bins and bias.

A slope of 1, an intercept of 0 and a bias of 0 are ideal; no direction of these three is better.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BIN_EDGES = np.arange(1, 10) / 10
"""Between the ten bins of :func:`quality_ece`; an estimate at an edge is in the bin above it."""


class _Moments(NamedTuple):
    """Means, summed squares and summed products of an estimate and the quality, both centred."""

    mean: float
    mean_quality: float
    spread: float
    quality_spread: float
    shared: float


def bias(estimate: Floats, quality: Floats) -> float:
    """Return the mean of the estimate minus the quality: above 0 where it promises too much.

    Args:
        estimate: ``(cases,)``, the predicted quality.
        quality: ``(cases,)`` in [0, 1], the true quality.

    Returns:
        A value in units of the quality, 0 for none; NaN without a case.

    Source:
        Bland and Altman 1986, "Statistical methods for assessing agreement between two methods of
        clinical measurement".

    Example:
        >>> bias(np.array([0.5, 1.0]), np.array([0.25, 0.75]))
        0.25
    """
    return float((estimate - quality).mean()) if len(quality) else float("nan")


def concordance(estimate: Floats, quality: Floats) -> float:
    """Return Lin's concordance correlation: Pearson's, lowered by any bias and wrong scale.

    Arguments are those of :func:`bias`.

    Returns:
        A value in [-1, 1], 1 where estimate and quality are equal, 0 for a constant estimate. NaN
        where the quality is constant or there are fewer than two cases.

    Source:
        Lin 1989, "A concordance correlation coefficient to evaluate reproducibility", with
        variances over n as there.

    Example:
        >>> round(concordance(np.array([0.1, 0.3, 0.5]), np.array([0.2, 0.4, 0.6])), 3)
        0.842
    """
    if _varies_too_little(quality):
        return float("nan")
    found = _moments(estimate, quality)
    apart = len(quality) * (found.mean - found.mean_quality) ** 2
    return float(2.0 * found.shared / (found.spread + found.quality_spread + apart))


def calibration_slope(estimate: Floats, quality: Floats) -> float:
    """Return the slope of the line through the quality over the estimate, ideally 1.

    Below 1 where the estimates are more extreme than the truth, above 1 where they are too timid.

    Arguments are those of :func:`bias`.

    Returns:
        The least-squares slope; NaN where the estimate or the quality is constant or there are
        fewer than two cases.

    Source:
        Cox 1958, "Two further applications of a model for binary regression", with a line in place
        of the logistic curve.

    Example:
        >>> calibration_slope(np.array([0.0, 1.0]), np.array([0.25, 0.75]))
        0.5
    """
    if _varies_too_little(estimate) or _varies_too_little(quality):
        return float("nan")
    found = _moments(estimate, quality)
    return float(found.shared / found.spread)


def calibration_intercept(estimate: Floats, quality: Floats) -> float:
    """Return the height of the line of :func:`calibration_slope` at an estimate of 0, ideally 0.

    Arguments and source are those of :func:`calibration_slope`; NaN where that is.

    Example:
        >>> calibration_intercept(np.array([0.0, 1.0]), np.array([0.25, 0.75]))
        0.25
    """
    slope = calibration_slope(estimate, quality)
    return float(np.mean(quality) - slope * np.mean(estimate)) if len(quality) else slope


def quality_ece(estimate: Floats, quality: Floats) -> float:
    """Return the calibration error of the estimate in ten bins of equal width over [0, 1].

    Arguments are those of :func:`bias`; estimates outside [0, 1] are in the first or last bin.

    Returns:
        The mean over the cases of the gap, in their bin, between mean estimate and mean quality:
        0 for none, in units of the quality; at least the size of the bias and at most the mean
        absolute error. NaN without a case.

    Source:
        Guo et al. 2017, "On calibration of modern neural networks", with the quality in place of
        the accuracy, as Gonzalez et al. 2021 on detecting failed segmentations.

    Example:
        >>> quality_ece(np.array([0.25, 0.25, 0.75]), np.array([0.0, 0.5, 1.0]))
        0.08333333333333333
    """
    if len(quality) == 0:
        return float("nan")
    gaps = np.bincount(np.searchsorted(BIN_EDGES, estimate, side="right"), estimate - quality)
    return float(np.abs(gaps).sum() / len(quality))


def _varies_too_little(values: Floats) -> bool:
    """Whether values that lie in [0, 1] differ by no more than rounding, or are fewer than two."""
    return len(values) < 2 or bool(np.ptp(values) <= np.finfo(np.float64).eps)


def _moments(estimate: Floats, quality: Floats) -> _Moments:
    mean, mean_quality = estimate.mean(), quality.mean()
    first, second = estimate - mean, quality - mean_quality
    return _Moments(mean, mean_quality, first @ first, second @ second, first @ second)
