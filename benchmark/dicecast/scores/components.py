"""Connected components of predicted masks."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dicecast.scores.arithmetic import PerCase, PerPixel

# Pixels touch their eight neighbours within a mask, and never the next mask of the stack.
_TOUCHING = np.zeros((3, 3, 3), dtype=np.bool_)
_TOUCHING[1] = True


class Components:
    """The connected components of single foreground classes (8 neighbours) in a stack of masks.

    Args:
        masks: ``(cases, height, width)``, uint8 class indices.

    Attributes:
        labels: ``(cases, height, width)``: 0 for background, else 1 + the index of the component.
            Components are in order of class, then of case, then from the top of the image.
        volumes: ``(components,)``, pixels.
        cases: ``(components,)``, the case that holds each.
    """

    def __init__(self, masks: NDArray[np.uint8]) -> None:
        self.labels = _labels(masks)
        self.volumes = np.bincount(self.labels.ravel())[1:]
        owners = np.zeros(len(self.volumes) + 1, dtype=np.intp)
        owners[self.labels] = np.arange(len(masks))[:, None, None]
        self.cases = owners[1:]

    @property
    def largest(self) -> NDArray[np.bool_]:
        """The pixels of each case's largest component, of equals the first."""
        return self._first_of_each_case(-self.volumes)

    @property
    def smallest(self) -> NDArray[np.bool_]:
        """The pixels of each case's smallest component, of equals the first."""
        return self._first_of_each_case(self.volumes)

    def highest_mean(self, values: PerPixel, empty: PerCase) -> PerCase:
        """Return the highest mean of ``values`` over a component of each case, ``(cases,)``.

        Args:
            values: ``(cases, height, width)``.
            empty: ``(cases,)``, what a case without components gets.
        """
        pixels, owners = self._foreground
        sums = np.bincount(owners, values.ravel()[pixels], minlength=len(self.volumes))
        highest = np.full(len(empty), -np.inf)
        np.maximum.at(highest, self.cases, sums / self.volumes)
        return np.where(np.isneginf(highest), empty, highest)

    @cached_property
    def _foreground(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The places of all foreground pixels, and the component of each."""
        flat = self.labels.ravel()
        pixels = np.flatnonzero(flat)
        return pixels, flat[pixels].astype(np.intp) - 1

    def _first_of_each_case(self, key: NDArray[np.intp]) -> NDArray[np.bool_]:
        order = np.lexsort((key, self.cases))
        _, first = np.unique(self.cases[order], return_index=True)
        chosen = np.zeros(len(self.volumes) + 1, dtype=np.bool_)
        chosen[order[first] + 1] = True
        return chosen[self.labels]


def _labels(masks: NDArray[np.uint8]) -> NDArray[np.int32]:
    labels = np.zeros(masks.shape, dtype=np.int32)
    found = 0
    for index in range(1, int(masks.max(initial=0)) + 1):
        own, count = ndimage.label(masks == index, structure=_TOUCHING)
        labels += np.where(own > 0, own + np.int32(found), np.int32(0))
        found += count
    return labels
