"""Fine bins that keep the order of all float32 numbers of interest: memory that pixels do not fill.

Sorting every pixel of a test set needs every pixel in memory. Counting them in 4,096 bins does not,
and the counts of images add up to those of a test set, so that one function of counts gives a
metric of each image and of all pixels at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 4096

_DROPPED_BITS = 16
_BINS_IN_OCTAVE = 1 << (23 - _DROPPED_BITS)
_FIRST = (127 - 26) * _BINS_IN_OCTAVE

RELATIVE_WIDTH = 1 / _BINS_IN_OCTAVE
"""Numbers of one bin differ by at most this share (0.8 %)."""

SMALLEST = 2.0**-26
"""What is below, zero and negative rounding noise included, is one bin; so is all above 63.5."""


def fine_bins(values: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the bin of each number, in [0, 4096); a larger number never has a lower bin.

    The bin is the sign, the exponent and the first 7 bits after the point of a float32, whose order
    is that of the numbers. The resolution is therefore relative, 0.8 % at every scale, whether a
    map lives near 1e-6 (the variance of a confident network) or is unbounded.

    Args:
        values: Any shape, float32, finite.

    Raises:
        TypeError: The numbers are not float32.

    Example:
        >>> fine_bins(np.array([-1.0, 0.0, 0.5, 0.501, 0.51], dtype=np.float32)).tolist()
        [0, 0, 3201, 3201, 3203]
    """
    if values.dtype != np.float32:
        raise TypeError(f"Bins are those of float32 numbers; got {values.dtype}.")
    places = np.ascontiguousarray(values).view(np.int32) >> np.int32(_DROPPED_BITS)
    places -= np.int32(_FIRST - 1)
    return np.clip(places, 0, BINS - 1, out=places)


def lower_edge(place: int) -> float:
    """Return the smallest number of a bin; 0 for the first bin, infinity after the last.

    Raises:
        ValueError: There is no such bin.
    """
    if not 0 <= place <= BINS:
        raise ValueError(f"Bins are numbered from 0 to {BINS}; got {place}.")
    if place in (0, BINS):
        return 0.0 if place == 0 else float("inf")
    leading = np.array(place - 1 + _FIRST, dtype=np.uint32) << np.uint32(_DROPPED_BITS)
    return float(leading.view(np.float32))
