"""Pixels counted by their uncertainty, true class and predicted class."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.pixels.bins import BINS, fine_bins
from dicecast.metrics.pixels.ratio import Floats, ratio

Counts = NDArray[np.int64]


class Confusion(NamedTuple):
    """How many pixels lie below each edge of the fine bins; sums over images are of all pixels.

    Attributes:
        below: ``(images, classes, classes, 4097)``, by true and predicted class.
        wrong: ``(images, 4097)``, those whose predicted class is not the true one.
        pixels: ``(images, 4097)``, all.
    """

    below: Counts
    wrong: Counts
    pixels: Counts


class ClassErrors(NamedTuple):
    """Pixels of each foreground class, each ``(images, classes - 1, edges)``."""

    missed: NDArray[Any]
    invented: NDArray[Any]
    found: NDArray[Any]


def cells(truth: NDArray[np.uint8], predicted: NDArray[np.uint8], num_classes: int) -> Counts:
    """Return where the pixels of each image, true and predicted class are counted.

    Args:
        truth: ``(images, height, width)``, the true class.
        predicted: Same shape, the predicted class.
        num_classes: How many classes, background included.
    """
    found = truth.astype(np.int64) * num_classes + predicted
    found += num_classes**2 * np.arange(len(truth))[:, np.newaxis, np.newaxis]
    return found


def confusion(uncertainty: NDArray[np.float32], cell: Counts, num_classes: int) -> Confusion:
    """Count the pixels of each image.

    Args:
        uncertainty: ``(images, height, width)``, float32, high where unsure.
        cell: Same shape, as of :func:`cells`: one for all maps of the images.
        num_classes: How many classes, background included.
    """
    shape = (len(cell), num_classes, num_classes, BINS)
    places = cell * BINS + fine_bins(uncertainty)
    counts = np.bincount(places.ravel(), minlength=math.prod(shape)).reshape(shape)
    below = np.zeros((*shape[:-1], BINS + 1), np.int64)
    np.cumsum(counts, axis=-1, out=below[..., 1:])
    wrong, right = np.zeros((2, len(cell), BINS + 1), np.int64)
    for true, guess in np.ndindex(num_classes, num_classes):
        total = right if true == guess else wrong
        total += below[:, true, guess]
    return Confusion(below, wrong, wrong + right)


def by_class(below: NDArray[Any]) -> ClassErrors:
    """Return what each foreground class misses, invents and finds.

    Args:
        below: ``(images, classes, classes, edges)``, by true and predicted class.
    """
    found = np.einsum("icce->ice", below)[:, 1:]
    return ClassErrors(below.sum(axis=2)[:, 1:] - found, below.sum(axis=1)[:, 1:] - found, found)


def dice_of(missed: NDArray[Any], invented: NDArray[Any], found: NDArray[Any]) -> Floats:
    """Return Dice, mean over the foreground classes, ``(images, edges)``; empty and right is 1."""
    twice = 2.0 * found
    dice = ratio(twice, twice + missed + invented, empty=1.0)
    means: Floats = dice.mean(axis=1)
    return means
