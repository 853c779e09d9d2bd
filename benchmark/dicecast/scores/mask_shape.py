"""Shape features of predicted masks: what a mask alone says of its quality."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.scores.arithmetic import PerCase
from dicecast.scores.components import Components

Masks: TypeAlias = NDArray[np.uint8]
Foreground: TypeAlias = NDArray[np.bool_]


def mask_shape(masks: Masks, num_classes: int) -> pd.DataFrame:
    """Return shape features of each predicted mask. Always finite; all 0 for an empty mask.

    Columns, where foreground is every class but 0:

    - ``foreground_fraction``: share of the image that is foreground, in [0, 1].
    - ``class_<c>_fraction``: share of the image that has class c, in [0, 1].
    - ``components``: connected components of single classes (8 neighbours).
    - ``largest_component``: the largest component's share of the foreground, in [0, 1].
    - ``boundary_length``: pixel edges between foreground and background, as a multiple of the
      image's circumference.
    - ``compactness``: ``4 pi area / perimeter^2`` of the foreground, in [0, pi / 4], 1 pixel edge
      being the unit of the perimeter, which includes the edge of the image; a square has pi / 4.
    - ``extent``: foreground's share of its bounding box, in [0, 1].
    - ``border_fraction``: share of the image's outermost pixels that are foreground, in [0, 1].
    - ``eccentricity``: of the ellipse with the foreground's second moments, in [0, 1]; 0 is round.

    Args:
        masks: ``(cases, height, width)``, uint8 class indices.
        num_classes: How many classes, background included.

    Returns:
        One row a case, float64.
    """
    foreground = masks > 0
    area = _count(foreground)
    components, largest = _components(masks)
    inner, outer = _edge_counts(foreground)
    height, width = masks.shape[1:]
    columns = {"foreground_fraction": area / (height * width)}
    for index in range(1, num_classes):
        columns[f"class_{index}_fraction"] = _count(masks == index) / (height * width)
    columns |= {
        "components": components,
        "largest_component": _share(largest, area),
        "boundary_length": inner / (2 * (height + width)),
        "compactness": _share(4 * np.pi * area, (inner + outer) ** 2),
        "extent": _share(area, _bounding_box_area(foreground)),
        "border_fraction": _border_fraction(foreground),
        "eccentricity": _eccentricity(foreground, area),
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(len(masks)))


def _count(region: Foreground) -> PerCase:
    return np.asarray(np.count_nonzero(region, axis=(1, 2)), dtype=np.float64)


def _share(part: PerCase, whole: PerCase) -> PerCase:
    return np.asarray(part / np.where(whole > 0, whole, 1.0))


def _components(masks: Masks) -> tuple[PerCase, PerCase]:
    """Return how many components each mask has, and the volume of its largest."""
    components = Components(masks)
    largest = np.zeros(len(masks))
    np.maximum.at(largest, components.cases, components.volumes)
    number = np.bincount(components.cases, minlength=len(masks))
    return number.astype(np.float64), largest


def _edge_counts(foreground: Foreground) -> tuple[PerCase, PerCase]:
    """Return how many foreground pixel edges lie inside the image, and how many on its edge."""
    vertical = foreground[:, 1:] != foreground[:, :-1]
    horizontal = foreground[:, :, 1:] != foreground[:, :, :-1]
    inner = _count(vertical) + _count(horizontal)
    rows, columns = foreground[:, [0, -1]], foreground[:, :, [0, -1]]
    return inner, _count(rows) + _count(columns)


def _bounding_box_area(foreground: Foreground) -> PerCase:
    rows, columns = np.asarray(foreground.any(axis=2)), np.asarray(foreground.any(axis=1))
    return np.asarray(_reach(rows) * _reach(columns))


def _reach(profile: Foreground) -> PerCase:
    """Return the length from the first to the last True of each row, 0 where there is none."""
    length = profile.shape[1]
    first = profile.argmax(axis=1)
    last = length - 1 - profile[:, ::-1].argmax(axis=1)
    return np.where(profile.any(axis=1), last - first + 1, 0).astype(np.float64)


def _border_fraction(foreground: Foreground) -> PerCase:
    border = np.ones(foreground.shape[1:], dtype=np.bool_)
    border[1:-1, 1:-1] = False
    return np.asarray(foreground[:, border].mean(axis=1))


def _eccentricity(foreground: Foreground, area: PerCase) -> PerCase:
    """Return ``sqrt(1 - minor / major)`` of the eigenvalues of the covariance of positions."""
    rows = _positions(foreground.shape[1])
    columns = _positions(foreground.shape[2])
    by_row = np.count_nonzero(foreground, axis=2).astype(np.float64)
    by_column = np.count_nonzero(foreground, axis=1).astype(np.float64)
    mean_row, mean_column = _share(by_row @ rows, area), _share(by_column @ columns, area)
    row_variance = _share(by_row @ rows**2, area) - mean_row**2
    column_variance = _share(by_column @ columns**2, area) - mean_column**2
    products = np.einsum("nhw,h,w->n", foreground, rows, columns, optimize=False)
    covariance = _share(products, area) - mean_row * mean_column
    middle = (row_variance + column_variance) / 2
    spread = np.hypot((row_variance - column_variance) / 2, covariance)
    # 1 - (middle - spread) / (middle + spread), which rounding cannot turn negative.
    return np.sqrt(np.clip(_share(2 * spread, middle + spread), 0.0, 1.0))


def _positions(length: int) -> PerCase:
    # Centred, so that squares of positions do not swamp the variance.
    return np.arange(length, dtype=np.float64) - (length - 1) / 2
