"""Sums and ratios, case by case, whose last digits do not depend on the size of the batch."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

PerCase: TypeAlias = NDArray[np.float64]
PerPixel: TypeAlias = NDArray[np.float64]


def num_pixels(stack: NDArray[np.generic]) -> int:
    """Return how many pixels each case of ``(cases, height, width)`` has."""
    return int(stack.shape[1] * stack.shape[2])


def total(stack: PerPixel) -> PerCase:
    """Return the sum over the pixels of each case of ``(cases, height, width)``, ``(cases,)``."""
    return np.asarray(stack.reshape(len(stack), num_pixels(stack)).sum(axis=1))


def ratio(
    above: NDArray[np.floating | np.integer],
    below: NDArray[np.floating | np.integer],
    empty: float,
) -> PerCase:
    """Return ``above / below``, and ``empty`` where ``below`` is 0; both of one shape."""
    nothing = below == 0
    quotient = np.where(nothing, empty, above.astype(np.float64) / np.where(nothing, 1.0, below))
    # One memory layout, so that later sums add in the same order whatever the batch size.
    return np.ascontiguousarray(quotient)


def row_mean(rows: PerCase) -> PerCase:
    """Return the mean of each row of ``(cases, columns)``, ``(cases,)``."""
    return np.asarray(rows.mean(axis=1))
