"""The same aggregations image by image: aggrigator; SciPy and scikit-image where it has none."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from aggrigator.methods import AggregationMethods
from aggrigator.uncertainty_maps import UncertaintyMap
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from skimage.measure import label, regionprops
from skimage.segmentation import expand_labels, find_boundaries

from workloads.maps import THRESHOLD, smooth_maps

PATCH = 10
FARTHEST = 4
BOUNDARIES = [{"id": label, "thickness": 2} for label in (0, 1)]

_kept: dict[str, Any] = {}


def start() -> None:
    """Make the maps."""
    _kept["maps"] = smooth_maps()


def turn(boundary: str) -> float:
    """Aggregate all maps, with the boundary of "scikit-image" or "aggrigator"; return seconds."""
    started = time.perf_counter()
    _aggregated(boundary)
    return time.perf_counter() - started


def answers(path: str) -> None:
    """Write the aggregations whose definitions are ours."""
    np.savez(path, **_aggregated("scikit-image"))


def _aggregated(boundary: str) -> dict[str, list[float]]:
    rows = [_one(u, m, boundary) for u, m in zip(*_kept["maps"], strict=True)]
    return {name: [row[name] for row in rows] for name in rows[0]}


def _one(
    uncertainty: NDArray[np.float32], mask: NDArray[np.uint8], boundary: str
) -> dict[str, float]:
    methods, image = AggregationMethods, UncertaintyMap(uncertainty, mask)
    return {
        "mean": methods.mean(image),
        "sum": methods.sum(image),
        "sum_over_volume": methods.sum(image) / max(image.class_volumes.get(1, 0), 1),
        "maximum": methods.max(image),
        "quantile_75": methods.quantile(image, 0.75),
        "quantile_95": methods.quantile(image, 0.95),
        "patch_max": methods.patch_aggregation(image, PATCH),
        "above_threshold": methods.above_threshold_mean(image, THRESHOLD),
        "foreground": methods.class_mean(image, 1),
        "background": methods.class_mean(image, 0),
        "by_predicted_class": methods.class_mean_w_equal_weights(image, True),
        "morans_i": methods.morans_I(image),
        "gearys_c": 1 - methods.gearys_C(image),
        "distance_weighted": _by_distance(image),
        **_components(image),
        **(_literature(image) if boundary == "scikit-image" else _own(image)),
    }


def _by_distance(image: UncertaintyMap) -> float:
    inside, outside = (distance_transform_edt(image.mask == label) for label in (1, 0))
    return float(np.average(image.array, weights=np.minimum(inside + outside, FARTHEST)))


def _components(image: UncertaintyMap) -> dict[str, float]:
    parts = regionprops(label(image.mask, connectivity=2), image.array)
    return {
        "largest_component": max(parts, key=lambda part: part.area).intensity_mean,
        "smallest_component": min(parts, key=lambda part: part.area).intensity_mean,
        "worst_component": max(part.intensity_mean for part in parts),
    }


def _literature(image: UncertaintyMap) -> dict[str, float]:
    thick = find_boundaries(image.mask, mode="thick").astype(np.uint8)
    region = expand_labels(thick, distance=1) > 0
    regions = {
        "boundary": region,
        "non_boundary": ~region,
        "foreground_interior": ~region & (image.mask > 0),
        "background_interior": ~region & (image.mask == 0),
    }
    return {
        name: (image.array[where] if where.any() else image.array).mean(dtype=np.float64)
        for name, where in regions.items()
    }


def _own(image: UncertaintyMap) -> dict[str, float]:
    methods = AggregationMethods
    return {
        "boundary": methods.class_boundary_mean(image, BOUNDARIES[1]),
        "non_boundary": methods.class_boundary_mean(image, BOUNDARIES[0]),
        "foreground_interior": methods.class_interior_mean(image, BOUNDARIES[1]),
        "background_interior": methods.class_interior_mean(image, BOUNDARIES[0]),
    }
