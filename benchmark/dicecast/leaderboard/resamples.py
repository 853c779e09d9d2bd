"""Spearman, AUROC and AURC of many scores in many resamples: the leaderboard's intervals.

``dicecast.metrics.under_counts`` does the same one metric at a time. Here the three share one pass
over the cases in the order of a score, which is what makes a leaderboard quick: all three follow
from ``accepted``, the count of cases that score as high as a case or higher.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
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
        few_total: ``(resamples,)``, the sum of those counts.
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
    few_total: Floats
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
        results[:, :, part] = _finished(np.stack([_sums(order, block) for order in orders]), block)

    if results.size and len(quality):
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
        few_total=counts[few].sum(axis=0),
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


def _sums(order: Order, block: _Block) -> Floats:
    """Return what the metrics of one score are made of, ``(4, resamples)``; see `_finished`."""
    descending = order.ascending[::-1]
    present, accepted, upto = block.scratch[:3]
    np.take(block.counts, descending, axis=0, out=present[: len(descending)], mode="clip")
    _running_sums(present, None, accepted)
    # By case in its own place: how many score as high or higher.
    last = len(descending) - 1 - order.below
    upto = upto[: len(last)]
    np.take(accepted, last, axis=0, out=upto, mode="clip")
    ties = block.untied if _distinct(order) else _tied(order, block)
    above = sum_of_products(block.few_counts, upto[block.few])
    # A doubled rank is N - 2 upto + ties; N falls away where the weights sum to 0.
    both = ties.weighted - 2.0 * sum_of_products(block.weights, upto)
    ranks = block.total * block.few_total + ties.few - 2.0 * above
    return np.stack([both, ties.squared, ranks, _area(order, block)])


def _finished(sums: Floats, block: _Block) -> Floats:
    """Return the metrics, ``(3, rows, resamples)``, of sums ``(rows, 4, resamples)``."""
    both, squared_ties, ranks, area = sums.transpose(1, 0, 2)
    # Squared doubled ranks sum to (N^3 - sum of t^3) / 3 over groups of t tied cases: exact.
    spread = block.spread * ((block.total**3 - squared_ties) / 3.0)
    # Summed doubled ranks are pairs in order minus pairs out of order; ties are neither.
    pairs = block.few_total * (block.total - block.few_total) + np.zeros_like(ranks)
    ordered = -ranks if block.few_fail else ranks
    twice = np.where(block.total < 2, 0.0, 2.0 * block.total) + np.zeros_like(area)
    spearman = divide(both, np.sqrt(spread))
    return np.stack([spearman, divide(pairs + ordered, 2.0 * pairs), divide(area, twice)])


def _tied(order: Order, block: _Block) -> _TieSums:
    accepted, upto = block.scratch[1:3, : len(order.score)]
    above = np.concatenate((np.zeros_like(accepted[:1]), accepted))
    ties = upto - above[len(order.score) - order.upto]
    return _tie_sums(block.counts, block.weights, block.few, ties)


def _area(order: Order, block: _Block) -> Floats:
    """Return the area under the risk-coverage curve times twice the number of cases."""
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
    area: Floats = sum_of_products(present, sides) + extension
    return area


def _first_present(accepted: Floats) -> Indices:
    """Return the place of the first case that is in each resample; the last if there is none."""
    # A resample nearly always has one of the first few, so that the rest need not be read.
    absent = (accepted[:24] == 0.0).view(np.uint8)
    first: Indices = np.add.reduce(absent, axis=0, dtype=np.uint8).astype(np.intp)
    if first.max() >= len(absent):
        first = np.count_nonzero(accepted == 0.0, axis=0)
    return np.minimum(first, len(accepted) - 1)


def _distinct(order: Order) -> bool:
    return bool((order.upto - order.below == 1).all())


def _runs(cases: int) -> tuple[int, int]:
    """Return into how many runs of which length the cases are cut, with a few rows to spare."""
    length = max(math.isqrt(cases), 1)
    return -(-cases // length), length


@lru_cache(maxsize=64)
def _triangle(size: int, diagonal: int) -> Floats:
    return np.tri(size, k=diagonal)


def _running_sums(values: Floats, weights: Floats | None, sums: Floats) -> None:
    """Write the sums of the first 1, 2, ..., all rows of weighted ``values`` into ``sums``.

    The rows are cut into runs; within them, and then over their totals, a running sum is a product
    with a triangular matrix. That is several times as quick as ``np.cumsum(values, axis=0)``, which
    goes down one column after the other, and exact for counts.

    Args:
        values: ``(rows, resamples)``.
        weights: ``(rows,)``; None for 1 everywhere.
        sums: ``(rows, resamples)``.
    """
    runs, length = _runs(len(values))
    within = _triangle(length, 0)
    if weights is not None:
        within = within * weights.reshape(runs, 1, length)
    parts = sums.reshape(runs, length, -1)
    np.matmul(within, values.reshape(parts.shape), out=parts)
    parts += (_triangle(runs, -1) @ parts[:, -1])[:, np.newaxis]
