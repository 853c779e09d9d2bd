"""Where several raters segmented an image: does the prediction spread as they do?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.pixels.ratio import Floats, ratio

Masks = NDArray[np.uint8]

ENERGY_DRAWS = 16
"""Draws of the energy distance for every estimator: the distance falls as they become more."""


class SoftOverlap(NamedTuple):
    """Sums over the pixels of images, each ``(images, classes - 1)``, of foreground classes.

    Attributes:
        product: Of the probability times the share of raters.
        squares: Of the squares of both.
    """

    product: Floats
    squares: Floats


class Correlated(NamedTuple):
    """Sums over the pixels of images, each ``(images,)``, of a map ``u`` and a variance ``v``."""

    pixels: Floats
    u: Floats
    v: Floats
    uu: Floats
    vv: Floats
    uv: Floats


def shares_of_raters(raters: Masks, num_classes: int) -> NDArray[np.float32]:
    """Return which share of the raters chose each class.

    Args:
        raters: ``(images, raters, height, width)``, uint8.
        num_classes: How many classes, background included.

    Returns:
        ``(images, classes, height, width)``, float32.
    """
    chosen = [(raters == index).mean(axis=1, dtype=np.float32) for index in range(num_classes)]
    return np.stack(chosen, axis=1)


def generalised_energy_distance(draws: Masks, raters: Masks, num_classes: int) -> Floats:
    """Return the squared generalised energy distance of the draws' masks and the raters' masks.

    ``2 E d(S, Y) - E d(S, S') - E d(Y, Y')`` with ``d`` one minus the Jaccard index, mean over the
    foreground classes, 0 where both are empty. The expectations are over all ordered pairs, of a
    mask with itself too.

    Args:
        draws: ``(images, draws, height, width)``, uint8.
        raters: ``(images, raters, height, width)``, uint8.
        num_classes: How many classes, background included.

    Returns:
        ``(images,)`` in [0, 2], lower is better; 0 where both spread alike.

    Source:
        Kohl et al. 2018, "A probabilistic U-Net for segmentation of ambiguous images".
    """
    masks = np.concatenate([draws, raters], axis=1)
    flat = masks.reshape(*masks.shape[:2], -1)
    distance = np.mean([_distances(flat == index) for index in range(1, num_classes)], axis=0)
    cut = draws.shape[1]
    across = distance[:, :cut, cut:].mean(axis=(1, 2))
    within = distance[:, :cut, :cut].mean(axis=(1, 2)) + distance[:, cut:, cut:].mean(axis=(1, 2))
    energy: Floats = 2.0 * across - within
    return energy


def sum_overlap(probabilities: NDArray[np.float32], shares: NDArray[np.float32]) -> SoftOverlap:
    """Sum up what :func:`soft_dice` needs.

    Args:
        probabilities: ``(images, height, width, classes)``, float32.
        shares: As of :func:`shares_of_raters`.
    """
    p, y = np.moveaxis(probabilities, -1, 1)[:, 1:], shares[:, 1:]
    product, pp, yy = (
        np.einsum("ichw,ichw->ic", a, b, dtype=np.float64) for a, b in ((p, y), (p, p), (y, y))
    )
    return SoftOverlap(product, pp + yy)


def soft_dice(summed: SoftOverlap) -> Floats:
    """Return the Dice of the mean probabilities and the shares of raters, neither being rounded.

    ``2 sum p y / (sum p^2 + sum y^2)``, mean over the foreground classes.

    Args:
        summed: Over the pixels of images, or of all of them.

    Returns:
        ``(images,)`` in [0, 1]; 1 only where both are equal (which the form without squares in
        the denominator would not reach), and where both are empty.

    Source:
        Milletari et al. 2016, "V-Net", with the mean of the raters as the truth.
    """
    means: Floats = ratio(2.0 * summed.product, summed.squares, empty=1.0).mean(axis=1)
    return means


def rater_variance(shares: NDArray[np.float32]) -> Floats:
    """Return the variance of the raters' classes, ``y (1 - y)``, mean over the classes.

    Args:
        shares: As of :func:`shares_of_raters`.

    Returns:
        ``(images, height, width)`` in [0, 0.25].
    """
    variance: Floats = (shares * (1.0 - shares)).mean(axis=1, dtype=np.float64)
    return variance


def sum_correlated(uncertainty: NDArray[np.float32], variance: Floats) -> Correlated:
    """Sum up what :func:`rater_variance_ncc` needs.

    Args:
        uncertainty: ``(images, height, width)``, float32.
        variance: Same shape, as of :func:`rater_variance`.
    """
    u = uncertainty.reshape(len(uncertainty), -1).astype(np.float64)
    v = variance.reshape(u.shape)
    pairs = [np.einsum("ip,ip->i", a, b) for a, b in ((u, u), (v, v), (u, v))]
    return Correlated(np.full(len(u), float(u.shape[1])), u.sum(axis=1), v.sum(axis=1), *pairs)


def rater_variance_ncc(summed: Correlated) -> Floats:
    """Return the normalised cross-correlation (NCC) of a map with the variance of the raters.

    Args:
        summed: Over the pixels of images, or of all of them.

    Returns:
        ``(images,)`` in [-1, 1], higher is better; NaN where the map or the variance is constant.

    Source:
        Kahl et al. 2024, "ValUES: a framework for systematic validation of uncertainty estimation
        in semantic segmentation".
    """
    n = summed.pixels
    spread_u, spread_v = n * summed.uu - summed.u**2, n * summed.vv - summed.v**2
    # A constant leaves what rounding leaves of the difference of two equal numbers.
    varies = (spread_u > 1e-11 * n * summed.uu) & (spread_v > 1e-11 * n * summed.vv)
    whole = np.sqrt(np.maximum(spread_u, 0.0) * np.maximum(spread_v, 0.0))
    part = n * summed.uv - summed.u * summed.v
    return ratio(part, np.where(varies, whole, 0.0), empty=np.nan)


def _distances(chosen: NDArray[np.bool_]) -> Floats:
    """Return one minus the Jaccard index of each pair of masks, ``(images, masks, masks)``."""
    flat = chosen.astype(np.float32)
    shared = flat @ flat.transpose(0, 2, 1)
    sizes = np.einsum("imm->im", shared)
    union = sizes[:, :, np.newaxis] + sizes[:, np.newaxis] - shared
    return 1.0 - ratio(shared, union, empty=1.0)
