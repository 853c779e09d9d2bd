"""Running sums down the columns of a table, several times as quick as ``np.cumsum``."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def padded(rows: int) -> int:
    """Return how many rows a table of ``rows`` needs here; the further ones hold 0."""
    return math.prod(_runs(rows))


def _runs(rows: int) -> tuple[int, int]:
    """Return into how many runs of which length the rows are cut, with a few rows to spare."""
    length = max(math.isqrt(rows), 1)
    return -(-rows // length), length


@lru_cache(maxsize=64)
def _triangle(size: int, diagonal: int) -> Floats:
    return np.tri(size, k=diagonal)


def running_sums(values: Floats, weights: Floats | None, sums: Floats) -> None:
    """Write the sums of the first 1, 2, ..., all rows of weighted ``values`` into ``sums``.

    The rows are cut into runs; within them, and then over their totals, a running sum is a product
    with a triangular matrix. That is several times as quick as ``np.cumsum(values, axis=0)``, which
    goes down one column after the other, and exact for counts.

    Args:
        values: ``(rows, columns)``, padded to :func:`padded` rows.
        weights: ``(rows,)``; None for 1 everywhere.
        sums: ``(rows, columns)``.
    """
    runs, length = _runs(len(values))
    within = _triangle(length, 0)
    if weights is not None:
        within = within * weights.reshape(runs, 1, length)
    parts = sums.reshape(runs, length, -1)
    np.matmul(within, values.reshape(parts.shape), out=parts)
    parts += (_triangle(runs, -1) @ parts[:, -1])[:, np.newaxis]
