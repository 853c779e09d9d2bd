"""What validation says of a map: its range, and from where on a pixel is likely to be wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.pixels.bins import BINS, fine_bins
from dicecast.metrics.pixels.confusion import cells, confusion
from dicecast.metrics.pixels.overlap import overlaps
from dicecast.metrics.pixels.ratio import Floats

LEVELS = 41
"""Thresholds over the range of a map, both ends included (QU-BraTS)."""


@dataclass(frozen=True)
class MapScale:
    """How the numbers of a map are to be read.

    Attributes:
        low: Its smallest value on validation.
        high: Its largest value on validation.
        edge: The edge of the fine bins from which on a pixel counts as uncertain.
    """

    low: float
    high: float
    edge: int

    @property
    def levels(self) -> Floats:
        """Thresholds spread evenly from ``low`` to ``high``, ``(41,)``."""
        return np.linspace(self.low, self.high, LEVELS)

    @property
    def edges(self) -> NDArray[np.intp]:
        """The first edges of the fine bins above each of ``levels``, ``(41,)``."""
        return fine_bins(self.levels.astype(np.float32)).astype(np.intp) + 1


class ScaleCalibration:
    """Finds the scale of a map while predictions of the validation role stream by.

    The threshold is the edge with the largest uncertainty-error overlap, mean over the validation
    images, among all 4,097 edges of the fine bins; the lowest where several are best. Jungo et al.
    2020 choose among 0.05, 0.1, ..., 0.95, which fits entropies alone.

    Args:
        num_classes: How many classes, background included.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._low, self._high = np.inf, -np.inf
        self._overlaps = np.zeros(BINS + 1)

    def update(
        self,
        uncertainty: NDArray[np.float32],
        truth: NDArray[np.uint8],
        predicted: NDArray[np.uint8],
    ) -> None:
        """Take a batch of the validation role into account.

        Args:
            uncertainty: ``(images, height, width)``, float32, high where unsure.
            truth: Same shape, the true class.
            predicted: Same shape, the predicted class.
        """
        self._low = min(self._low, float(uncertainty.min()))
        self._high = max(self._high, float(uncertainty.max()))
        cell = cells(truth, predicted, self.num_classes)
        counted = confusion(uncertainty, cell, self.num_classes)
        # One by one, so that the sums, and so the best edge, are those of any batch size.
        for image in overlaps(counted, slice(None)):
            self._overlaps += image

    def scale(self) -> MapScale:
        """Return the scale of the map."""
        return MapScale(self._low, self._high, int(np.argmax(self._overlaps)))
