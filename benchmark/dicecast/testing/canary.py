"""Truth that notices when it is read."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicecast.data.cases import Cases, SegmentationData
from dicecast.stacks import LazyStack, Stack


class Canary(LazyStack[Any]):
    """A stack that notices when its rows are read.

    Attributes:
        reads: The number of rows each time, also of parts that were selected of it.
    """

    def __init__(self, stack: Stack[Any]) -> None:
        super().__init__(stack.shape, stack.dtype)
        self.stack = stack
        self.reads: list[int] = []

    def read(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return the rows, and remember that somebody wanted them."""
        self.reads.append(len(rows))
        return np.asarray(self.stack[rows])


def watched(data: SegmentationData) -> tuple[SegmentationData, list[Canary]]:
    """Return the data with canaries for the truth of the quality role and of every test set."""
    canaries: list[Canary] = []

    def guarded(cases: Cases) -> Cases:
        stacks = [cases.masks] + ([] if cases.raters is None else [cases.raters])
        new = [Canary(stack) for stack in stacks]
        canaries.extend(new)
        return Cases(cases.table, cases.images, *new)

    test = {domain: guarded(cases) for domain, cases in data.test.items()}
    changed = dataclasses.replace(data, quality=guarded(data.quality), test=test)
    for canary in canaries:
        # Putting the data together looks for the highest class.
        canary.reads.clear()
    return changed, canaries


def copied(cases: Cases) -> Cases:
    """Return the cases in arrays of their own, which may be written to."""
    raters = None if cases.raters is None else np.array(cases.raters)
    return Cases(cases.table.copy(), np.array(cases.images), np.array(cases.masks), raters)
