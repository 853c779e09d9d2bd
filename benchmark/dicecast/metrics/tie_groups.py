"""Sums over cases in the order of a score, for many bootstrap resamples at once.

A resample is a count for each case. The cases are sorted once for all resamples, and a running
sum of the counts then says how many cases of each resample lie below, or tie with, each case.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.running_sums import padded, running_sums

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class Order(NamedTuple):
    """How the cases lie along one score, each ``(cases,)``.

    Attributes:
        score: The score itself.
        ascending: Indices of the cases from the lowest score up.
        below: For each case, how many cases score lower.
        upto: For each case, how many score lower or the same.
    """

    score: Floats
    ascending: Indices
    below: Indices
    upto: Indices

    @classmethod
    def of(cls, score: Floats) -> Order:
        """Sort the cases by ``score``, ``(cases,)``."""
        ascending = np.argsort(score, kind="stable")
        ordered = score[ascending]
        below = np.searchsorted(ordered, score, side="left")
        return cls(score, ascending, below, np.searchsorted(ordered, score, side="right"))


def sums_along(order: Indices, values: Floats) -> Floats:
    """Return the sums of the first 0, 1, ..., all cases in ``order``.

    Args:
        order: ``(cases,)``, indices.
        values: ``(cases, resamples)``.

    Returns:
        ``(cases + 1, resamples)``; the first row is 0.
    """
    cases, resamples = len(order), values.shape[1]
    ordered = np.zeros((padded(cases), resamples))
    # "clip" spares a copy; no index is out of range.
    np.take(values, order, axis=0, mode="clip", out=ordered[:cases])
    sums = np.zeros((len(ordered) + 1, resamples))
    running_sums(ordered, None, sums[1:])
    return sums[: cases + 1]


def doubled_ranks(order: Order, counts: Floats) -> Floats:
    """Return twice the distance of each case's midrank from the mean rank, in every resample.

    With b the counts below a case and t those that tie with it, its midrank among N is
    b + (t + 1) / 2, and twice its distance from (N + 1) / 2 is the integer 2 b + t - N. Sums of
    products of integers are exact in float64 up to about 200,000 cases.

    Args:
        order: The cases along the score.
        counts: ``(cases, resamples)``.

    Returns:
        ``(cases, resamples)``.
    """
    sums = sums_along(order.ascending, counts)
    ranks: Floats = sums[order.below]
    ranks += sums[order.upto]
    ranks -= sums[-1]
    return ranks


def sum_of_products(first: Floats, second: Floats) -> Floats:
    """Return the sum over the cases, ``(resamples,)``, of two ``(cases, resamples)``."""
    sums: Floats = np.einsum("ij,ij->j", first, second)
    return sums


def divide(part: Floats, whole: Floats) -> Floats:
    """Divide, NaN where ``whole`` is 0: the number does not exist in that resample."""
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole != 0)
