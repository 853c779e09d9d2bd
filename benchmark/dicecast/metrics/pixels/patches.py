"""PAvPU: small patches that are accurate should be certain, and inaccurate ones uncertain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.pixels.confusion import Counts
from dicecast.metrics.pixels.ratio import Floats

SIDE = 4
"""Pixels along a side of a patch; those at the lower and right border may be smaller."""


def count_patches(
    uncertainty: NDArray[np.float32], wrong: NDArray[np.bool_], thresholds: Floats
) -> Counts:
    """Count the patches of each image by whether they are accurate, and by their mean uncertainty.

    A patch is accurate where at least half its pixels are right.

    Args:
        uncertainty: ``(images, height, width)``, float32, high where unsure.
        wrong: Same shape, the pixels whose predicted class is not the true one.
        thresholds: ``(thresholds,)``, rising.

    Returns:
        ``(images, 2, thresholds + 1)``, int64: inaccurate and accurate patches by how many of the
        thresholds their mean reaches.
    """
    size = _sums(np.ones((1, *wrong.shape[1:]), np.float32))
    accurate = 2 * _sums(wrong.astype(np.float32)) <= size
    mean = _sums(uncertainty) / size
    reached = np.searchsorted(thresholds, mean, side="right")
    images, bins = len(wrong), len(thresholds) + 1
    cell = 2 * np.arange(images)[:, np.newaxis, np.newaxis] + accurate
    counts = np.bincount((cell * bins + reached).ravel(), minlength=2 * images * bins)
    return counts.reshape(images, 2, bins)


def pavpu_curve(patches: Counts) -> Floats:
    """Return the share of patches that are accurate and certain, or inaccurate and uncertain.

    Args:
        patches: As of :func:`count_patches`, of images or summed over them.

    Returns:
        ``(images, thresholds)`` in [0, 1]: uncertain is what reaches the threshold.

    Source:
        Mukhoti and Gal 2018, "Evaluating Bayesian deep learning methods for semantic
        segmentation", with patches of 4 x 4.
    """
    inaccurate, accurate = np.moveaxis(np.cumsum(patches, axis=-1), 1, 0)
    agreeing = accurate[:, :-1] + inaccurate[:, -1:] - inaccurate[:, :-1]
    share: Floats = agreeing / (accurate[:, -1:] + inaccurate[:, -1:])
    return share


def pavpu(patches: Counts) -> Floats:
    """Return the area under the PAvPU curve: patches whose certainty is as it should be.

    A background that is certain and right counts as well as a border that is unsure, so that small
    structures give high values: compare rows of one test set only.

    Args:
        patches: As of :func:`count_patches`.

    Returns:
        ``(images,)`` in [0, 1], higher is better: the mean, by trapezoids, over thresholds that are
        evenly spread over the range of the uncertainty on validation.

    Source:
        Mukhoti and Gal 2018; the area as in Mody et al. 2022.
    """
    curve = pavpu_curve(patches)
    area: Floats = np.trapezoid(curve, axis=-1) / (curve.shape[-1] - 1)
    return area


def _sums(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum over each patch, by two products with matrices that say which row is in which patch."""
    rows, columns = (_members(size) for size in values.shape[1:])
    sums: NDArray[np.float32] = np.matmul(np.matmul(rows, values), columns.T)
    return sums


def _members(size: int) -> NDArray[np.float32]:
    patches = np.arange(-(-size // SIDE))[:, np.newaxis]
    members: NDArray[np.float32] = np.equal(np.arange(size) // SIDE, patches).astype(np.float32)
    return members
