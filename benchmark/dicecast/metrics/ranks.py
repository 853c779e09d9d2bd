"""Ranks with ties, as whole numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def doubled_midranks(values: Floats) -> NDArray[np.intp]:
    """Return twice the mean rank of each value and its ties, less 1; ranks count from 1.

    Args:
        values: ``(cases,)``, finite.

    Returns:
        ``(cases,)``: how many values are below each, plus how many are not above it.

    Example:
        >>> doubled_midranks(np.array([0.5, 0.1, 0.5]))
        array([4, 1, 4])
    """
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, side="left")
    doubled: NDArray[np.intp] = below + np.searchsorted(ordered, values, side="right")
    return doubled
