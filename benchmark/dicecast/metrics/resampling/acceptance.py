"""Accepting cases from the highest score down, in many bootstrap resamples at once.

The cases are sorted once for all resamples; running sums of the counts then say how many cases of
each resample are accepted by the time a case is.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.resampling.block import Block, Scratch, Truth
from dicecast.metrics.resampling.running_sums import PLAIN, in_runs, padded, running_sums, summing

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

# Stands for no case accepted yet: it vanishes when a count is added, and 0 / it is 0.
_NONE_YET = 1e-300


class _Ways(NamedTuple):
    """``(rows, cases)`` each; see ``Paths``, but each row is by itself."""

    order: Indices
    before: Indices
    upto: Indices

    @classmethod
    def of(cls, scores: Floats) -> _Ways:
        cases = scores.shape[1]
        order = np.argsort(scores, axis=1, kind="stable")[:, ::-1]
        ordered = np.take_along_axis(scores, order, axis=1)
        differ = ordered[:, 1:] != ordered[:, :-1]
        before, upto = np.empty((2, *order.shape), dtype=np.intp)
        np.put_along_axis(before, order, _starts(differ), axis=1)
        np.put_along_axis(upto, order, cases - _starts(differ[:, ::-1])[:, ::-1], axis=1)
        return cls(order, before, upto)


class Paths:
    """The ways through the cases from the highest score down, the same in every resample.

    Attributes:
        order: ``(rows, cases)``, the cases on the way; of ties, the one of higher quality first.
        distinct: Whether no two cases of a row tie.
        before: ``(rows, cases)``, by case in its own place, where its ties begin among the ways of
            all rows laid end to end, each with a place in front of it for no case at all.
        upto: Likewise, where its ties end.
        places: The order in runs; see ``dicecast.metrics.resampling.running_sums.in_runs``.
    """

    def __init__(self, ways: _Ways, truth: Truth) -> None:
        rows, cases = ways.order.shape
        front = (1 + padded(cases)) * np.arange(rows)[:, np.newaxis]
        self._truth = truth
        self.order = ways.order
        self.distinct = bool((ways.upto - ways.before == 1).all())
        self.before = ways.before + front
        self.upto = ways.upto + front
        self.places = in_runs(ways.order, cases)

    @classmethod
    def of(cls, scores: Floats, truth: Truth, together: int) -> list[tuple[Indices, Paths]]:
        """Return the paths of ``(rows, cases)``, some rows at a time, and which rows those are.

        Rows without ties, which are quicker, stay apart from those with them.
        """
        ways = _Ways.of(scores)
        tied = (ways.upto - ways.before > 1).any(axis=1)
        groups = (np.flatnonzero(~tied), np.flatnonzero(tied))
        starts = [(group, start) for group in groups for start in range(0, len(group), together)]
        parts = [group[start : start + together] for group, start in starts]
        return [(part, cls(_Ways(*(table[part] for table in ways)), truth)) for part in parts]

    @cached_property
    def sums_of_risk(self) -> Floats:
        """The matrices that sum the risk of the accepted cases."""
        return summing(self._truth.risk[self.order])

    @cached_property
    def sums_of_successes(self) -> Floats:
        """The matrices that count the accepted cases that succeed."""
        return summing((self.order >= self._truth.successes.start).astype(np.float64))


def _starts(differ: NDArray[np.bool_]) -> Indices:
    """Return where the ties of each case begin, given where neighbours differ."""
    rows, steps = differ.shape
    starts = np.zeros((rows, steps + 1), dtype=np.intp)
    starts[:, 1:] = np.where(differ, np.arange(1, steps + 1), 0)
    return np.maximum.accumulate(starts, axis=1)


class Acceptance:
    """What has been accepted at each case along some paths, in a block of resamples.

    Each table is made when it is first asked for, in scratch memory: it holds until the next one.
    """

    def __init__(self, paths: Paths, block: Block, scratch: Scratch) -> None:
        self.paths = paths
        self.block = block
        self.scratch = scratch

    @cached_property
    def present(self) -> Floats:
        """The counts along the paths, ``(rows, runs, 1 + RUN, resamples)``."""
        return self._take(self.block.table, self.paths.places, "present")

    @cached_property
    def accepted(self) -> Floats:
        """How many of the first 0, 1, ... cases there are, ``(rows, 1 + cases, resamples)``.

        No case at all is a number so small that 0 divided by it is 0.
        """
        return self._sums("accepted", PLAIN, _NONE_YET)

    @cached_property
    def risk(self) -> Floats:
        """Their summed risk, likewise."""
        return self._sums("risk", self.paths.sums_of_risk)

    @cached_property
    def successes(self) -> Floats:
        """How many of them succeed, likewise."""
        return self._sums("successes", self.paths.sums_of_successes)

    @cached_property
    def upto(self) -> Floats:
        """By case in its own place, how many are accepted once its ties are."""
        return self.chosen(self.accepted, self.paths.upto, "upto")

    @cached_property
    def before(self) -> Floats:
        """By case in its own place, how many are accepted before its ties."""
        return self.chosen(self.accepted, self.paths.before, "before")

    def chosen(self, sums: Floats, places: Indices, name: str) -> Floats:
        """Return the sums at places ``(rows, cases)``, in scratch memory of this name."""
        return self._take(sums.reshape(-1, sums.shape[-1]), places, name)

    def _take(self, table: Floats, rows: Indices, name: str) -> Floats:
        room = self.scratch(name, (*rows.shape, table.shape[1]))
        # "clip" spares a copy; no index is out of range.
        return np.take(table, rows, axis=0, mode="clip", out=room)

    def _sums(self, name: str, matrices: Floats, start: float = 0.0) -> Floats:
        rows, cases = self.paths.order.shape
        sums = self.scratch(name, (rows, 1 + padded(cases), len(self.block.total)))
        running_sums(self.present, matrices, sums, start)
        return sums
