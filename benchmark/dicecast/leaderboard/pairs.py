"""Which rows are better than which, of thousands: millions of pairs in a thousand resamples each.

Nearly all pairs are decided without looking at each resample. With ``a`` losses allowed among B
resamples, i cannot be better than j if i's k-th smallest number is not above j's (k - a)-th, for
any k: too few resamples have i above that number or j below it. And i is better if its k-th
smallest, for a k up to a, is above j's (k + B - a - 1)-th. The remaining pairs are counted, a part
of the resamples at a time, for as long as they have not lost too often.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.bootstrap import UNDEFINED_ALLOWED

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.intp]

_BOUNDS = 9
# Resamples counted at once: at most 255, so that a byte holds their number.
_PART = 125


def significantly_better(samples: Floats, level: float) -> Flags:
    """Return which rows have the higher number in at least ``(1 + level) / 2`` of the resamples.

    Equal numbers count against. Of a pair, the resamples count in which both are defined; a pair
    with more than 5 % undefined is never better.

    Args:
        samples: ``(rows, resamples)``, NaN where undefined.
        level: In (0, 1).

    Returns:
        ``(rows, rows)``, whether the first is better than the second.
    """
    whole = ~np.isnan(samples).any(axis=1)
    better = np.zeros((len(samples), len(samples)), dtype=np.bool_)
    better[np.ix_(whole, whole)] = _whole_better(samples[whole], level)
    for row in np.flatnonzero(~whole):
        better[row] = _better(samples[row : row + 1], samples, level)
        better[:, row] = _better(samples, samples[row : row + 1], level)
    return better


def _least_wins(resamples: Counts, level: float) -> Counts:
    # A hair of slack, so that 0.975 * 1000 is 975 however it is rounded.
    least: Counts = np.ceil((1.0 + level) / 2.0 * resamples - 1e-9).astype(np.intp)
    return least


def _better(first: Floats, second: Floats, level: float) -> Flags:
    """Compare rows in each resample in which both are defined."""
    wins = np.count_nonzero(first > second, axis=1)
    both = np.count_nonzero(~(np.isnan(first) | np.isnan(second)), axis=1)
    enough = both >= (1.0 - UNDEFINED_ALLOWED) * first.shape[1]
    better: Flags = enough & (both > 0) & (wins >= _least_wins(both, level))
    return better


def _whole_better(samples: Floats, level: float) -> Flags:
    """Compare rows that are defined in every resample."""
    rows, resamples = samples.shape
    allowed = resamples - int(_least_wins(np.array(resamples), level))
    bounds = _Bounds(np.sort(samples, axis=1), allowed)
    places = _places(samples).astype(np.min_scalar_type(rows))
    cuts = range(_PART, resamples, _PART)
    parts = [np.ascontiguousarray(part) for part in np.split(places, cuts, axis=1)]
    better = np.zeros((rows, rows), dtype=np.bool_)
    for row in range(rows):
        better[row] = bounds.better(row)
        others = np.flatnonzero(bounds.possible(row) & ~better[row])
        losses = np.zeros(len(others), dtype=np.intp)
        for part in parts:
            lost = part[row] <= part[others]
            # As bytes, which sum several times as quickly as flags and here never overflow.
            losses += np.einsum("ij->i", lost.view(np.uint8))
            kept = losses <= allowed
            others, losses = others[kept], losses[kept]
        better[row, others] = True
    return better


class _Bounds:
    """What sorted rows say of pairs."""

    def __init__(self, ordered: Floats, allowed: int) -> None:
        few = np.unique(np.linspace(0, allowed, 3).astype(np.intp))
        all_over = np.unique(np.linspace(allowed, ordered.shape[1] - 1, _BOUNDS).astype(np.intp))
        self._low = ordered.T[few]
        self._high = ordered.T[few + ordered.shape[1] - allowed - 1]
        self._own = ordered.T[all_over]
        self._least = ordered.T[all_over - allowed]

    def better(self, row: int) -> Flags:
        """Return which rows this one is better than for sure, ``(rows,)``."""
        sure: Flags = np.logical_or.reduce(self._low[:, row, np.newaxis] > self._high)
        return sure

    def possible(self, row: int) -> Flags:
        """Return which rows this one may be better than, ``(rows,)``."""
        possible: Flags = np.logical_and.reduce(self._own[:, row, np.newaxis] > self._least)
        return possible


def _places(samples: Floats) -> NDArray[np.intp]:
    """Return each row's place in each resample, equal rows sharing one: quicker to compare."""
    order = np.argsort(samples, axis=0)
    ordered = np.take_along_axis(samples, order, axis=0)
    steps = np.zeros(samples.shape, dtype=np.intp)
    np.cumsum(ordered[1:] != ordered[:-1], axis=0, out=steps[1:])
    places = np.empty_like(steps)
    np.put_along_axis(places, order, steps, axis=0)
    return places
