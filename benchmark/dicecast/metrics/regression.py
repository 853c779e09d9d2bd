"""How far an estimate of the quality is from the quality, in units of the quality."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def mae(estimate: Floats, quality: Floats) -> float:
    """Return the mean absolute error.

    Args:
        estimate: ``(cases,)``, the predicted quality.
        quality: ``(cases,)``, the true quality.

    Returns:
        A value >= 0 in units of the quality; NaN without a case.

    Source:
        Willmott and Matsuura 2005, "Advantages of the mean absolute error".

    Example:
        >>> mae(np.array([0.5, 1.0]), np.array([1.0, 1.0]))
        0.25
    """
    if len(quality) == 0:
        return float("nan")
    return float(np.abs(estimate - quality).mean())


def rmse(estimate: Floats, quality: Floats) -> float:
    """Return the root of the mean squared error.

    Arguments and result are those of :func:`mae`; never below it.

    Example:
        >>> rmse(np.array([1.0, 1.0]), np.array([1.0, 1.0]))
        0.0
    """
    if len(quality) == 0:
        return float("nan")
    return float(np.sqrt(np.square(estimate - quality).mean()))


def r2(estimate: Floats, quality: Floats) -> float:
    """Return the share of the quality's variance that is explained, ``1 - SSE / SST``.

    Arguments are those of :func:`mae`.

    Returns:
        At most 1 and at most Pearson's r squared; 0 for the mean quality as the estimate,
        negative for worse. NaN where the quality is constant or there are fewer than two cases.

    Source:
        Draper and Smith 1998, "Applied regression analysis", section 1.3.

    Example:
        >>> r2(np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.5, 1.0]))
        1.0
    """
    # A quality lies in [0, 1]; smaller differences there are rounding.
    if len(quality) < 2 or np.ptp(quality) <= np.finfo(np.float64).eps:
        return float("nan")
    residual = np.square(estimate - quality).sum()
    return float(1.0 - residual / np.square(quality - quality.mean()).sum())
