"""What an aggregation of uncertainty maps is, and what it may read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from dicecast.scores.arithmetic import PerCase, PerPixel
from dicecast.scores.regions import MaskRegions


@dataclass(frozen=True)
class MapContext:
    """What an aggregation may read beside the map.

    Attributes:
        regions: Regions of the predicted masks of the batch.
        threshold: Uncertainty from which on a pixel counts as uncertain, for this estimator and
            measure; chosen on the validation role.
    """

    regions: MaskRegions
    threshold: float


MapAggregation: TypeAlias = Callable[[PerPixel, MapContext], PerCase]

MAP_AGGREGATIONS: dict[str, MapAggregation] = {}
"""Aggregations by name: maps ``(cases, height, width)`` to ``(cases,)``, high where unsure, NaN for
a case that has none. Maps are float64: sums of float32 would depend on the batch size."""


def map_aggregation(function: MapAggregation) -> MapAggregation:
    """Register an aggregation under the name of its function."""
    MAP_AGGREGATIONS[function.__name__] = function
    return function
