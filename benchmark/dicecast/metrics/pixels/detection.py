"""How well a map of uncertainty finds the pixels that are wrong.

Of an image the pixels are sorted, and the numbers are exact. Of a test set they are counted in fine
bins, and those of one bin are tied; each function says how far that can lead from the exact number.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.pixels.ratio import Floats, ratio

Counts = NDArray[np.integer]


class Steps(NamedTuple):
    """The values of uncertainty that wrong pixels have, of all images one after the other.

    Attributes:
        image: ``(steps,)``, which image a value is of.
        wrong: ``(steps,)``, its wrong pixels with the value.
        pixels: ``(steps,)``, all its pixels with the value.
        wrong_below: ``(steps,)``, its wrong pixels with a lower value.
        pixels_below: ``(steps,)``, all its pixels with a lower value.
        all_wrong: ``(images,)``, wrong pixels of each image.
        all_pixels: ``(images,)``, pixels of each image.
    """

    image: Counts
    wrong: Counts
    pixels: Counts
    wrong_below: Counts
    pixels_below: Counts
    all_wrong: Floats
    all_pixels: Floats


def steps(wrong: Counts, pixels: Counts) -> Steps:
    """Return the steps of counts.

    Args:
        wrong: ``(images, edges)``, wrong pixels below each of some values; all below the last.
        pixels: Same shape, all pixels.
    """
    image, edge = np.nonzero(wrong[:, 1:] != wrong[:, :-1])
    wrong_below, pixels_below = wrong[image, edge], pixels[image, edge]
    return Steps(
        image,
        wrong[image, edge + 1] - wrong_below,
        pixels[image, edge + 1] - pixels_below,
        wrong_below,
        pixels_below,
        wrong[:, -1].astype(np.float64),
        pixels[:, -1].astype(np.float64),
    )


def rank_pixels(uncertainty: NDArray[np.float32], wrong: NDArray[np.bool_]) -> Steps:
    """Sort the pixels of each image.

    Args:
        uncertainty: ``(images, height, width)``, float32, high where unsure; below 0 counts as 0.
        wrong: Same shape, the pixels whose predicted class is not the true one.
    """
    # The bits of numbers that are not negative sort as the numbers do, with one to spare.
    bits = np.where(uncertainty > 0, uncertainty, np.float32(0)).view(np.uint32)
    keys = np.sort((bits << np.uint32(1) | wrong).reshape(len(bits), -1), axis=-1)
    below = np.zeros((len(keys), keys.shape[1] + 1), np.int32)
    np.cumsum(keys & np.uint32(1), axis=-1, out=below[:, 1:])
    # An edge between tied pixels becomes the one before them.
    edges = np.ones(below.shape, np.int32)
    edges[:, 1:-1] = keys[:, 1:] >> np.uint32(1) != keys[:, :-1] >> np.uint32(1)
    below = np.maximum.accumulate(below * edges, axis=-1)
    edges *= np.arange(below.shape[1], dtype=np.int32)
    return steps(below, np.maximum.accumulate(edges, axis=-1))


def error_auroc(found: Steps) -> Floats:
    """Return the chance that a wrong pixel is more uncertain than a right one, a tie being half.

    Args:
        found: Of images, or of all their pixels.

    Returns:
        ``(images,)`` in [0, 1], 0.5 for chance; NaN where no pixel is wrong, or all are. From fine
        bins it differs by at most half the share of pairs that are in one bin.

    Source:
        Hanley and McNeil 1982, "The meaning and use of the area under a ROC curve".
    """
    right_below = found.pixels_below - found.wrong_below
    won = found.wrong * (right_below + (found.pixels - found.wrong) / 2)
    pairs = found.all_wrong * (found.all_pixels - found.all_wrong)
    return ratio(np.bincount(found.image, won, len(pairs)), pairs, empty=np.nan)


def error_average_precision(found: Steps) -> Floats:
    """Return the average precision of finding wrong pixels from the most uncertain down.

    The sum over thresholds of precision times the rise in recall, without interpolation. Chance is
    the share of wrong pixels, ``error_rate``.

    Args:
        found: Of images, or of all their pixels.

    Returns:
        ``(images,)`` in [0, 1]; NaN where no pixel is wrong, or all are. From fine bins it differs
        by at most the sum over bins of the share of the wrong pixels in it times the span of the
        precisions that orders of its pixels can give.

    Source:
        As ``sklearn.metrics.average_precision_score``, which gives 0 and 1 in these two cases.
    """
    wrong, pixels = found.all_wrong, found.all_pixels
    precision = (wrong[found.image] - found.wrong_below) / (
        pixels[found.image] - found.pixels_below
    )
    area = np.bincount(found.image, found.wrong * precision, len(wrong))
    return ratio(area, np.where(wrong < pixels, wrong, 0.0), empty=np.nan)
