"""QU-BraTS: what is gained, and what is lost, when uncertain pixels are filtered out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.pixels.confusion import Confusion, by_class, dice_of
from dicecast.metrics.pixels.ratio import Floats, ratio


def qu_brats(counted: Confusion, edges: NDArray[np.intp]) -> Floats:
    """Return the QU-BraTS score: Dice of what is kept, less the right pixels that are filtered.

    The mean of three areas over the thresholds on the uncertainty: of the Dice of the kept pixels,
    and of one minus the share of true positives, and of true negatives, that are filtered out.
    Mean over the foreground classes, each against the rest; the region is the whole image.

    Args:
        counted: Of images, or of all their pixels.
        edges: ``(thresholds,)``, the edges of the fine bins below which a pixel is kept, evenly
            spread over the range of the uncertainty on validation, so that one threshold means the
            same in every image. All is kept at the last.

    Returns:
        ``(images,)`` in [0, 1], higher is better. Where there is nothing to filter out, nothing is.

    Source:
        Mehta et al. 2022, "QU-BraTS: MICCAI BraTS 2020 challenge on quantifying uncertainty in
        brain tumor segmentation". There a map comes scaled to 0 to 100 by its author; here the
        ends of the scale are those of the map on validation.
    """
    below = counted.below[..., np.append(edges[:-1], -1)]
    errors = by_class(below)
    negatives = below.sum(axis=(1, 2))[:, np.newaxis]
    negatives = negatives - errors.found - errors.missed - errors.invented
    kept = [
        ratio(right, right[..., -1:], empty=1.0).mean(axis=1) for right in (errors.found, negatives)
    ]
    areas = [np.trapezoid(curve, axis=-1) for curve in (dice_of(*errors), *kept)]
    score: Floats = np.mean(areas, axis=0) / (len(edges) - 1)
    return score
