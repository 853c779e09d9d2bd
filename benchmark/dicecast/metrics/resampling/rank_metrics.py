"""The metrics that see only the order of a score: which sums they need, and what follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.resampling import rank_sums
from dicecast.metrics.resampling.acceptance import Acceptance
from dicecast.metrics.resampling.block import divide
from dicecast.metrics.resampling.selective_risk import selective_risks
from dicecast.metrics.resampling.shared import Shared

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Rounding of the areas moves naurc by about 1e-15 over the room between random and best.
_LEAST_ROOM = 1e-5

Sum = Callable[[Acceptance, Shared], Floats]


class RankMetric(NamedTuple):
    """A metric of a score's order.

    Attributes:
        sums: What it needs of each score; each gives ``(rows, resamples)``.
        finish: Turns the sums, ``(rows, resamples)`` each, into the metric.
        doubtful: Says in which resamples rounding may have decided.
    """

    sums: tuple[Sum, ...]
    finish: Callable[..., Floats]
    doubtful: Callable[[Shared], Flags | np.bool_] = lambda _: np.False_


def _spearman(shared: Shared, products: Floats, cubed_ties: Floats) -> Floats:
    # Squared doubled ranks sum to (N^3 - sum of t^3) / 3 over groups of t tied cases: exact.
    spread = (shared.block.total**3 - cubed_ties) / 3.0
    return divide(products, np.sqrt(shared.quality_spread * spread))


def _failure_auroc(shared: Shared, ranks: Floats) -> Floats:
    # Summed doubled ranks are pairs in order minus pairs out of order; ties are neither.
    return divide(shared.pairs + ranks, 2.0 * shared.pairs)


def _failure_auroc_area(shared: Shared, ranks: Floats) -> Floats:
    return np.where(shared.has_both_classes, 0.5 + ranks, np.nan)


def _detection_error(shared: Shared, errors: Floats) -> Floats:
    return np.where(shared.pairs > 0.0, errors / 2.0, np.nan)


def _of_failures(shared: Shared, sums: Floats) -> Floats:
    return divide(sums, np.where(shared.pairs > 0.0, shared.block.failures, 0.0))


def _of_successes(shared: Shared, sums: Floats) -> Floats:
    return divide(sums, np.where(shared.pairs > 0.0, shared.block.successes, 0.0))


def _areas(taken: Acceptance, shared: Shared) -> Floats:
    return selective_risks(taken)


def _aurc(shared: Shared, areas: Floats) -> Floats:
    curve: Floats = areas / (2.0 * shared.ranked)
    return curve


def _e_aurc(shared: Shared, areas: Floats) -> Floats:
    return _aurc(shared, areas) - shared.best_area


def _naurc(shared: Shared, areas: Floats) -> Floats:
    return divide(shared.random_area - _aurc(shared, areas), shared.room)


def _ause(shared: Shared, areas: Floats) -> Floats:
    return divide(_e_aurc(shared, areas), shared.random_area)


def _little_room(shared: Shared) -> Flags:
    little: Flags = shared.room < _LEAST_ROOM
    return little & (not shared.block.truth.constant)


def _augrc(shared: Shared, ranks: Floats) -> Floats:
    # A case's risk counts from its own coverage on, which is the share ranked below it.
    area: Floats = (ranks / shared.ranked + shared.total_risk) / (2.0 * shared.ranked)
    return area


def _e_augrc(shared: Shared, ranks: Floats) -> Floats:
    return _augrc(shared, ranks) - _augrc(shared, shared.best_ranks)


RANK_METRICS = {
    "spearman": RankMetric((rank_sums.ranks_by_quality, rank_sums.cubed_ties), _spearman),
    "failure_auroc": RankMetric((rank_sums.ranks_of_successes,), _failure_auroc),
    "failure_auroc_area": RankMetric((rank_sums.ranks_by_thresholds,), _failure_auroc_area),
    "average_precision_failure": RankMetric((rank_sums.precision_of_failures,), _of_failures),
    "average_precision_success": RankMetric((rank_sums.precision_of_successes,), _of_successes),
    "fpr_at_95_tpr": RankMetric((rank_sums.failures_accepted,), _of_failures),
    "detection_error_min": RankMetric((rank_sums.least_error,), _detection_error),
    "detection_error_95": RankMetric((rank_sums.error_at_95,), _detection_error),
    "aurc": RankMetric((_areas,), _aurc),
    "e_aurc": RankMetric((_areas,), _e_aurc),
    "naurc": RankMetric((_areas,), _naurc, _little_room),
    "ause": RankMetric((_areas,), _ause),
    "augrc": RankMetric((rank_sums.ranks_by_risk,), _augrc),
    "e_augrc": RankMetric((rank_sums.ranks_by_risk,), _e_augrc),
}
"""By the names of ``dicecast.metrics.catalogue.METRICS``."""
