"""Rank and linear correlation of a score with the true quality, over all cases at once.

Each is in [-1, 1], 1 where the score follows the quality perfectly, and NaN where it does not
exist: a constant input, or fewer than two cases.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.ranks import doubled_midranks

Floats = NDArray[np.float64]


def pearson(score: Floats, quality: Floats) -> float:
    """Return Pearson's linear correlation.

    Args:
        score: ``(cases,)``, high where good.
        quality: ``(cases,)``, the true quality.

    Returns:
        A value in [-1, 1]; NaN for a constant input or fewer than two cases.

    Source:
        Pearson 1895, "Note on regression and inheritance in the case of two parents".

    Example:
        >>> round(pearson(np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.6])), 3)
        0.945
    """
    if _undefined(score, quality):
        return float("nan")
    first, second = _unit(score), _unit(quality)
    return float(np.clip(first @ second, -1.0, 1.0))


def spearman(score: Floats, quality: Floats) -> float:
    """Return Spearman's rank correlation: Pearson's of the ranks, ties given their mean rank.

    Arguments and result are those of :func:`pearson`.

    Source:
        Spearman 1904, "The proof and measurement of association between two things".

    Example:
        >>> spearman(np.array([1.0, 2.0, 9.0]), np.array([0.1, 0.2, 0.3]))
        1.0
    """
    if _undefined(score, quality):
        return float("nan")
    first, second = _centred_ranks(score), _centred_ranks(quality)
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))


def kendall(score: Floats, quality: Floats) -> float:
    """Return Kendall's rank correlation, tau-b: pairs in order minus pairs out of order.

    Arguments and result are those of :func:`pearson`. The b in tau-b corrects for ties.

    Source:
        Kendall 1945, "The treatment of ties in ranking problems".

    Example:
        >>> round(kendall(np.array([1.0, 3.0, 2.0]), np.array([0.1, 0.2, 0.3])), 3)
        0.333
    """
    if _undefined(score, quality):
        return float("nan")
    from scipy import stats  # noqa: PLC0415  half a second, for this one call

    return float(stats.kendalltau(score, quality, variant="b").statistic)


def _undefined(score: Floats, quality: Floats) -> bool:
    return len(score) < 2 or bool(np.ptp(score) == 0 or np.ptp(quality) == 0)


def _unit(values: Floats) -> Floats:
    """Centre ``values`` and scale them to length 1.

    Shifting and scaling by the range first keeps the squares of very small or nearly equal
    values from vanishing.
    """
    shifted = (values - values.min()) / np.ptp(values)
    centred = shifted - shifted.mean()
    unit: Floats = centred / np.sqrt(centred @ centred)
    return unit


def _centred_ranks(values: Floats) -> Floats:
    """Return twice the distance of each midrank from their mean: integers, so sums are exact."""
    return (doubled_midranks(values) - len(values)).astype(np.float64)
