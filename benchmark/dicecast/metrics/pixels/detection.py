"""How well a map of uncertainty finds the pixels that are wrong.

Of an image the pixels are sorted, and the numbers are exact. Of a test set they are counted in fine
bins, and those of one bin are tied; each function says how far that can lead from the exact number.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.pixels.ratio import Floats, ratio

Counts = NDArray[np.int64]


class Ranked(Protocol):
    """Wrong pixels, and all, below each of some edges of the uncertainty: ``(images, edges)``.

    The first edge is below all pixels, the last above.
    """

    @property
    def wrong(self) -> Counts:
        """Those whose predicted class is not the true one."""

    @property
    def pixels(self) -> Counts:
        """All."""


class Ranking(NamedTuple):
    """``Ranked`` by the pixels of each image, ``(images, pixels + 1)``."""

    wrong: Counts
    pixels: Counts


def rank_pixels(uncertainty: NDArray[np.float32], wrong: NDArray[np.bool_]) -> Ranking:
    """Sort the pixels of each image.

    Args:
        uncertainty: ``(images, height, width)``, float32, high where unsure, at least 0.
        wrong: Same shape, the pixels whose predicted class is not the true one.
    """
    # The bits of numbers that are not negative sort as the numbers do, with one to spare.
    bits = np.where(uncertainty > 0, uncertainty, np.float32(0)).view(np.int32).astype(np.int64)
    keys = np.sort((bits << 1 | wrong).reshape(len(bits), -1), axis=-1)
    below = np.zeros((len(keys), keys.shape[1] + 1), np.int64)
    np.cumsum(keys & 1, axis=-1, out=below[:, 1:])
    # Within tied pixels every edge is moved to the first of them.
    edges = np.broadcast_to(np.arange(below.shape[1]), below.shape).copy()
    edges[:, 1:-1][keys[:, 1:] >> 1 == keys[:, :-1] >> 1] = 0
    np.maximum.accumulate(edges, axis=-1, out=edges)
    return Ranking(np.take_along_axis(below, edges, axis=-1), edges)


def error_auroc(ranked: Ranked) -> Floats:
    """Return the chance that a wrong pixel is more uncertain than a right one, a tie being half.

    Args:
        ranked: The pixels of images, or of all of them.

    Returns:
        ``(images,)`` in [0, 1], 0.5 for chance; NaN where no pixel is wrong, or all are. From fine
        bins it differs by at most half the share of pairs that are in one bin.

    Source:
        Hanley and McNeil 1982, "The meaning and use of the area under a ROC curve".
    """
    image, edge = np.nonzero(np.diff(ranked.wrong, axis=-1))
    right = ranked.pixels - ranked.wrong
    rise = ranked.wrong[image, edge + 1] - ranked.wrong[image, edge]
    below = (right[image, edge] + right[image, edge + 1]) / 2
    wrong = ranked.wrong[:, -1].astype(np.float64)
    area = np.bincount(image, rise * below, len(wrong))
    return ratio(area, wrong * right[:, -1], empty=np.nan)


def error_average_precision(ranked: Ranked) -> Floats:
    """Return the average precision of finding wrong pixels from the most uncertain down.

    The sum over thresholds of precision times the rise in recall, without interpolation. Chance is
    the share of wrong pixels, ``error_rate``.

    Args:
        ranked: The pixels of images, or of all of them.

    Returns:
        ``(images,)`` in [0, 1]; NaN where no pixel is wrong, or all are. From fine bins it differs
        by at most the sum over bins of the share of the wrong pixels in it times the span of the
        precisions that orders of its pixels can give.

    Source:
        As ``sklearn.metrics.average_precision_score``, which gives 0 and 1 in these two cases.
    """
    image, edge = np.nonzero(np.diff(ranked.wrong, axis=-1))
    wrong = ranked.wrong[:, -1].astype(np.float64)
    rise = ranked.wrong[image, edge + 1] - ranked.wrong[image, edge]
    found = wrong[image] - ranked.wrong[image, edge]
    flagged = ranked.pixels[image, -1] - ranked.pixels[image, edge]
    area = np.bincount(image, rise * found / flagged, len(wrong))
    return ratio(area, np.where(wrong < ranked.pixels[:, -1], wrong, 0.0), empty=np.nan)
