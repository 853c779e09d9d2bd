"""What all scores share in a block of resamples; each number is made when it is first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.discrimination import QUALITY_THRESHOLDS
from dicecast.metrics.resampling.acceptance import Acceptance, Paths
from dicecast.metrics.resampling.block import Block, Scratch, column_sums
from dicecast.metrics.resampling.selective_risk import selective_risks

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Weights(NamedTuple):
    """Weights of some cases in a sum of doubled ranks N - b - u; see ``rank_sums``.

    Attributes:
        cases: Which cases, in their own place.
        values: ``(those cases, resamples)``.
        whole: ``(resamples,)``, the sum of weights times N.
        untied: ``(resamples,)``, the sum of weights times N - b + u if no cases tie: then u - b is
            the case's own count.
    """

    cases: slice
    values: Floats
    whole: Floats
    untied: Floats


class Shared:
    """Numbers of a block of resamples, ``(resamples,)`` each, and weights in it."""

    def __init__(self, block: Block) -> None:
        self.block = block
        failing = len(block.counts[self.failures])
        self.failures_are_few = 2 * failing <= len(block.counts)

    @property
    def failures(self) -> slice:
        """The cases that fail."""
        return self.block.truth.failures

    @property
    def successes(self) -> slice:
        """The cases that do not."""
        return self.block.truth.successes

    @cached_property
    def by_quality(self) -> Weights:
        """The counts times the doubled ranks of the quality."""
        return self._weights(slice(None), self.block.counts * self._quality_ranks)

    @cached_property
    def quality_spread(self) -> Floats:
        """The sum of the squared doubled ranks of the quality."""
        return column_sums(self.by_quality.values, self._quality_ranks)

    @cached_property
    def by_risk(self) -> Weights:
        """The counts times the risk."""
        risk = self.block.truth.risk
        return self._weights(slice(None), self.block.counts * risk[:, np.newaxis])

    @cached_property
    def by_class(self) -> Weights:
        """The counts of the failures or of the successes, whichever are fewer."""
        few = self.failures if self.failures_are_few else self.successes
        return self._weights(few, self.block.counts[few])

    @cached_property
    def by_thresholds(self) -> Weights:
        """The counts of the successes at each threshold over twice its pairs, averaged.

        An AUROC is 1/2 + summed doubled ranks of the successes over twice the pairs, so that the
        mean of several is one weighted sum of ranks.
        """
        shares = np.zeros_like(self.block.counts)
        for start, pairs in self._classes_by_threshold:
            shares[start:] += np.divide(0.5, pairs, out=np.zeros_like(pairs), where=pairs > 0.0)
        defined = sum(pairs > 0.0 for _, pairs in self._classes_by_threshold)
        return self._weights(slice(None), self.block.counts * shares / np.maximum(defined, 1))

    @property
    def has_both_classes(self) -> Flags:
        """Whether there are failures and successes at one threshold at least."""
        pairs = np.array([pairs for _, pairs in self._classes_by_threshold])
        both: Flags = np.logical_or.reduce(pairs > 0.0)
        return both

    @cached_property
    def _classes_by_threshold(self) -> list[tuple[int, Floats]]:
        """Where the successes begin at each threshold, and how many pairs there then are."""
        starts = np.searchsorted(self.block.truth.quality, QUALITY_THRESHOLDS)
        failing = [self.block.counts[:start].sum(axis=0) for start in starts]
        return [
            (int(start), failures * (self.block.total - failures))
            for start, failures in zip(starts, failing, strict=True)
        ]

    @cached_property
    def cubed_counts(self) -> Floats:
        """The sum of the cubed counts."""
        return column_sums(np.square(self.block.counts), self.block.counts)

    @cached_property
    def pairs(self) -> Floats:
        """How many pairs of a failure and a success there are."""
        pairs: Floats = self.block.failures * self.block.successes
        return pairs

    @cached_property
    def enough_successes(self) -> Floats:
        """The least number of successes that is at least 95 % of them, as division rounds it."""
        successes = np.maximum(self.block.successes, 1.0)
        enough = np.ceil(0.95 * successes)
        enough -= (enough - 1.0) / successes >= 0.95
        enough += enough / successes < 0.95
        return enough

    @cached_property
    def ranked(self) -> Floats:
        """The number of cases, NaN below two: one alone cannot be ranked."""
        total = self.block.total
        return np.where(total < 2.0, np.nan, total)

    @cached_property
    def total_risk(self) -> Floats:
        """The summed risk of all cases."""
        total: Floats = self.block.truth.risk @ self.block.counts
        return total

    @cached_property
    def random_area(self) -> Floats:
        """The area under the risk-coverage curve of a constant score: the mean risk."""
        area: Floats = self.total_risk / self.ranked
        return area

    @cached_property
    def best_area(self) -> Floats:
        """The area under the risk-coverage curve of the quality itself as the score."""
        area: Floats = selective_risks(self._perfect)[0] / (2.0 * self.ranked)
        return area

    @cached_property
    def best_ranks(self) -> Floats:
        """The sum of the risks times the doubled ranks of the quality."""
        return column_sums(self.by_risk.values, self._quality_ranks)

    @property
    def room(self) -> Floats:
        """How far the best area is below the random one; 0 where all qualities are equal."""
        if self.block.truth.constant:
            return np.zeros_like(self.best_area)
        return self.random_area - self.best_area

    @cached_property
    def _perfect(self) -> Acceptance:
        truth = self.block.truth
        [(_, paths)] = Paths.of(truth.quality[np.newaxis], truth, together=1)
        return Acceptance(paths, self.block, Scratch())

    @cached_property
    def _quality_ranks(self) -> Floats:
        ranks: Floats = self.block.total - self._perfect.before[0] - self._perfect.upto[0]
        return ranks

    def _weights(self, cases: slice, values: Floats) -> Weights:
        whole = values.sum(axis=0) * self.block.total
        return Weights(cases, values, whole, whole + column_sums(values, self.block.counts[cases]))
