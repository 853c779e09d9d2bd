"""Spearman, AUROC and AURC of many scores in many resamples: the leaderboard's intervals.

``dicecast.metrics.under_counts`` does the same one metric at a time. Here the three share one pass
over the cases in the order of a score, which is what makes a leaderboard quick: all three follow
from ``accepted``, the count of cases that score as high as a case or higher.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.tie_groups import Order, divide, doubled_ranks, sum_of_products

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Indices = NDArray[np.intp]

INTERVAL_METRICS = ("spearman", "failure_auroc", "aurc")
"""The metrics that have an interval in the leaderboard."""

# Cases times resamples worked on at once: larger no longer fits in a processor's cache, smaller
# is spent on calling functions.
_BLOCK_ELEMENTS = 40_000
_THREADS = min(os.cpu_count() or 1, 8)


class _Block(NamedTuple):
    """What all scores share in a block of resamples, and where each of them is worked out.

    Attributes:
        counts: ``(cases, resamples)``.
        total: ``(resamples,)``, cases in each resample.
        weights: ``(cases, resamples)``, counts times doubled ranks of the quality; sum to 0.
        spread: ``(resamples,)``, sum of squared doubled ranks of the quality.
        few: Indices of the failures or of the successes, whichever are fewer.
        few_fail: Whether those are the failures.
        few_counts: Counts of those alone.
        risk: ``(cases,)``, 1 - quality.
        untied: Sums over the cases' ties where no two cases tie.
        scratch: ``(6, cases and some rows of 0, resamples)``: allocating anew for each score takes
            longer than the arithmetic.
    """

    counts: Floats
    total: Floats
    weights: Floats
    spread: Floats
    few: Indices
    few_fail: bool
    few_counts: Floats
    risk: Floats
    untied: _TieSums
    scratch: Floats


class _TieSums(NamedTuple):
    """Sums over the cases of how many cases tie with each, itself included, ``(resamples,)``."""

    squared: Floats
    weighted: Floats
    few: Floats


def interval_samples(
    scores: Floats, quality: Floats, counts: Counts, threshold: float
) -> dict[str, Floats]:
    """Return each of ``INTERVAL_METRICS`` for every score in every resample.

    Args:
        scores: ``(rows, cases)``, finite, high where good.
        quality: ``(cases,)`` in [0, 1].
        counts: ``(resamples, cases)``, as of ``dicecast.metrics.bootstrap.resample_counts``.
        threshold: A case fails where its quality is below this.

    Returns:
        ``(rows, resamples)`` for each metric, NaN where it is undefined; the numbers of
        ``dicecast.metrics.under_counts.metric_under`` up to the rounding of sums.

    Example:
        >>> samples = interval_samples(
        ...     np.array([[1.0, 2.0, 3.0]]), np.array([0.1, 0.3, 0.2]), np.array([[1, 1, 1]]), 0.2
        ... )
        >>> samples["spearman"], samples["failure_auroc"]
        (array([[0.5]]), array([[1.]]))
    """
    results = np.full((len(INTERVAL_METRICS), len(scores), len(counts)), np.nan)
    orders, truth = [Order.of(score) for score in scores], Order.of(quality)
    width = max(_BLOCK_ELEMENTS // max(len(quality), 1), 32)

    def fill(start: int) -> None:
        part = slice(start, start + width)
        block = _block(truth, counts[part], threshold)
        for row, order in enumerate(orders):
            results[:, row, part] = _statistics(order, block)

    if len(quality):
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(fill, range(0, len(counts), width)))
    return dict(zip(INTERVAL_METRICS, results, strict=True))


def _block(truth: Order, resamples: Counts, threshold: float) -> _Block:
    counts = np.ascontiguousarray(resamples.T, dtype=np.float64)
    ranks = doubled_ranks(truth, counts)
    weights = counts * ranks
    fails = truth.score < threshold
    few_fail = bool(2 * np.count_nonzero(fails) <= len(fails))
    few = np.flatnonzero(fails if few_fail else ~fails)
    return _Block(
        counts=counts,
        total=counts.sum(axis=0),
        weights=weights,
        spread=sum_of_products(weights, ranks),
        few=few,
        few_fail=few_fail,
        few_counts=counts[few],
        risk=1.0 - truth.score,
        untied=_tie_sums(counts, weights, few, counts),
        scratch=np.zeros((6, math.prod(_runs(len(counts))), counts.shape[1])),
    )


def _tie_sums(counts: Floats, weights: Floats, few: Indices, ties: Floats) -> _TieSums:
    return _TieSums(
        squared=sum_of_products(counts * ties, ties),
        weighted=sum_of_products(weights, ties),
        few=sum_of_products(counts[few], ties[few]),
    )


def _statistics(order: Order, block: _Block) -> tuple[Floats, Floats, Floats]:
    """Return the three metrics of one score, each ``(resamples,)``, as in INTERVAL_METRICS."""
    descending = order.ascending[::-1]
    present, accepted, upto = block.scratch[:3]
    np.take(block.counts, descending, axis=0, out=present[: len(descending)], mode="clip")
    _running_sums(present, None, accepted)
    # By case in its own place: how many score as high or higher.
    last = len(descending) - 1 - order.below
    np.take(accepted, last, axis=0, out=upto[: len(last)], mode="clip")
    ties = block.untied if _distinct(order) else _tied(order, block)
    return _spearman(block, ties), _auroc(block, ties), _aurc(order, block)


def _tied(order: Order, block: _Block) -> _TieSums:
    accepted, upto = block.scratch[1:3, : len(order.score)]
    above = np.concatenate((np.zeros_like(accepted[:1]), accepted))
    ties = upto - above[len(order.score) - order.upto]
    return _tie_sums(block.counts, block.weights, block.few, ties)


def _spearman(block: _Block, ties: _TieSums) -> Floats:
    # A doubled rank is N - 2 upto + ties; N falls away because the weights sum to 0.
    both = ties.weighted - 2.0 * sum_of_products(block.weights, block.scratch[2, : len(block.weights)])
    # Squared doubled ranks sum to (N^3 - sum of t^3) / 3 over groups of t tied cases: exact.
    return divide(both, np.sqrt(block.spread * ((block.total**3 - ties.squared) / 3.0)))


def _auroc(block: _Block, ties: _TieSums) -> Floats:
    few = block.few_counts.sum(axis=0)
    pairs = few * (block.total - few)
    above = sum_of_products(block.few_counts, block.scratch[2][block.few])
    ranks = block.total * few + ties.few - 2.0 * above
    # Summed doubled ranks are pairs in order minus pairs out of order; ties are neither.
    ordered = -ranks if block.few_fail else ranks
    return divide(pairs + ordered, 2.0 * pairs)


def _aurc(order: Order, block: _Block) -> Floats:
    descending = order.ascending[::-1]
    weights = np.zeros(block.scratch.shape[1])
    weights[: len(descending)] = block.risk[descending]
    _running_sums(block.scratch[0], weights, block.scratch[4])
    present, accepted, _, selective, risk, sides = block.scratch[:, : len(descending)]
    first = _first_present(accepted)
    # Counts are whole, so this changes only 0 / 0, before the first accepted case, to 0.
    np.maximum(accepted[: first.max() + 1], 1.0, out=accepted[: first.max() + 1])
    np.divide(risk, accepted, out=selective)
    last = len(descending) - 1 - order.below[descending]
    extension = risk[last[first], np.arange(risk.shape[1])]
    # A trapezoid for each case, from the curve before its ties to the curve after them.
    if _distinct(order):
        sides[0] = selective[0]
        np.add(selective[1:], selective[:-1], out=sides[1:])
    else:
        before = np.concatenate((np.zeros_like(selective[:1]), selective))
        np.add(selective[last], before[len(last) - order.upto[descending]], out=sides)
    area = sum_of_products(present, sides) + extension
    return divide(area, np.where(block.total < 2, 0.0, 2.0 * block.total))


def _first_present(accepted: Floats) -> Indices:
    """Return the place of the first case that is in each resample; the last if there is none."""
    # A resample nearly always has one of the first few, so that the rest need not be read.
    for rows in (24, len(accepted)):
        first = np.count_nonzero(accepted[:rows] == 0.0, axis=0)
        if (first < rows).all():
            break
    return np.minimum(first, len(accepted) - 1)


def _distinct(order: Order) -> bool:
    return bool((order.upto - order.below == 1).all())


def _runs(cases: int) -> tuple[int, int]:
    """Return into how many runs of which length the cases are cut, with a few rows to spare."""
    length = max(math.isqrt(cases), 1)
    return -(-cases // length), length


def _running_sums(values: Floats, weights: Floats | None, sums: Floats) -> None:
    """Write the sums of the first 1, 2, ..., all rows of ``values`` into ``sums``.

    The rows are cut into runs; within them, and then over their totals, a running sum is a product
    with a triangular matrix. That is several times as quick as ``np.cumsum(values, axis=0)``, which
    goes down one column after the other, and exact for counts.
    """
    runs, length = _runs(len(values))
    within = np.tri(length)
    if weights is not None:
        within = within * weights.reshape(runs, 1, length)
    parts = sums.reshape(runs, length, -1)
    np.matmul(within, values.reshape(parts.shape), out=parts)
    parts += (np.tri(runs, k=-1) @ parts[:, -1])[:, np.newaxis]
