from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dicecast.errors import DicecastError
from dicecast.estimation.prediction import Prediction
from dicecast.scores import map_scores as module
from dicecast.scores.aggregations import MAP_AGGREGATIONS, MapContext
from dicecast.scores.map_scores import map_scores
from dicecast.scores.regions import MaskRegions

THRESHOLDS = {"predictive_entropy": 0.3, "variance": 5e-5}


def test_scores_are_the_negated_aggregations_of_every_measure(prediction_of):
    prediction = prediction_of()
    scores = map_scores(prediction, THRESHOLDS)
    assert list(scores) == [f"{m}/{a}" for m in prediction.maps for a in MAP_AGGREGATIONS]
    for column in scores:
        measure, name = column.split("/")
        context = MapContext(MaskRegions(prediction.mask), THRESHOLDS[measure])
        uncertainty = MAP_AGGREGATIONS[name](prediction.maps[measure].astype(np.float64), context)
        np.testing.assert_array_equal(scores[column], -uncertainty)


@pytest.mark.parametrize("pixels", [1, 2 * 32 * 32, 5 * 32 * 32])
def test_the_size_of_a_block_does_not_matter(prediction_of, monkeypatch, pixels):
    prediction = prediction_of(cases=11)
    whole = map_scores(prediction, THRESHOLDS)
    monkeypatch.setattr(module, "PIXELS_A_BLOCK", pixels)
    pd.testing.assert_frame_equal(map_scores(prediction, THRESHOLDS), whole, check_exact=True)


def test_certain_maps_score_plain_zero_or_nothing():
    mask = np.zeros((2, 12, 12), dtype=np.uint8)
    maps = {"entropy": np.zeros(mask.shape, dtype=np.float32)}
    nothing = Prediction(np.zeros((2, 12, 12, 2), np.float32), mask, maps, None)
    scores = map_scores(nothing, {"entropy": 0.0})
    undefined = scores.columns[scores.isna().any()]
    assert set(undefined) == {"entropy/morans_i", "entropy/gearys_c"}
    assert not np.signbit(scores.drop(columns=undefined).to_numpy()).any()


def test_a_measure_without_threshold_is_an_error(prediction_of):
    with pytest.raises(DicecastError, match="'variance' has none"):
        map_scores(prediction_of(), {"predictive_entropy": 0.3})
