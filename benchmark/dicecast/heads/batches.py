"""Fitted heads predict a batch at a time, in memory, however many cases there are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dicecast.heads.contract import Evidence, FittedHead
from dicecast.stacks import nbytes

BATCH_BYTES = 2**25
LEAST_BATCH = 64
"""Heads predict whole multiples of so many cases, about ``BATCH_BYTES`` of pixels: a head whose
network runs in batches of 64 then cuts the cases where it would cut them alone."""


def batches(evidence: Evidence) -> Iterator[Evidence]:
    """Yield the evidence a batch at a time, in memory."""
    pixels = (evidence.images, evidence.masks, evidence.uncertainty)
    case_bytes = sum(nbytes(stack.shape[1:], stack.dtype) for stack in pixels)
    step = LEAST_BATCH * max(1, BATCH_BYTES // (LEAST_BATCH * case_bytes))
    for start in range(0, len(evidence), step):
        yield evidence.take(slice(start, start + step))


def predict_in_batches(fitted: FittedHead, evidence: Evidence) -> NDArray[np.float64]:
    """Return what a fitted head predicts of each case, ``(cases,)``."""
    found = [fitted.predict(batch) for batch in batches(evidence)]
    return np.concatenate(found) if found else np.zeros(0)
