"""Aggregations over a region of the predicted mask, or with weights that follow from the mask.

Where a mask lacks the region, all pixels count alike (Zenk et al. 2025).
"""

from __future__ import annotations

from dicecast.scores.arithmetic import PerCase, PerPixel
from dicecast.scores.map_aggregation import MapContext, map_aggregation


@map_aggregation
def boundary(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Mean uncertainty within the boundary region of the predicted mask.

    Over the whole image where the mask has no boundary.

    Source:
        Zenk et al. 2025 (MedIA 101:103392), boundary aggregation, width 4 pixels.
    """
    return context.regions.boundary.mean(uncertainty)


@map_aggregation
def non_boundary(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Mean uncertainty outside the boundary region of the predicted mask.

    Over the whole image where the boundary region covers all of it.

    Source:
        Zenk et al. 2025 (MedIA 101:103392), non-boundary aggregation, width 4 pixels.
    """
    return context.regions.non_boundary.mean(uncertainty)


@map_aggregation
def foreground(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Mean uncertainty within the predicted structures: all classes but the background.

    Over the whole image where the mask is empty.

    Source:
        Roy et al. 2019 (NeuroImage 195:11), uncertainty of a structure, of all structures at once.
    """
    return context.regions.foreground.mean(uncertainty)


@map_aggregation
def background(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Mean uncertainty outside the predicted structures.

    Over the whole image where the mask covers all of it.
    """
    return context.regions.background.mean(uncertainty)


@map_aggregation
def foreground_interior(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Mean uncertainty within the predicted structures, without the boundary region.

    Over the whole image where the boundary region covers all foreground, or there is none.

    Source:
        Zenk et al. 2025 (MedIA 101:103392), foreground feature of the simple regression forest.
    """
    return context.regions.foreground_interior.mean(uncertainty)


@map_aggregation
def background_interior(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Mean uncertainty outside the predicted structures, without the boundary region.

    Over the whole image where the boundary region covers all background, or there is none.

    Source:
        Zenk et al. 2025 (MedIA 101:103392), background feature of the simple regression forest.
    """
    return context.regions.background_interior.mean(uncertainty)


@map_aggregation
def distance_weighted(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Mean uncertainty in which pixels count the less the closer they are to a contour.

    By the Euclidean distance to the nearest pixel of another class, at most 4 pixels: uncertainty
    on the contour is to be expected. Equals ``mean`` where the mask has a single class.

    Source:
        Jungo et al. 2020 (Front. Neurosci. 14:282), distance weighting.
    """
    return context.regions.away_from_contours.mean(uncertainty)


@map_aggregation
def by_predicted_class(uncertainty: PerPixel, context: MapContext) -> PerCase:
    """Mean uncertainty within each predicted class, then the mean over these classes.

    Background is a class: a small structure counts as much as all around it. Equals ``mean`` where
    there is one class.

    Source:
        aggrigator's class mean with equal weights, which leaves out the background by default.
    """
    return context.regions.classes_alike.mean(uncertainty)
