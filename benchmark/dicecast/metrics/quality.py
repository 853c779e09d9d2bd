"""Dice and Jaccard of stacks of masks: the truth that every score is compared with.

An empty structure counts as follows, for both: empty in prediction and truth is 1, empty in
exactly one of them is 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Masks = NDArray[np.uint8]
Floats = NDArray[np.float64]


class _Areas(NamedTuple):
    """Pixels a case and foreground class, each ``(cases, classes - 1)``."""

    intersection: Floats
    predicted: Floats
    truth: Floats


def dice(predicted: Masks, truth: Masks, num_classes: int) -> Floats:
    """Return the Dice score of every case and foreground class, ``2 |A and B| / (|A| + |B|)``.

    Args:
        predicted: ``(cases, height, width)``, uint8, the class of each pixel; further spatial
            axes are welcome.
        truth: Same shape, uint8.
        num_classes: How many classes there are, the background (index 0) included.

    Returns:
        ``(cases, num_classes - 1)`` in [0, 1]; both empty is 1, exactly one empty is 0.

    Raises:
        ValueError: Shapes differ, a mask is not uint8, or a class is out of range.

    Source:
        Dice 1945, "Measures of the amount of ecologic association between species"; the empty
        case as the Dice of Metrics Reloaded (Maier-Hein et al. 2024).

    Example:
        >>> mask = np.array([[[0, 1], [1, 1]]], dtype=np.uint8)
        >>> half = np.array([[[0, 0], [0, 1]]], dtype=np.uint8)
        >>> dice(half, mask, num_classes=2)
        array([[0.5]])
    """
    areas = _areas(predicted, truth, num_classes)
    return _ratio(2.0 * areas.intersection, areas.predicted + areas.truth)


def jaccard(predicted: Masks, truth: Masks, num_classes: int) -> Floats:
    """Return the Jaccard index of every case and foreground class, ``|A and B| / |A or B|``.

    Arguments, result and errors are those of :func:`dice`.

    Source:
        Jaccard 1912, "The distribution of the flora in the alpine zone".

    Example:
        >>> mask = np.array([[[0, 1], [1, 1]]], dtype=np.uint8)
        >>> jaccard(np.zeros_like(mask), mask, num_classes=2)
        array([[0.]])
    """
    areas = _areas(predicted, truth, num_classes)
    union = areas.predicted + areas.truth - areas.intersection
    return _ratio(areas.intersection, union)


def mean_dice(predicted: Masks, truth: Masks, num_classes: int) -> Floats:
    """Return each case's Dice averaged over the foreground classes, ``(cases,)`` in [0, 1].

    Arguments and errors are those of :func:`dice`.
    """
    means: Floats = dice(predicted, truth, num_classes).mean(axis=1)
    return means


def mean_jaccard(predicted: Masks, truth: Masks, num_classes: int) -> Floats:
    """Return each case's Jaccard averaged over the foreground classes, ``(cases,)`` in [0, 1].

    Arguments and errors are those of :func:`dice`.
    """
    means: Floats = jaccard(predicted, truth, num_classes).mean(axis=1)
    return means


def _areas(predicted: Masks, truth: Masks, num_classes: int) -> _Areas:
    check_masks(predicted, truth, num_classes)
    space = tuple(range(1, predicted.ndim))
    counts = np.empty((3, len(predicted), num_classes - 1))
    for index in range(1, num_classes):
        guessed, true = predicted == index, truth == index
        for row, region in enumerate((guessed & true, guessed, true)):
            counts[row, :, index - 1] = np.count_nonzero(region, axis=space)
    return _Areas(*counts)


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Divide, with 1 where ``whole`` is 0: nothing to find and nothing found."""
    return np.divide(part, whole, out=np.ones_like(part), where=whole > 0)


def check_masks(predicted: Masks, truth: Masks, num_classes: int) -> None:
    """Refuse masks that cannot be compared.

    Arguments are those of :func:`dice`.

    Raises:
        ValueError: Shapes differ, a mask is not uint8, or a class is out of range.
    """
    if predicted.dtype != np.uint8 or truth.dtype != np.uint8:
        raise ValueError(f"Masks must be uint8; got {predicted.dtype} and {truth.dtype}.")
    if predicted.shape != truth.shape or predicted.ndim < 2:
        raise ValueError(
            "Predicted and true masks must have one shape, (cases, height, width); "
            f"got {predicted.shape} and {truth.shape}."
        )
    if num_classes < 2:
        raise ValueError(f"num_classes counts the background and must be >= 2; got {num_classes}.")
    highest = max(int(predicted.max(initial=0)), int(truth.max(initial=0)))
    if highest >= num_classes:
        raise ValueError(
            f"A mask has class {highest}, but num_classes={num_classes} allows 0 to "
            f"{num_classes - 1}. Give the number of classes, background included."
        )
