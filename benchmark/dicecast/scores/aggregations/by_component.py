"""Aggregations over connected components of the predicted mask.

A component is a set of pixels of one foreground class that touch (8 neighbours). Where a mask is
empty, all take the mean over the whole image.
"""

from __future__ import annotations

from dicecast.scores.arithmetic import PerCase, PerPixel, num_pixels, total
from dicecast.scores.map_aggregation import MapContext, map_aggregation


@map_aggregation
def largest_component(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Mean uncertainty of the largest connected component of the predicted mask.

    Of equally large ones the first: by class, then from the top of the image.
    """
    return context.regions.largest_component.mean(uncertainty)


@map_aggregation
def smallest_component(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Mean uncertainty of the smallest connected component of the predicted mask.

    Of equally small ones the first: by class, then from the top of the image.
    """
    return context.regions.smallest_component.mean(uncertainty)


@map_aggregation
def worst_component(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Highest mean uncertainty of any connected component of the predicted mask."""
    everywhere = total(uncertainty) / num_pixels(uncertainty)
    return context.regions.components.highest_mean(uncertainty, empty=everywhere)
