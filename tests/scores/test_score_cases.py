from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dicecast.listing import listed
from dicecast.scores.aggregations import MAP_AGGREGATIONS
from dicecast.scores.agreement import AGREEMENT_SCORES
from dicecast.scores.score_cases import score_batch

THRESHOLDS = {"predictive_entropy": 0.3, "variance": 5e-5}


@pytest.fixture
def prediction(prediction_of):
    return prediction_of(cases=11, classes=4)


def test_one_row_a_case_and_one_column_a_score(prediction):
    scores = score_batch(prediction, THRESHOLDS)
    assert scores.shape == (11, 2 * len(MAP_AGGREGATIONS) + len(AGREEMENT_SCORES) + 1)
    assert {"predictive_entropy/mean", "variance/patch_max", "pairwise_dice"} <= set(scores)
    assert (scores.dtypes == np.float64).all()
    assert list(scores.index) == list(range(11))


@pytest.mark.parametrize("size", [1, 2, 4, 7])
def test_the_batch_size_does_not_matter(prediction, rows_of, size):
    batches = [
        score_batch(rows_of(prediction, np.arange(11)[start : start + size]), THRESHOLDS)
        for start in range(0, 11, size)
    ]
    joined = pd.concat(batches, ignore_index=True)
    pd.testing.assert_frame_equal(joined, score_batch(prediction, THRESHOLDS), check_exact=True)


def test_the_order_of_the_cases_does_not_matter(prediction, rows_of):
    order = np.random.default_rng(0).permutation(11)
    shuffled = score_batch(rows_of(prediction, order), THRESHOLDS)
    expected = score_batch(prediction, THRESHOLDS).iloc[order].reset_index(drop=True)
    pd.testing.assert_frame_equal(shuffled, expected, check_exact=True)


def test_no_case_gives_no_row(prediction, rows_of):
    nothing = rows_of(prediction, np.arange(0))
    assert list(score_batch(nothing, THRESHOLDS)) == list(score_batch(prediction, THRESHOLDS))
    assert len(score_batch(nothing, THRESHOLDS)) == 0


def test_sharper_probabilities_score_higher(prediction_of):
    prediction = prediction_of(classes=2)
    scores = score_batch(prediction, THRESHOLDS)
    assert scores["predictive_entropy/mean"].iloc[0] > scores["predictive_entropy/mean"].iloc[2]


def test_every_score_is_described(prediction):
    described = listed("aggregations")
    generic = {
        column.replace("variance/", "<measure>/")
        for column in score_batch(prediction, THRESHOLDS)
        if not column.startswith("predictive_entropy/")
    }
    assert set(described) == generic
    assert all(text.endswith(".") for text in described.values())
