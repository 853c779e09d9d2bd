"""Sums over the cases that scores give in every resample of a block, ``(rows, resamples)`` each.

Spearman, AUROC and AUGRC are all one sum of the score's doubled ranks. With b cases accepted before
a case's ties and u once they are, among N, twice the distance of its midrank, from the lowest score
up, from the mean rank is N - b - u: a whole number. Each case is weighted by its quality's doubled
rank, by success, or by risk.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.resampling.acceptance import Acceptance
from dicecast.metrics.resampling.block import column_sums
from dicecast.metrics.resampling.shared import Shared, Weights

Floats = NDArray[np.float64]


def ranks_by_quality(taken: Acceptance, shared: Shared) -> Floats:
    """Sum the products of both doubled ranks."""
    return _ranks(taken, shared.by_quality)


def ranks_by_risk(taken: Acceptance, shared: Shared) -> Floats:
    """Sum the doubled ranks times the risk."""
    return _ranks(taken, shared.by_risk)


def ranks_of_successes(taken: Acceptance, shared: Shared) -> Floats:
    """Sum the doubled ranks of the successes."""
    ranks = _ranks(taken, shared.by_class)
    # All ranks together sum to 0.
    return -ranks if shared.failures_are_few else ranks


def ranks_by_thresholds(taken: Acceptance, shared: Shared) -> Floats:
    """Sum the doubled ranks of the successes at each threshold, weighted into a mean of AUROCs."""
    return _ranks(taken, shared.by_thresholds)


def cubed_ties(taken: Acceptance, shared: Shared) -> Floats:
    """Sum t^3 over the groups of t tied cases."""
    if taken.paths.distinct:
        return shared.cubed_counts
    ties = np.subtract(taken.upto, taken.before, out=taken.scratch("ties", taken.upto.shape))
    return column_sums(taken.block.counts, np.square(ties, out=ties))


def precision_of_successes(taken: Acceptance, shared: Shared) -> Floats:
    """Sum, over the successes, the share of successes among all accepted with each."""
    cases = shared.successes
    share = taken.chosen(taken.successes, taken.paths.upto[:, cases], "share of successes")
    np.divide(share, taken.upto[:, cases], out=share)
    return column_sums(taken.block.counts[cases], share)


def precision_of_failures(taken: Acceptance, shared: Shared) -> Floats:
    """Sum, over the failures, the share of failures among all that score as low as each."""
    block, cases = taken.block, shared.failures
    accepted = taken.chosen(taken.accepted, taken.paths.before[:, cases], "share of failures")
    refused = np.subtract(block.total, accepted, out=accepted)
    share = refused - (block.successes - _successes_before(taken, shared))
    # Where nothing is refused, the case is not there either: 0 / 1.
    np.divide(share, np.maximum(refused, 1.0, out=refused), out=share)
    return column_sums(block.counts[cases], share)


def failures_accepted(taken: Acceptance, shared: Shared) -> Floats:
    """Count the failures accepted when at least 95 % of the successes are."""
    needed = _successes_before(taken, shared) < shared.enough_successes
    return column_sums(taken.block.counts[shared.failures], needed.astype(np.float64))


def least_error(taken: Acceptance, shared: Shared) -> Floats:
    """Return the least sum of the shares of successes refused and of failures accepted."""
    block = taken.block
    good = taken.chosen(taken.successes, taken.paths.upto, "successes")
    bad = np.subtract(taken.upto, good, out=taken.scratch("failures", good.shape))
    bad /= np.maximum(block.failures, 1.0)
    good /= np.maximum(block.successes, 1.0)
    least: Floats = np.subtract(bad, good, out=bad).min(axis=1)
    # Where nothing is accepted, or everything, the sum is 1.
    return 1.0 + np.minimum(least, 0.0)


def error_at_95(taken: Acceptance, shared: Shared) -> Floats:
    """Return that sum where at least 95 % of the successes are first accepted."""
    block = taken.block
    good = taken.chosen(taken.successes, taken.paths.upto, "successes")
    enough = np.where(good >= shared.enough_successes, good, np.inf).min(axis=1)
    bad = failures_accepted(taken, shared) / np.maximum(block.failures, 1.0)
    errors: Floats = 1.0 - enough / np.maximum(block.successes, 1.0) + bad
    return errors


def _ranks(taken: Acceptance, weights: Weights) -> Floats:
    ranks = column_sums(weights.values, taken.upto[:, weights.cases])
    if taken.paths.distinct:
        ranks *= -2.0
        ranks += weights.untied
    else:
        ranks += column_sums(weights.values, taken.before[:, weights.cases])
        np.subtract(weights.whole, ranks, out=ranks)
    return ranks


def _successes_before(taken: Acceptance, shared: Shared) -> Floats:
    """Return how many successes are accepted before each failure's ties."""
    rows = taken.paths.before[:, shared.failures]
    return taken.chosen(taken.successes, rows, "successes before failures")
