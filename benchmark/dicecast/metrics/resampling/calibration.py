"""Whether estimates of the quality can be taken at their word, in a block of resamples."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.calibration import BIN_EDGES
from dicecast.metrics.resampling.block import Block, Judged, Truth, divide
from dicecast.metrics.resampling.moments import LEAST_SPREAD, spread

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Calibration:
    """Estimates and quality, ready for sums of their products.

    Args:
        scores: ``(rows, cases)``, finite; the cases by rising quality.
        truth: The true quality.
    """

    def __init__(self, scores: Floats, truth: Truth) -> None:
        self._scores = scores
        self._truth = truth

    def bias(self, block: Block) -> Judged:
        """Return the mean of the estimate minus the quality."""
        return Judged(divide(self._gaps @ block.counts, block.total))

    def quality_ece(self, block: Block) -> Judged:
        """Return the calibration error in bins of equal width."""
        bins = np.searchsorted(BIN_EDGES, self._scores, side="right")
        gaps = sum(
            np.abs(np.where(bins == place, self._gaps, 0.0) @ block.counts)
            for place in np.unique(bins)
        )
        return Judged(divide(np.asarray(gaps), block.total))

    def concordance(self, block: Block) -> Judged:
        """Return Lin's concordance correlation."""
        score_spread, doubts = spread(self._centred, block)
        quality_spread, quality_doubts = self._quality_spread(block)
        apart = np.square(self._gaps @ block.counts) / np.maximum(block.total, 1.0)
        whole = score_spread + quality_spread + apart
        found = divide(2.0 * self._shared(block), np.where(quality_spread > 0.0, whole, 0.0))
        return Judged(found, doubts & self._vary | quality_doubts)

    def slope(self, block: Block) -> Judged:
        """Return the slope of the line through the quality over the estimate."""
        score_spread, doubts = spread(self._centred, block)
        quality_spread, quality_doubts = self._quality_spread(block)
        found = divide(self._shared(block), np.where(quality_spread > 0.0, score_spread, 0.0))
        doubts |= score_spread < LEAST_SPREAD
        return Judged(found, doubts & self._vary | quality_doubts)

    def intercept(self, block: Block) -> Judged:
        """Return the height of that line at an estimate of 0."""
        slope = self.slope(block)
        means = divide(self._scores @ block.counts, block.total)
        mean = divide(self._truth.quality @ block.counts, block.total)
        return Judged(mean - slope.values * means, slope.doubtful)

    def _shared(self, block: Block) -> Floats:
        """Return the summed products of both, each around its mean."""
        scores, quality = self._centred, self._centred_quality
        means = (scores @ block.counts) * (quality @ block.counts) / np.maximum(block.total, 1.0)
        shared: Floats = (scores * quality) @ block.counts - means
        return shared

    def _quality_spread(self, block: Block) -> tuple[Floats, Flags]:
        around, doubts = spread(self._centred_quality, block)
        return around, (doubts | (around < LEAST_SPREAD)) & np.bool_(not self._truth.constant)

    @cached_property
    def _gaps(self) -> Floats:
        return self._scores - self._truth.quality

    @cached_property
    def _centred(self) -> Floats:
        return self._scores - np.median(self._scores, axis=1, keepdims=True)

    @cached_property
    def _centred_quality(self) -> Floats:
        return self._truth.quality - np.median(self._truth.quality)

    @cached_property
    def _vary(self) -> Flags:
        vary: Flags = np.ptp(self._scores, axis=1, keepdims=True) > 0.0
        return vary


CALIBRATION_METRICS = {
    "concordance": Calibration.concordance,
    "calibration_slope": Calibration.slope,
    "calibration_intercept": Calibration.intercept,
    "quality_ece": Calibration.quality_ece,
    "bias": Calibration.bias,
}
"""By the names of ``dicecast.metrics.catalogue.METRICS``."""
