"""The threshold from which on a pixel counts as uncertain, calibrated on validation maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicecast.errors import DicecastError
from dicecast.estimation.prediction import Prediction

_DROPPED_BITS = 12
_BINS = 1 << (31 - _DROPPED_BITS)

RELATIVE_RESOLUTION = 2.0 ** -(23 - _DROPPED_BITS)
"""A threshold lies at most this share below the exact quantile (0.05 %)."""


class ThresholdCalibration:
    """Finds a threshold for each measure while validation predictions stream by.

    The threshold of a measure is the quantile of the uncertainty of ALL validation pixels at
    ``q = 1 - mean predicted foreground fraction``: as many pixels are uncertain as are foreground.

    Memory does not grow with the number of cases: each measure keeps a histogram of 524,288 bins
    (4 MiB) over the leading 20 bits of the float32 value, whose order is that of the values. So
    the resolution is relative, 0.05 % at every scale, whether a measure lives near 1e-6 (the
    variance of a confident network) or is unbounded (logit noise).

    Source:
        ValUES (Kahl et al. 2024), threshold level.

    Example:
        >>> maps = {"entropy": np.array([[[0.0, 0.0], [0.5, 1.0]]], dtype=np.float32)}
        >>> mask = np.array([[[0, 0], [0, 1]]], dtype=np.uint8)
        >>> calibration = ThresholdCalibration()
        >>> calibration.update(Prediction(np.zeros((1, 2, 2, 2), np.float32), mask, maps, None))
        >>> calibration.thresholds()
        {'entropy': 0.5}
    """

    def __init__(self) -> None:
        self._histograms: dict[str, NDArray[np.int64]] = {}
        self._pixels = 0
        self._foreground = 0

    def update(self, prediction: Prediction) -> None:
        """Take a batch of the validation role into account.

        Raises:
            DicecastError: A map is not finite, or the measures differ from earlier batches.
        """
        if self._pixels and prediction.maps.keys() != self._histograms.keys():
            raise DicecastError(
                "All validation batches must hold the same measures; got "
                f"{sorted(prediction.maps)} after {sorted(self._histograms)}."
            )
        counted = {name: _histogram(name, maps) for name, maps in prediction.maps.items()}
        for name, counts in counted.items():
            self._histograms[name] = self._histograms.get(name, 0) + counts
        self._pixels += prediction.mask.size
        self._foreground += int(np.count_nonzero(prediction.mask))

    def thresholds(self) -> dict[str, float]:
        """Return the threshold of each measure.

        At most 0.05 % below ``np.quantile(..., method="lower")``, never above it, so that a map
        of one value reaches its own threshold.

        Raises:
            DicecastError: No batch was given.
        """
        if not self._pixels:
            raise DicecastError(
                "Thresholds need at least one prediction of the validation role; got none."
            )
        rank = (self._pixels - self._foreground) * (self._pixels - 1) // self._pixels
        return {name: _value_at(counts, rank) for name, counts in self._histograms.items()}


def _histogram(measure: str, maps: NDArray[np.float32]) -> NDArray[np.int64]:
    if not np.isfinite(maps).all():
        raise DicecastError(
            f"Uncertainty maps must be finite; '{measure}' holds NaN or infinite pixels."
        )
    # Rounding can leave a difference of entropies a little below 0, where bits sort backwards.
    values = np.where(maps > 0, maps, 0).astype(np.float32)
    bins = values.view(np.uint32) >> np.uint32(_DROPPED_BITS)
    return np.bincount(bins.ravel(), minlength=_BINS).astype(np.int64, copy=False)


def _value_at(counts: NDArray[np.int64], rank: int) -> float:
    place = int(np.searchsorted(np.cumsum(counts), rank, side="right"))
    return float(np.array(place << _DROPPED_BITS, dtype=np.uint32).view(np.float32))
