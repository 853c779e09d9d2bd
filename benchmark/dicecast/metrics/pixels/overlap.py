"""Overlap of what is uncertain with what is wrong, at a threshold that validation chose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.pixels.confusion import Confusion
from dicecast.metrics.pixels.ratio import Floats, ratio


def overlaps(counted: Confusion, edges: NDArray[np.intp] | slice) -> Floats:
    """Return the Dice of uncertain and wrong pixels if uncertain is what is not below an edge.

    Args:
        counted: Of images, or of all their pixels.
        edges: Which edges of the fine bins; after the last nothing is uncertain.

    Returns:
        ``(images, edges)`` in [0, 1]: ``2 |U and E| / (|U| + |E|)``; 1 where both are empty.

    Source:
        Jungo et al. 2020, "Analyzing the quality and challenges of uncertainty estimations for
        brain tumor segmentation", uncertainty-error overlap.
    """
    wrong, pixels = counted.wrong[:, -1:], counted.pixels[:, -1:]
    twice = 2.0 * (wrong - counted.wrong[:, edges])
    whole = pixels - counted.pixels[:, edges] + wrong
    return ratio(twice, whole, empty=1.0)


def uncertainty_error_overlap(counted: Confusion, edge: int) -> Floats:
    """Return the overlap (Dice) of uncertain and wrong pixels at the threshold from validation.

    Args:
        counted: Of images, or of all their pixels.
        edge: The edge of the fine bins from which on a pixel is uncertain.

    Returns:
        ``(images,)`` in [0, 1], higher is better; 1 where nothing is uncertain and nothing wrong.

    Source:
        Jungo et al. 2020; see :func:`overlaps`.
    """
    return overlaps(counted, np.array([edge]))[:, 0]
