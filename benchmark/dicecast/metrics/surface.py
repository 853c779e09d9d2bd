"""Distances between the surfaces of masks: normalised surface Dice and 95 % Hausdorff distance.

The surface of a structure are its pixels with at least one direct neighbour (4 in an image, 6 in a
volume) outside of it; beyond the edge of the image is outside. Distances are Euclidean, between the
centres of pixels, in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from dicecast.metrics.quality import Floats, Masks, check_masks

DEFAULT_TOLERANCE = 2.0
"""Pixels by which a surface may be off in ``normalised_surface_dice`` before it counts as wrong."""


class _Distances(NamedTuple):
    """From each surface pixel of one mask to the nearest of the other, ``(pixels,)`` each."""

    of_predicted: Floats
    of_truth: Floats


def normalised_surface_dice(
    predicted: Masks, truth: Masks, num_classes: int, tolerance: float = DEFAULT_TOLERANCE
) -> Floats:
    """Return the share of both surfaces that lies within a tolerance of the other surface.

    Counts pixels, as MONAI's ``compute_surface_dice`` does without subvoxels (equal to rounding);
    DeepMind's ``surface-distance`` weighs pieces of a surface between the pixels by their length
    instead, and differs.

    Args:
        predicted: ``(cases, height, width)``, uint8, the class of each pixel; further spatial
            axes are welcome.
        truth: Same shape, uint8.
        num_classes: How many classes there are, the background (index 0) included.
        tolerance: In pixels, at least 0. What lies exactly as far off is still within.

    Returns:
        ``(cases, num_classes - 1)`` in [0, 1]; both empty is 1, exactly one empty is 0.

    Raises:
        ValueError: Shapes differ, a mask is not uint8, a class is out of range, or the tolerance is
            negative.

    Source:
        Nikolov et al. 2021 (J Med Internet Res 23:e26151); the empty case as in Metrics Reloaded
        (Maier-Hein et al. 2024).

    Example:
        >>> square = np.zeros((1, 8, 8), np.uint8)
        >>> square[:, 2:5, 2:5] = 1
        >>> normalised_surface_dice(np.roll(square, 1, axis=2), square, 2, tolerance=1.0)
        array([[1.]])
    """
    if not tolerance >= 0.0:
        raise ValueError(f"The tolerance is in pixels and must be at least 0; got {tolerance}.")

    def share(distances: _Distances) -> float:
        return float(np.mean(np.concatenate(distances) <= tolerance))

    return _each_structure(predicted, truth, num_classes, share, both_empty=1.0, one_empty=0.0)


def hausdorff_95(predicted: Masks, truth: Masks, num_classes: int) -> Floats:
    """Return the 95 % Hausdorff distance of every case and foreground class, in pixels.

    The greater of two 95th percentiles (linear between ranks): of the distances of the predicted
    surface to the true one, and the other way round. MONAI's ``compute_hausdorff_distance`` with
    ``percentile=95`` is the same but for empty structures and its single precision, which moves
    the percentile by up to 2e-4 pixels.

    Arguments and errors are those of :func:`normalised_surface_dice`.

    Returns:
        ``(cases, num_classes - 1)``, at least 0 and **low where good**; both empty is 0, exactly
        one empty is the image's diagonal (:func:`diagonal`), which no distance exceeds.

    Source:
        Huttenlocher et al. 1993 (IEEE TPAMI 15:850), the partial distance; the worst value of an
        empty structure as in the BraTS challenges.

    Example:
        >>> square = np.zeros((1, 8, 8), np.uint8)
        >>> square[:, 2:5, 2:5] = 1
        >>> hausdorff_95(np.roll(square, 1, axis=2), square, num_classes=2)
        array([[1.]])
    """

    def percentile(distances: _Distances) -> float:
        return float(max(np.percentile(one_way, 95) for one_way in distances))

    worst = diagonal(truth.shape)
    return _each_structure(predicted, truth, num_classes, percentile, 0.0, one_empty=worst)


def diagonal(shape: tuple[int, ...]) -> float:
    """Return the diagonal, in pixels, of the images of a stack ``(cases, height, width, ...)``."""
    return math.hypot(*shape[1:])


def _each_structure(
    predicted: Masks,
    truth: Masks,
    num_classes: int,
    summary: Callable[[_Distances], float],
    both_empty: float,
    one_empty: float,
) -> Floats:
    """Return ``summary`` of the distances of each case and class, where both are there."""
    check_masks(predicted, truth, num_classes)
    values = np.full((len(predicted), num_classes - 1), both_empty)
    for index in range(1, num_classes):
        surfaces = zip(_surface(predicted == index), _surface(truth == index), strict=True)
        for case, (ours, theirs) in enumerate(surfaces):
            found, real = np.argwhere(ours), np.argwhere(theirs)
            if len(found) and len(real):
                values[case, index - 1] = summary(_distances(found, real))
            elif len(found) or len(real):
                values[case, index - 1] = one_empty
    return values


def _surface(regions: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the surface pixels of each region, ``(cases, ...)``."""
    # No extent along the cases, so that no case is eroded from the next one.
    neighbours = ndimage.generate_binary_structure(regions.ndim - 1, 1)[np.newaxis]
    surface: NDArray[np.bool_] = regions & ~ndimage.binary_erosion(regions, neighbours)
    return surface


def _distances(found: NDArray[np.intp], real: NDArray[np.intp]) -> _Distances:
    """Return the distances between two sets of positions, ``(pixels, axes)`` each.

    Trees of surface pixels and no distance transforms: of one structure 0.13 ms against 0.19 ms at
    64x64, and 0.7 ms against 3 ms at 256x256. Where outlines fill the image the two are alike.
    """
    return _Distances(KDTree(real).query(found)[0], KDTree(found).query(real)[0])
