"""How long the aggregations of a stack of maps take, and the agreement of draws."""

from __future__ import annotations

import pytest

from dicecast.scores.aggregations import MAP_AGGREGATIONS, MapContext
from dicecast.scores.regions import MaskRegions
from workloads import our_aggregations, our_pairwise_dice
from workloads.maps import THRESHOLD, smooth_maps


@pytest.fixture(scope="module")
def maps():
    return smooth_maps()


@pytest.mark.parametrize("name", MAP_AGGREGATIONS)
def test_aggregation(benchmark, maps, name):
    uncertainty = maps.uncertainty[:3].astype(float)
    context = MapContext(MaskRegions(maps.masks[:3]), THRESHOLD)
    benchmark(MAP_AGGREGATIONS[name], uncertainty, context)


def test_all_aggregations(benchmark):
    our_aggregations.start()
    benchmark(our_aggregations.turn)


def test_pairwise_dice(benchmark):
    our_pairwise_dice.start(images=64)
    benchmark(our_pairwise_dice.turn)
