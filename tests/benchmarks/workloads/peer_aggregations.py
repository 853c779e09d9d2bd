"""The same aggregations image by image: aggrigator, and scikit-image where it has none."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from aggrigator.methods import AggregationMethods
from aggrigator.uncertainty_maps import UncertaintyMap
from numpy.typing import NDArray
from skimage.segmentation import expand_labels, find_boundaries

from workloads.maps import THRESHOLD, smooth_maps

PATCH = 10
OWN_BOUNDARY = {"id": 1, "thickness": 2}

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
        "sum_over_volume": methods.sum(image) / max(image.class_volumes.get(1, 0), 1),
        "patch_max": methods.patch_aggregation(image, PATCH),
        "above_threshold": methods.above_threshold_mean(image, THRESHOLD),
        **(_literature(image) if boundary == "scikit-image" else _own(image)),
    }


def _literature(image: UncertaintyMap) -> dict[str, float]:
    thick = find_boundaries(image.mask, mode="thick").astype(np.uint8)
    region = expand_labels(thick, distance=1) > 0
    return {
        "boundary": image.array[region].mean(),
        "non_boundary": image.array[~region].mean(),
    }


def _own(image: UncertaintyMap) -> dict[str, float]:
    return {
        "boundary": AggregationMethods.class_boundary_mean(image, OWN_BOUNDARY),
        "non_boundary": AggregationMethods.class_interior_mean(image, OWN_BOUNDARY),
    }
