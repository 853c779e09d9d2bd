"""Spearman, AUROC and AURC of many scores in many resamples: the leaderboard's intervals.

``dicecast.metrics.under_counts`` does the same one metric at a time. Here the three share one pass
over the cases in the order of a score, which is what makes a leaderboard quick: all three follow
from ``accepted``, the count of cases that score as high as a case or higher.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.running_sums import padded, running_sums
from dicecast.metrics.tie_groups import Order, divide, doubled_ranks, sum_of_products

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Indices = NDArray[np.intp]

INTERVAL_METRICS = ("spearman", "failure_auroc", "aurc")
"""The metrics that have an interval in the leaderboard."""

# Cases times resamples worked on at once: larger no longer fits in a processor's cache, smaller
# is spent on calling functions.
_BLOCK_ELEMENTS = 40_000


class _Path(NamedTuple):
    """The way through the cases from the highest score down, the same in every block.

    Attributes:
        descending: ``(cases,)``, the cases in that order.
        last: For each case in its own place, where its ties end on the way.
        first: Likewise, where they begin.
        risk: 1 - quality on the way, padded like the scratch of a block.
        distinct: Whether no two cases tie.
    """

    descending: Indices
    last: Indices
    first: Indices
    risk: Floats
    distinct: bool

    @classmethod
    def of(cls, score: Floats, quality: Floats) -> _Path:
        order = Order.of(score)
        risk = np.zeros(padded(len(score)))
        descending = np.ascontiguousarray(order.ascending[::-1])
        risk[: len(score)] = 1.0 - quality[descending]
        distinct = bool((order.upto - order.below == 1).all())
        last, first = len(score) - 1 - order.below, len(score) - order.upto
        return cls(descending, last, first, risk, distinct)


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
    paths = [_Path.of(score, quality) for score in scores]
    truth = Order.of(quality)
    width = max(_BLOCK_ELEMENTS // max(len(quality), 1), 32)

    def fill(start: int) -> None:
        part = slice(start, start + width)
        block = _block(truth, counts[part], threshold)
        sums = np.empty((4, len(paths), len(block.total)))
        for row, path in enumerate(paths):
            _fill_sums(path, block, sums[:, row])
        results[:, :, part] = _finished(sums, block)

    # Not in threads: operations this small spend on handing over the interpreter what a second
    # core would gain (measured: 1.9 s with one thread, 2.5 s with two).
    if results.size and len(quality):
        for start in range(0, len(counts), width):
            fill(start)
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
        untied=_tie_sums(counts, weights, few, counts),
        scratch=np.zeros((6, padded(len(counts)), counts.shape[1])),
    )


def _tie_sums(counts: Floats, weights: Floats, few: Indices, ties: Floats) -> _TieSums:
    return _TieSums(
        squared=sum_of_products(counts * ties, ties),
        weighted=sum_of_products(weights, ties),
        few=sum_of_products(counts[few], ties[few]),
    )


def _fill_sums(path: _Path, block: _Block, sums: Floats) -> None:
    """Write what the metrics of one score are made of, ``(4, resamples)``; see `_finished`."""
    cases = len(path.descending)
    present, accepted, upto = block.scratch[:3]
    np.take(block.counts, path.descending, axis=0, out=present[:cases], mode="clip")
    running_sums(present, None, accepted)
    # By case in its own place: how many score as high or higher.
    np.take(accepted, path.last, axis=0, out=upto[:cases], mode="clip")
    ties = block.untied if path.distinct else _tied(path, block)
    above = sum_of_products(block.few_counts, upto[block.few])
    # A doubled rank is N - 2 upto + ties; N falls away where the weights sum to 0.
    sums[0] = ties.weighted - 2.0 * sum_of_products(block.weights, upto[:cases])
    sums[1] = ties.squared
    sums[2] = block.total * block.few_total + ties.few - 2.0 * above
    sums[3] = _area(path, block)


def _finished(sums: Floats, block: _Block) -> Floats:
    """Return the metrics, ``(3, rows, resamples)``, of sums ``(4, rows, resamples)``."""
    both, squared_ties, ranks, area = sums
    # Squared doubled ranks sum to (N^3 - sum of t^3) / 3 over groups of t tied cases: exact.
    spread = block.spread * ((block.total**3 - squared_ties) / 3.0)
    # Summed doubled ranks are pairs in order minus pairs out of order; ties are neither.
    pairs = block.few_total * (block.total - block.few_total) + np.zeros_like(ranks)
    ordered = -ranks if block.few_fail else ranks
    twice = np.where(block.total < 2, 0.0, 2.0 * block.total) + np.zeros_like(area)
    spearman = divide(both, np.sqrt(spread))
    return np.stack([spearman, divide(pairs + ordered, 2.0 * pairs), divide(area, twice)])


def _tied(path: _Path, block: _Block) -> _TieSums:
    accepted, upto = block.scratch[1:3, : len(path.descending)]
    above = np.concatenate((np.zeros_like(accepted[:1]), accepted))
    ties = upto - above[path.first]
    return _tie_sums(block.counts, block.weights, block.few, ties)


def _area(path: _Path, block: _Block) -> Floats:
    """Return the area under the risk-coverage curve times twice the number of cases."""
    running_sums(block.scratch[0], path.risk, block.scratch[4])
    present, accepted, _, selective, risk, sides = block.scratch[:, : len(path.descending)]
    start = _first_present(accepted)
    # Counts are whole, so this changes only 0 / 0, before the first accepted case, to 0.
    np.maximum(accepted[: start.max() + 1], 1.0, out=accepted[: start.max() + 1])
    np.divide(risk, accepted, out=selective)
    # A trapezoid for each case, from the curve before its ties to the curve after them.
    if path.distinct:
        sides[0] = selective[0]
        np.add(selective[1:], selective[:-1], out=sides[1:])
    else:
        start = path.last[path.descending[start]]
        before = np.concatenate((np.zeros_like(selective[:1]), selective))
        after = selective[path.last[path.descending]]
        np.add(after, before[path.first[path.descending]], out=sides)
    # Left of its first point the curve goes on level.
    extension = risk[start, np.arange(risk.shape[1])]
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
