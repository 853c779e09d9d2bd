"""First-order, shape and texture features of the uncertain region of a map."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skimage.feature import graycomatrix, graycoprops

from dicecast.scores.mask_shape import mask_shape
from dicecast.stacks import Stack, chunks

LEAST_PIXELS = 5
"""A smaller region has no features."""

LEVELS = 16
"""Grey levels of the texture: equal steps between the least and the greatest value of a region."""

ANGLES = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
TEXTURE = ("contrast", "dissimilarity", "homogeneity", "ASM", "correlation")
FIRST_ORDER = (
    *("mean", "deviation", "minimum", "maximum", "p10", "p25", "median", "p75", "p90"),
    *("skewness", "kurtosis", "energy", "entropy", "uniformity"),
)

Region = NDArray[np.bool_]
Floats = NDArray[np.float64]


def radiomics(uncertainty: Stack[np.float32], threshold: float) -> pd.DataFrame:
    """Return features of each map in its region ``uncertainty > threshold``.

    NaN in every column where the region has fewer than 5 pixels or is the whole image.

    - first-order: mean, standard deviation, extremes, percentiles, skewness and kurtosis (3 for a
      normal distribution; both 0 where all values are equal), energy (mean square), and entropy in
      bits and uniformity of the 16 grey levels;
    - shape: those of ``dicecast.scores.mask_shape``, of the region as a mask;
    - texture: properties of the co-occurrence of grey levels in pixels of the region that touch,
      all eight directions in one matrix.

    Args:
        uncertainty: ``(cases, height, width)``, float32; read a few cases at a time.
        threshold: In the units of the map.

    Returns:
        One row a case, each from its own map alone, float64.

    Source:
        Feature definitions of the Image Biomarker Standardisation Initiative (Zwanenburg et al.
        2020, Radiology 295:328) with a fixed number of grey levels; co-occurrence by scikit-image.
    """
    tables = [_features(uncertainty[rows], threshold) for rows in chunks(uncertainty)]
    return pd.concat(tables, ignore_index=True)


def _features(uncertainty: NDArray[np.float32], threshold: float) -> pd.DataFrame:
    regions = uncertainty > np.float32(threshold)
    pixels = np.count_nonzero(regions, axis=(1, 2))
    usable = (pixels >= LEAST_PIXELS) & (pixels < regions[0].size)
    shape = mask_shape(regions.astype(np.uint8), 2).drop(columns="class_1_fraction")
    values = np.zeros((len(regions), len(FIRST_ORDER)))
    matrices = np.zeros((LEVELS, LEVELS, len(regions), 1))
    for case in np.flatnonzero(usable):
        inside = uncertainty[case][regions[case]].astype(np.float64)
        grey = _grey_levels(inside)
        values[case] = _first_order(inside, grey)
        matrices[:, :, case, 0] = _cooccurrence(regions[case], grey)
    texture = {name: graycoprops(matrices, name)[:, 0] for name in TEXTURE}
    table = pd.concat(
        [
            pd.DataFrame(values, columns=list(FIRST_ORDER)).add_prefix("first_order/"),
            shape.add_prefix("shape/"),
            pd.DataFrame(texture).add_prefix("texture/"),
        ],
        axis=1,
    )
    table.loc[~usable] = np.nan
    return table


def _grey_levels(inside: Floats) -> NDArray[np.uint8]:
    """Return the level of each value, from 1 to ``LEVELS``; 1 where all values are equal."""
    low, spread = inside.min(), np.ptp(inside)
    if spread == 0:
        return np.ones(len(inside), np.uint8)
    level = np.floor((inside - low) / spread * LEVELS).astype(np.uint8)
    return np.asarray(np.minimum(level, LEVELS - 1) + 1, np.uint8)


def _first_order(inside: Floats, grey: NDArray[np.uint8]) -> Floats:
    mean, deviation = inside.mean(), inside.std()
    # Where the values differ by rounding alone, moments of a higher order mean nothing.
    standard = (inside - mean) / deviation if np.ptp(inside) > 0 and deviation > 0 else 0.0 * inside
    shares = np.bincount(grey)[1:] / len(grey)
    shares = shares[shares > 0]
    return np.array(
        [
            *(mean, deviation, inside.min(), inside.max()),
            *np.percentile(inside, (10, 25, 50, 75, 90)),
            *(np.mean(standard**3), np.mean(standard**4), np.mean(inside**2)),
            *(0.0 - np.sum(shares * np.log2(shares)), np.sum(shares**2)),
        ]
    )


def _cooccurrence(region: Region, grey: NDArray[np.uint8]) -> Floats:
    """Return how often two levels touch inside the region, ``(LEVELS, LEVELS)``, symmetric."""
    rows, columns = np.nonzero(region)
    top, left = rows.min(), columns.min()
    box = np.zeros((rows.max() - top + 1, columns.max() - left + 1), np.uint8)
    box[rows - top, columns - left] = grey
    # Level 0 is outside; what touches it is left out.
    counts = graycomatrix(box, [1], ANGLES, levels=LEVELS + 1, symmetric=True)[1:, 1:]
    return np.asarray(counts.sum(axis=(2, 3)), dtype=np.float64)
