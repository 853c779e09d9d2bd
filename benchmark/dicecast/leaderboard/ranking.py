"""Ranks with ties: a row is below another only where the resamples say so."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.leaderboard.pairs import significantly_better

Floats = NDArray[np.float64]
Ranks = NDArray[np.int64]

RULE = (
    "The rank is by Spearman's correlation with the true Dice, within a domain: 1 + the number of "
    "rows that are significantly better. A row is better than another where the paired bootstrap "
    "interval of the difference of the two correlations lies above 0. Rows that cannot be told "
    "apart may share a rank, and rows without a correlation come last."
)
"""The rule in words, for the tables."""


class Ranking(NamedTuple):
    """Where each row stands, ``(rows,)`` each.

    Attributes:
        best: 1 + the number of rows that are significantly better; this is the rank.
        worst: The number of ranked rows that are not significantly worse.
    """

    best: Ranks
    worst: Ranks


def rank(values: Floats, samples: Floats, level: float) -> Ranking:
    """Rank rows by a metric of which more is better.

    One row is better than another if it has the higher number in at least ``(1 + level) / 2`` of
    the resamples, equal numbers counting against it. That is where the percentile interval of the
    paired difference lies above 0, told by counting instead of by sorting every difference.

    Args:
        values: ``(rows,)``, the metric itself; NaN rows come last and share a rank.
        samples: ``(rows, resamples)``, the metric in resamples that all rows share.
        level: Coverage of the intervals, in (0, 1).

    Returns:
        Ranks from 1.

    Example:
        >>> samples = np.array([[0.8, 0.9], [0.1, 0.2], [0.1, 0.2]])
        >>> rank(np.array([0.8, 0.2, 0.2]), samples, 0.95).best
        array([1, 2, 2])
    """
    ranked = ~np.isnan(values)
    better = significantly_better(samples[ranked], level)
    total = int(ranked.sum())
    best = np.full(len(values), total + 1, dtype=np.int64)
    worst = np.full(len(values), len(values), dtype=np.int64)
    best[ranked] = 1 + better.sum(axis=0)
    worst[ranked] = total - better.sum(axis=1)
    return Ranking(best, worst)
