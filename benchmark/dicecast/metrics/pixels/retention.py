"""Retention: how good a segmentation becomes as its most uncertain pixels are set right."""

from __future__ import annotations

import numpy as np

from dicecast.metrics.pixels.confusion import Confusion, Counts, by_class, dice_of
from dicecast.metrics.pixels.ratio import Floats

RETAINED = np.log(np.arange(1, 201)) / np.log(200)
"""Shares of pixels that keep their predicted class, more of them near 1 than near 0."""


def retention_curve(counted: Confusion) -> Floats:
    """Return the Dice if only the least uncertain share of pixels is as predicted, the rest right.

    Of pixels that are tied at the share, those of one fine bin, the same part of each kind is kept:
    no order decides.

    Args:
        counted: Of images, or of all their pixels.

    Returns:
        ``(images, 200)`` in [0, 1], mean over foreground classes, at the shares ``RETAINED``.

    Source:
        Malinin et al. 2022, "Shifts 2.0", with the plain Dice for their Dice normalised by the
        volume of lesions.
    """
    kept = np.stack([_kept(*image) for image in zip(counted.pixels, counted.below, strict=True)])
    missed, invented, found = by_class(kept)
    truth = (found + missed)[..., -1:]
    return dice_of(missed, invented, truth - missed)


def _kept(pixels: Counts, below: Counts) -> Floats:
    """Return how many of an image's least uncertain pixels are of each kind, ``(..., 200)``."""
    wanted = RETAINED * pixels[-1]
    edge = np.maximum(np.searchsorted(pixels, wanted), 1)
    # Only the share of 0 may end in an empty bin.
    part = (wanted - pixels[edge - 1]) / np.maximum(pixels[edge] - pixels[edge - 1], 1)
    kept: Floats = below[..., edge - 1] * (1.0 - part) + below[..., edge] * part
    return kept


def retention_area_above_curve(counted: Confusion) -> Floats:
    """Return the area above the retention curve (R-AAC): 0 if errors go first, lower is better.

    Args:
        counted: Of images, or of all their pixels.

    Returns:
        ``(images,)`` in [0, 1]. It depends on the Dice of the segmentation too.

    Source:
        Malinin et al. 2022; see :func:`retention_curve`.
    """
    area: Floats = 1.0 - np.trapezoid(retention_curve(counted), RETAINED, axis=-1)
    return area
