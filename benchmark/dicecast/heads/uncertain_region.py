"""The uncertain region: pixels above the threshold at which they overlap best with the errors."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dicecast.heads.contract import Examples
from dicecast.stacks import Stack, chunks

NUM_THRESHOLDS = 100
PERCENTILES = (5, 95)
SAMPLED_PIXELS = 2**22
"""The percentiles are of every pixel up to so many, and of a regular sample of them beyond."""


def best_threshold(examples: Examples) -> float:
    """Return the threshold whose region ``uncertainty > threshold`` is most like the errors.

    Of 100 evenly spaced thresholds between the 5th and the 95th percentile of the uncertainty, the
    one with the highest mean Dice between region and error map (predicted mask != true mask) over
    the cases; both empty is 1. The lowest of equals.

    Args:
        examples: Of at least one case; read a few at a time.

    Returns:
        A number that float32 holds exactly, as the maps are float32.

    Source:
        Jungo et al. 2020 (Frontiers in Neuroscience 14:282), automated aggregation.
    """
    uncertainty, predicted = examples.evidence.uncertainty, examples.evidence.masks
    low, high = np.percentile(_sample(uncertainty), PERCENTILES)
    thresholds = np.linspace(low, high, NUM_THRESHOLDS).astype(np.float32)
    total = np.zeros(NUM_THRESHOLDS)
    for rows in chunks(uncertainty):
        errors = predicted[rows] != examples.truth[rows]
        total += _overlaps(uncertainty[rows], errors, thresholds).sum(axis=0)
    return float(thresholds[np.argmax(total)])


def _sample(stack: Stack[np.float32]) -> NDArray[np.float32]:
    step = max(1, math.prod(stack.shape) // SAMPLED_PIXELS)
    return np.concatenate([stack[rows].ravel()[::step] for rows in chunks(stack)])


def _overlaps(
    uncertainty: NDArray[np.float32], errors: NDArray[np.bool_], thresholds: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the Dice of region and errors, ``(cases, thresholds)``, in one pass over the pixels.

    Each pixel is counted where the thresholds below it end; a region is then a sum of counts.
    """
    cases, bins = len(errors), len(thresholds) + 1
    place = np.searchsorted(thresholds, uncertainty.reshape(cases, -1), side="left")
    place += bins * np.arange(cases)[:, np.newaxis]
    wrong = errors.reshape(cases, -1)

    def above(pixels: NDArray[np.intp]) -> NDArray[np.int64]:
        counts = np.bincount(pixels, minlength=cases * bins).reshape(cases, bins)
        return counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]

    overlap, region = above(place[wrong]), above(place.ravel())
    total = region + wrong.sum(axis=1, keepdims=True)
    dice = np.ones(total.shape)
    np.divide(2.0 * overlap, total, out=dice, where=total > 0)
    return dice
