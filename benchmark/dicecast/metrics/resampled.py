"""What each metric does inside a block of resamples.

Each function takes the cases along the true quality and the counts ``(cases, resamples)``, does
what all scores share once, and returns a function from the cases along one score to the metric,
``(resamples,)``.

Spearman, AUROC and AUGRC are all one sum of the score's doubled ranks (``doubled_ranks``), each
case weighted by its quality's rank, by success, or by risk.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.tie_groups import Order, divide, doubled_ranks, sum_of_products, sums_along

Floats = NDArray[np.float64]
Statistic = Callable[[Order], Floats]
Prepare = Callable[[Order, Floats], Statistic]


def spearman(quality: Order, counts: Floats) -> Statistic:
    """Prepare Spearman's correlation."""
    truth = doubled_ranks(quality, counts)
    weighted = counts * truth
    spread = sum_of_products(weighted, truth)

    def statistic(score: Order) -> Floats:
        ranks = doubled_ranks(score, counts)
        both = sum_of_products(weighted, ranks)
        return divide(both, np.sqrt(spread * sum_of_products(counts * ranks, ranks)))

    return statistic


def pearson(quality: Order, counts: Floats) -> Statistic:
    """Prepare Pearson's correlation."""
    truth, spread = _centred(quality, counts)
    weighted = counts * truth

    def statistic(score: Order) -> Floats:
        values, score_spread = _centred(score, counts)
        both = sum_of_products(weighted, values)
        return np.clip(divide(both, np.sqrt(spread * score_spread)), -1.0, 1.0)

    return statistic


def failure_auroc(threshold: float, quality: Order, counts: Floats) -> Statistic:
    """Prepare the AUROC of success against failure."""
    success = counts * (quality.score >= threshold)[:, np.newaxis]
    good = success.sum(axis=0)
    pairs = good * (counts.sum(axis=0) - good)

    def statistic(score: Order) -> Floats:
        # The sum is pairs in order minus pairs out of order; ties are neither.
        ordered = sum_of_products(success, doubled_ranks(score, counts))
        return divide(pairs + ordered, 2.0 * pairs)

    return statistic


def augrc(quality: Order, counts: Floats) -> Statistic:
    """Prepare the area under generalised risk over coverage."""
    risk = counts * (1.0 - quality.score)[:, np.newaxis]
    total_risk = risk.sum(axis=0)
    total = _two_or_more(counts)

    def statistic(score: Order) -> Floats:
        # A case's risk counts from its own coverage on, which is the share ranked below it.
        ranks = doubled_ranks(score, counts)
        area: Floats = (sum_of_products(risk, ranks) / total + total_risk) / (2.0 * total)
        return area

    return statistic


def aurc(quality: Order, counts: Floats) -> Statistic:
    """Prepare the area under the risk-coverage curve."""
    risk = counts * (1.0 - quality.score)[:, np.newaxis]
    total = _two_or_more(counts)

    def statistic(score: Order) -> Floats:
        accepted = sums_along(score.ascending[::-1], counts)
        accepted_risk = sums_along(score.ascending[::-1], risk)
        # Counts are whole, so this changes only 0 / 0, before the first accepted case, to 0.
        selective = accepted_risk / np.maximum(accepted, 1.0)
        # A trapezoid for each case, from the curve before its ties to the curve after them.
        before, after = len(counts) - score.upto, len(counts) - score.below
        sides = sum_of_products(counts, selective[before] + selective[after])
        return (sides + _first_risk(score, accepted, accepted_risk)) / (2.0 * total)

    return statistic


def e_aurc(quality: Order, counts: Floats) -> Statistic:
    """Prepare the excess of the area over that of a perfect ranking."""
    area = aurc(quality, counts)
    best = area(quality)
    return lambda score: area(score) - best


def naurc(quality: Order, counts: Floats) -> Statistic:
    """Prepare the area's place between a random (0) and a perfect (1) ranking."""
    area = aurc(quality, counts)
    random = area(Order.of(np.zeros_like(quality.score)))
    room = np.where(_constant(quality, counts), 0.0, np.maximum(random - area(quality), 0.0))
    return lambda score: divide(random - area(score), room)


def mae(quality: Order, counts: Floats) -> Statistic:
    """Prepare the mean absolute error."""
    return lambda score: divide(np.abs(score.score - quality.score) @ counts, counts.sum(axis=0))


def rmse(quality: Order, counts: Floats) -> Statistic:
    """Prepare the root of the mean squared error."""
    return lambda score: np.sqrt(
        divide(np.square(score.score - quality.score) @ counts, counts.sum(axis=0))
    )


def _first_risk(score: Order, accepted: Floats, accepted_risk: Floats) -> Floats:
    """Return the summed risk of the first ties that are present: the left end of the curve."""
    ends = len(score.ascending) - score.below[score.ascending[::-1]]
    first = np.count_nonzero(accepted == 0.0, axis=0) - 1
    columns = np.arange(accepted.shape[1])
    risk: Floats = accepted_risk[ends[np.minimum(first, len(ends) - 1)], columns]
    return risk


def _centred(order: Order, counts: Floats) -> tuple[Floats, Floats]:
    """Return values minus their mean, scaled alike, and their sum of squares, 0 if constant."""
    shifted = order.score - order.score.min()
    shifted /= shifted.max() or 1.0
    means = np.einsum("i,ij->j", shifted, counts) / np.maximum(counts.sum(axis=0), 1.0)
    centred = shifted[:, np.newaxis] - means
    spread = sum_of_products(counts * centred, centred)
    return centred, np.where(_constant(order, counts), 0.0, spread)


def _constant(order: Order, counts: Floats) -> NDArray[np.bool_]:
    """Say where all cases present are tied, by counts alone: the values' sums are rounded."""
    present = counts > 0
    lowest = np.where(present, order.below[:, np.newaxis], len(counts)).min(axis=0)
    highest = np.where(present, order.below[:, np.newaxis], -1).max(axis=0)
    constant: NDArray[np.bool_] = lowest >= highest
    return constant


def _two_or_more(counts: Floats) -> Floats:
    """Return the cases of each resample, NaN below two: one alone cannot be ranked."""
    total = counts.sum(axis=0)
    return np.where(total < 2, np.nan, total)
