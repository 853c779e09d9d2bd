"""Regions of predicted masks over which uncertainty is aggregated."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dicecast.errors import DicecastError
from dicecast.scores.arithmetic import PerCase, PerPixel, total
from dicecast.scores.components import Components

BOUNDARY_WIDTH = 4
"""Width of the boundary region, in pixels (Zenk et al. 2025, MedIA 101:103392)."""

FARTHEST = 4
"""Distance to a contour from which on all pixels count alike, in pixels (Jungo et al. 2020)."""


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


def distance_to_contour(masks: NDArray[np.uint8], farthest: int = FARTHEST) -> PerPixel:
    """Return each pixel's Euclidean distance to the nearest pixel of another class, at most so far.

    Equals SciPy's ``distance_transform_edt`` of each class and image, cut off, but works on the
    whole stack: an eleventh of the time. The edge of the image is no contour.

    Args:
        masks: ``(cases, height, width)``, uint8 class indices.
        farthest: In pixels, 1 to 11 (squares are held in a byte).

    Returns:
        ``(cases, height, width)``, float64, from 1 to ``farthest``.
    """
    squared = np.zeros(masks.shape, dtype=np.uint8)
    for index in range(int(masks.max(initial=0)) + 1):
        own = (masks == index).view(np.uint8) * np.uint8(farthest**2)
        squared += _nearest(_nearest(own, 1, farthest), 2, farthest)
    return np.sqrt(squared.astype(np.float64))


def _nearest(squared: NDArray[np.uint8], axis: int, farthest: int) -> NDArray[np.uint8]:
    """Return the least of ``squared`` plus the square of the way there, along an axis."""
    stack = np.moveaxis(squared, axis, 0)
    nearest = stack.copy("K")
    for way in range(1, min(farthest, len(stack))):
        there = stack + np.uint8(way**2)
        np.minimum(nearest[way:], there[:-way], out=nearest[way:])
        np.minimum(nearest[:-way], there[way:], out=nearest[:-way])
    return np.moveaxis(nearest, 0, axis)


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


class PixelWeights:
    """How much each pixel counts in a mean; all alike in a case where none would count.

    Args:
        weights: ``(cases, height, width)``, at least 0; of a region, True within.

    Source:
        Zenk et al. 2025 (MedIA 101:103392) for cases that lack the region.
    """

    def __init__(self, weights: NDArray[np.bool_] | PerPixel) -> None:
        self.values = weights.astype(np.float64)
        self.values[~weights.any(axis=(1, 2))] = 1.0
        self.sums = total(self.values)

    def mean(self, values: PerPixel) -> PerCase:
        """Return the weighted mean over the pixels of each case, ``(cases,)``."""
        return total(values * self.values) / self.sums


class MaskRegions:
    """The regions of a batch of predicted masks, each computed when first asked for.

    All measures of a batch share one object, so that a region is computed once a batch. A region is
    given by the weights of its pixels.

    Attributes:
        masks: ``(cases, height, width)``, uint8 class indices.
    """

    def __init__(self, masks: NDArray[np.uint8]) -> None:
        self.masks = masks

    @cached_property
    def boundary(self) -> PixelWeights:
        """The boundary region."""
        return PixelWeights(self._near_contour)

    @cached_property
    def non_boundary(self) -> PixelWeights:
        """All pixels outside the boundary region."""
        return PixelWeights(~self._near_contour)

    @cached_property
    def foreground(self) -> PixelWeights:
        """All classes but the background."""
        return PixelWeights(self._structures)

    @cached_property
    def background(self) -> PixelWeights:
        """The class 0."""
        return PixelWeights(~self._structures)

    @cached_property
    def foreground_interior(self) -> PixelWeights:
        """The foreground outside the boundary region."""
        return PixelWeights(self._structures & ~self._near_contour)

    @cached_property
    def background_interior(self) -> PixelWeights:
        """The background outside the boundary region."""
        return PixelWeights(~self._structures & ~self._near_contour)

    @cached_property
    def away_from_contours(self) -> PixelWeights:
        """All pixels, by their distance to the nearest contour."""
        return PixelWeights(distance_to_contour(self.masks))

    @cached_property
    def classes_alike(self) -> PixelWeights:
        """All pixels, so that every class in a mask has the same weight."""
        weights = np.zeros(self.masks.shape)
        for index in range(int(self.masks.max(initial=0)) + 1):
            inside = self.masks == index
            weights += inside / np.maximum(count_pixels(inside), 1)[:, None, None]
        return PixelWeights(weights)

    @cached_property
    def largest_component(self) -> PixelWeights:
        """The largest connected component."""
        return PixelWeights(self.components.largest)

    @cached_property
    def smallest_component(self) -> PixelWeights:
        """The smallest connected component."""
        return PixelWeights(self.components.smallest)

    @cached_property
    def components(self) -> Components:
        """The connected components."""
        return Components(self.masks)

    @cached_property
    def volume(self) -> NDArray[np.int64]:
        """Foreground volume in pixels, ``(cases,)``."""
        return foreground_volume(self.masks)

    @cached_property
    def _structures(self) -> NDArray[np.bool_]:
        return np.asarray(self.masks > 0)

    @cached_property
    def _near_contour(self) -> NDArray[np.bool_]:
        return boundary_region(self.masks)
