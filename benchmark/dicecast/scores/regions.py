"""Regions of predicted masks over which uncertainty is aggregated."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dicecast.errors import DicecastError

BOUNDARY_WIDTH = 4
"""Width of the boundary region, in pixels (Zenk et al. 2025, MedIA 101:103392)."""


def boundary_region(masks: NDArray[np.uint8], width: int = BOUNDARY_WIDTH) -> NDArray[np.bool_]:
    """Return the pixels near a change of class: a band of ``width`` pixels along each contour.

    The two pixels on either side of a contour, grown by all pixels within ``(width - 2) / 2``
    pixels (Euclidean) of them. Equals scikit-image's ``find_boundaries(mode="thick")`` followed by
    ``expand_labels``, image by image, but works on the whole stack. The edge of the image is no
    contour.

    Args:
        masks: ``(cases, height, width)``, uint8 class indices.
        width: An even number of pixels, at least 2.

    Returns:
        ``(cases, height, width)``, bool.

    Raises:
        DicecastError: ``width`` is odd or below 2.

    Source:
        Zenk et al. 2025 (MedIA 101:103392), boundary aggregation.
    """
    if width < 2 or width % 2:
        raise DicecastError(
            f"The boundary region is an even number of pixels wide, at least 2; got {width}."
        )
    thick = _beside_a_contour(masks)
    grown = thick.copy()
    height, breadth = masks.shape[1:]
    for down, right in _disc_offsets((width - 2) // 2):
        if abs(down) < height and abs(right) < breadth:
            moved = grown[:, _span(down, height), _span(right, breadth)]
            moved |= thick[:, _span(-down, height), _span(-right, breadth)]
    return grown


def _beside_a_contour(masks: NDArray[np.uint8]) -> NDArray[np.bool_]:
    beside = np.zeros(masks.shape, dtype=np.bool_)
    vertical = masks[:, 1:] != masks[:, :-1]
    horizontal = masks[:, :, 1:] != masks[:, :, :-1]
    beside[:, 1:] |= vertical
    beside[:, :-1] |= vertical
    beside[:, :, 1:] |= horizontal
    beside[:, :, :-1] |= horizontal
    return beside


def _disc_offsets(radius: int) -> list[tuple[int, int]]:
    reach = range(-radius, radius + 1)
    return [(y, x) for y in reach for x in reach if 0 < y * y + x * x <= radius * radius]


def _span(shift: int, length: int) -> slice:
    return slice(max(shift, 0), length + min(shift, 0))


def foreground_volume(masks: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return how many pixels of each mask are not background (class > 0), ``(cases,)``."""
    return count_pixels(masks > 0)


def count_pixels(region: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many pixels of each case are True, ``(cases,)``.

    Equals ``np.count_nonzero(region, axis=(1, 2))``, but counts eight pixels at a time.
    """
    bits = np.packbits(region.reshape(len(region), region.shape[1] * region.shape[2]), axis=1)
    return np.asarray(np.bitwise_count(bits).sum(axis=1, dtype=np.int64))


class MaskRegions:
    """The regions of a batch of predicted masks, each computed when first asked for.

    All measures of a batch share one object, so that a region is computed once a batch.

    Attributes:
        masks: ``(cases, height, width)``, uint8 class indices.
    """

    def __init__(self, masks: NDArray[np.uint8]) -> None:
        self.masks = masks

    @cached_property
    def boundary(self) -> NDArray[np.bool_]:
        """The boundary region, ``(cases, height, width)``."""
        return boundary_region(self.masks)

    @cached_property
    def non_boundary(self) -> NDArray[np.bool_]:
        """All pixels outside the boundary region, ``(cases, height, width)``."""
        return ~self.boundary

    @cached_property
    def volume(self) -> NDArray[np.int64]:
        """Foreground volume in pixels, ``(cases,)``."""
        return foreground_volume(self.masks)
