"""Spatial autocorrelation of uncertainty maps: are uncertain pixels together, or scattered?

Neighbours share an edge (rook weights), each pair counts alike. A map counts as the more unsure the
more its uncertainty hangs together: a network that knows where a structure ends is unsure of a thin
line of pixels, one that does not, of whole areas. (On the quality roles of both shipped suites the
scores so oriented rise with Dice for every estimator but the random one.) Neither says how much
uncertainty there is. A constant map has no autocorrelation: NaN.
"""

from __future__ import annotations

import numpy as np

from dicecast.scores.arithmetic import PerCase, PerPixel, num_pixels, ratio, total
from dicecast.scores.map_aggregation import MapContext, map_aggregation


@map_aggregation
def morans_i(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Moran's I of the map: mean product of neighbours' deviations, over the variance.

    Near 1 where uncertainty forms large smooth patches, 0 for noise, negative for a chequerboard.
    NaN for a constant map.

    Source:
        Moran 1950 (Biometrika 37:17). aggrigator gives 1 for a constant map.
    """
    deviations = _deviations(uncertainty)
    products = _dot(deviations[:, 1:], deviations[:, :-1])
    products += _dot(deviations[:, :, 1:], deviations[:, :, :-1])
    scale = num_pixels(uncertainty) / max(_neighbours(uncertainty), 1)
    return scale * ratio(products, _dot(deviations, deviations), empty=np.nan)


@map_aggregation
def gearys_c(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """One minus Geary's C of the map, C being the mean squared difference of neighbours.

    In units of twice the variance, so that noise has 0. Near 1 where uncertainty forms large smooth
    patches. More local than ``morans_i``. NaN for a constant map.

    Source:
        Geary 1954 (The Incorporated Statistician 5:115). aggrigator gives C itself, and 1 for a
        constant map.
    """
    down, right = np.diff(uncertainty, axis=1), np.diff(uncertainty, axis=2)
    deviations = _deviations(uncertainty)
    squares = _dot(down, down) + _dot(right, right)
    scale = (num_pixels(uncertainty) - 1) / max(2 * _neighbours(uncertainty), 1)
    return 1.0 - scale * ratio(squares, _dot(deviations, deviations), empty=np.nan)


def _deviations(uncertainty: PerPixel) -> PerPixel:
    # From the first pixel before the mean, so that those of a constant map are exactly 0.
    shifted = uncertainty - uncertainty[:, :1, :1]
    return shifted - (total(shifted) / num_pixels(shifted))[:, None, None]


def _dot(one: PerPixel, other: PerPixel) -> PerCase:
    return np.asarray(np.einsum("nhw,nhw->n", one, other))


def _neighbours(maps: PerPixel) -> int:
    """Return how many pairs of pixels share an edge."""
    _, height, width = maps.shape
    return int((height - 1) * width + height * (width - 1))
