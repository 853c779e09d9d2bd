"""Bootstrap resamples as counts, some at a time, with the cases in the order of their quality.

Cases stand in the order of rising quality, here called their own place, so that the failures come
first. The resamples are worked through in blocks that fit in a processor's cache.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]


class Truth:
    """The true quality that all scores are compared with, of one case or more.

    Attributes:
        order: ``(cases,)``, the cases by rising quality.
        quality: ``(cases,)``, in that order.
        risk: ``(cases,)``, 1 - quality.
        failures: Which of them fail: the first ones.
        successes: Which do not: the others.
        threshold: A case fails where its quality is below this.
        constant: Whether all qualities are equal.
    """

    def __init__(self, quality: Floats, threshold: float) -> None:
        self.order = np.argsort(quality, kind="stable")
        self.quality = quality[self.order]
        self.risk = 1.0 - self.quality
        failing = int(np.searchsorted(self.quality, threshold))
        self.failures = slice(0, failing)
        self.successes = slice(failing, len(quality))
        self.threshold = threshold
        self.constant = bool(self.quality[0] == self.quality[-1])


class Block:
    """Some of the resamples.

    Args:
        resamples: ``(resamples, cases)``, the cases in their own place.
        truth: What scores are compared with.

    Attributes:
        truth: What scores are compared with.
        counts: ``(cases, resamples)``, how often each case is in each resample.
        table: The counts, and a row of zeros below them.
        total: ``(resamples,)``, how many cases each resample has.
        failures: ``(resamples,)``, how many of them fail.
        successes: ``(resamples,)``, how many do not.
    """

    def __init__(self, resamples: Counts, truth: Truth) -> None:
        self.truth = truth
        self.table = np.zeros((resamples.shape[1] + 1, len(resamples)))
        self.counts = self.table[:-1]
        self.counts[:] = resamples.T
        self.total: Floats = self.counts.sum(axis=0)
        self.failures: Floats = self.counts[truth.failures].sum(axis=0)
        self.successes: Floats = self.total - self.failures


class Judged(NamedTuple):
    """A metric in a block of resamples.

    Attributes:
        values: ``(rows, resamples)``.
        doubtful: ``(rows, resamples)`` or less, where rounding may have decided.
    """

    values: Floats
    doubtful: Flags | np.bool_ = np.False_


class Scratch:
    """Memory used again and again: allocating it anew takes longer than the arithmetic in it."""

    def __init__(self) -> None:
        self._held: dict[Hashable, Floats] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> Floats:
        """Return an array of this shape; it holds whatever was last put there under this name."""
        key = (name, shape)
        if key not in self._held:
            self._held[key] = np.empty(shape)
        return self._held[key]


def column_sums(first: Floats, second: Floats) -> Floats:
    """Return the sums over the cases of the product of two tables.

    Args:
        first: ``(cases, resamples)``, or ``(rows, cases, resamples)``.
        second: Likewise.

    Returns:
        ``(resamples,)``, or ``(rows, resamples)``.
    """
    sums: Floats = np.einsum("...ij,...ij->...j", first, second)
    return sums


def divide(part: Floats, whole: Floats) -> Floats:
    """Divide, NaN where ``whole`` is 0: the number does not exist in that resample."""
    quotient = np.full(part.shape, np.nan)
    np.divide(part, whole, out=quotient, where=whole != 0.0)
    return quotient
