"""Running sums down the columns of tables, several times as quick as ``np.cumsum``.

The rows of a table are cut into runs. Within a run, a running sum is a product with a triangular
matrix; the sum of all runs before it stands in a row of its own in front of the run, so that the
same product adds it. Sums of whole numbers are exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

RUN = 16
"""Rows of a run: longer ones take more multiplications a row, shorter ones more calls."""

_FEW_RUNS = 64
_TRIANGLE = np.tri(RUN)
_STRICT_TRIANGLE = np.tri(_FEW_RUNS, k=-1)


def padded(rows: int) -> int:
    """Return the number of rows in whole runs, at least one."""
    return max(-(-rows // RUN), 1) * RUN


def in_runs(orders: Indices, absent: int) -> Indices:
    """Return which row each place of the runs takes, ``(tables, runs, 1 + RUN)``.

    Args:
        orders: ``(tables, rows)``, the rows in the order of each table's sum.
        absent: A row of zeros, for the places of no row: in front of each run, and at the end.
    """
    tables, rows = orders.shape
    places = np.full((tables, padded(rows)), absent, dtype=np.intp)
    places[:, :rows] = orders
    runs = np.full((tables, padded(rows) // RUN, 1 + RUN), absent, dtype=np.intp)
    runs[:, :, 1:] = places.reshape(tables, -1, RUN)
    return runs


def summing(weights: Floats) -> Floats:
    """Return the matrices that sum rows times ``weights``.

    Args:
        weights: ``(tables, rows)``.

    Returns:
        ``(tables, runs, RUN, 1 + RUN)``.
    """
    tables, rows = weights.shape
    spread = np.zeros((tables, padded(rows)))
    spread[:, :rows] = weights
    matrices = np.ones((tables, padded(rows) // RUN, RUN, 1 + RUN))
    np.multiply(_TRIANGLE, spread.reshape(tables, -1, 1, RUN), out=matrices[..., 1:])
    return matrices


PLAIN = summing(np.ones((1, RUN)))
"""The matrix that sums the rows themselves, for any number of tables and runs."""


def running_sums(values: Floats, matrices: Floats, sums: Floats, start: float = 0.0) -> None:
    """Write the sums of the first 0, 1, 2, ..., all rows of each table into ``sums``.

    Args:
        values: ``(tables, runs, 1 + RUN, columns)``, the rows as :func:`in_runs` places them. The
            row in front of each run is overwritten.
        matrices: Of :func:`summing`, or ``PLAIN``.
        sums: ``(tables, 1 + padded rows, columns)``.
        start: The sum of no rows.
    """
    tables, runs, _, columns = values.shape
    # The last row of a run's matrix adds up the whole run.
    totals = np.matmul(matrices[:, :, -1:, 1:], values[:, :, 1:])[:, :, 0]
    np.add(_sums_before(totals), start, out=values[:, :, 0])
    sums[:, 0] = start
    np.matmul(matrices, values, out=sums[:, 1:].reshape(tables, runs, RUN, columns))


def _sums_before(values: Floats) -> Floats:
    """Return the sum of all rows before each, of ``(tables, rows, columns)``."""
    tables, rows, columns = values.shape
    if rows <= _FEW_RUNS:
        before: Floats = np.matmul(_STRICT_TRIANGLE[:rows, :rows], values)
        return before
    with_zeros = np.concatenate((values, np.zeros((tables, 1, columns))), axis=1)
    cut = with_zeros[:, in_runs(np.arange(rows)[np.newaxis], rows)[0]]
    sums = np.empty((tables, 1 + padded(rows), columns))
    running_sums(cut, PLAIN, sums)
    return sums[:, :rows]
