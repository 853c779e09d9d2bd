"""The metrics that see the values of a score, in a block of resamples: a few matrix products."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.resampling.block import Block, Judged, Truth, divide

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# The smaller a part of the squares around the median is left around the mean, the fewer of its
# digits are right; squares near the smallest number there is are rounded more coarsely.
_LEAST_SHARE = 1e-4
_LEAST_SQUARES = 1e-280

LEAST_SPREAD = 1e-16
"""Below this, values in [0, 1] may differ by no more than rounding."""


class Moments:
    """Scores and quality, ready for sums of their products.

    Args:
        scores: ``(rows, cases)``, finite; the cases by rising quality.
        truth: The true quality.
    """

    def __init__(self, scores: Floats, truth: Truth) -> None:
        self._scores = scores
        self._quality = truth.quality
        self._quality_varies = np.bool_(not truth.constant)
        self._scores_vary = np.ptp(scores, axis=1, keepdims=True) > 0.0

    def pearson(self, block: Block) -> Judged:
        """Return Pearson's linear correlation."""
        scores, quality = self._scaled_scores, _scaled(self._quality)
        score_spread, doubts = spread(scores, block)
        quality_spread, quality_doubts = spread(quality, block)
        means = (scores @ block.counts) * (quality @ block.counts) / np.maximum(block.total, 1.0)
        both = (scores * quality) @ block.counts - means
        correlation = divide(both, np.sqrt(score_spread * quality_spread))
        vary = self._scores_vary & self._quality_varies
        return Judged(np.clip(correlation, -1.0, 1.0), (doubts | quality_doubts) & vary)

    def mae(self, block: Block) -> Judged:
        """Return the mean absolute error."""
        errors = np.abs(self._scores - self._quality)
        return Judged(divide(errors @ block.counts, block.total))

    def rmse(self, block: Block) -> Judged:
        """Return the root of the mean squared error."""
        return Judged(np.sqrt(divide(self._squared_errors @ block.counts, block.total)))

    def r2(self, block: Block) -> Judged:
        """Return the share of the quality's variance that is explained."""
        around, doubts = spread(self._quality - np.median(self._quality), block)
        explained = 1.0 - divide(self._squared_errors @ block.counts, around)
        doubts |= around < LEAST_SPREAD
        return Judged(explained, doubts & self._quality_varies)

    @cached_property
    def _scaled_scores(self) -> Floats:
        return _scaled(self._scores)

    @cached_property
    def _squared_errors(self) -> Floats:
        return np.square(self._scores - self._quality)


MOMENT_METRICS = {
    "pearson": Moments.pearson,
    "mae": Moments.mae,
    "rmse": Moments.rmse,
    "r2": Moments.r2,
}
"""By the names of ``dicecast.metrics.catalogue.METRICS``."""


def _scaled(values: Floats) -> Floats:
    """Shift the median to 0, near the mean of any resample, and the largest distance to 1."""
    # Halved, so that no distance is infinite.
    halved = values / 2.0
    centred = halved - np.median(halved, axis=-1, keepdims=True)
    largest = np.abs(centred).max(axis=-1, keepdims=True)
    scaled: Floats = centred / np.where(largest > 0.0, largest, 1.0)
    return scaled


def spread(values: Floats, block: Block) -> tuple[Floats, Flags]:
    """Return the summed squared distances from the mean, and where they are doubtful.

    Args:
        values: ``(cases,)`` or ``(rows, cases)``, around 0.
        block: The resamples.

    Returns:
        ``(resamples,)`` or ``(rows, resamples)`` each.
    """
    squares = np.square(values) @ block.counts
    of_the_mean = np.square(values @ block.counts) / np.maximum(block.total, 1.0)
    around = np.maximum(squares - of_the_mean, 0.0)
    return around, around <= _LEAST_SHARE * squares + _LEAST_SQUARES
