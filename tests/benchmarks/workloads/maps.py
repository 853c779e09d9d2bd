"""Uncertainty maps and masks that both sides aggregate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

THRESHOLD = 0.1


class Maps(NamedTuple):
    """``uncertainty`` ``(n, size, size)`` float32, and ``masks`` of the same shape, uint8."""

    uncertainty: NDArray[np.float32]
    masks: NDArray[np.uint8]


def smooth_maps(count: int = 1000, size: int = 96, seed: int = 0) -> Maps:
    """Return smooth random maps, and masks of blobs; every mask has foreground and background."""
    random = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(random.normal(size=(count, size, size)), (0, 8, 8))
    masks = (field > np.median(field, axis=(1, 2), keepdims=True)).astype(np.uint8)
    maps = np.abs(ndimage.gaussian_filter(random.normal(size=(count, size, size)), (0, 2, 2)))
    return Maps(maps.astype(np.float32), masks)


def drawn_masks(images: int, draws: int = 10, size: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    """Return masks ``(draws, images, size, size)`` that share a blob and differ along its edge."""
    random = np.random.default_rng(seed)
    common = ndimage.gaussian_filter(random.normal(size=(images, size, size)), (0, 12, 12))
    own = ndimage.gaussian_filter(random.normal(size=(draws, images, size, size)), (0, 0, 4, 4))
    return (common / common.std() + 0.3 * own / own.std() > 0.5).astype(np.uint8)
