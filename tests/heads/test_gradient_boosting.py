from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from dicecast.errors import DicecastError
from dicecast.heads.columns import all_columns, column_matrix


def test_equals_scikit_learn_and_reads_undefined_scores(head_of, examples, examples_of):
    unseen = examples_of(30, seed=1).evidence
    train, test = (
        column_matrix(evidence, all_columns(examples.evidence))
        for evidence in (examples.evidence, unseen)
    )
    assert np.isnan(train).any()
    reference = HistGradientBoostingRegressor(
        max_iter=30, learning_rate=0.1, min_samples_leaf=5, early_stopping=False
    )
    expected = reference.fit(train, examples.quality).predict(test)
    head = head_of("gradient_boosting", num_trees=30, learning_rate=0.1, min_samples_leaf=5)
    predicted = head.fit(examples, seed=0).predict(unseen)
    np.testing.assert_array_equal(predicted, np.clip(expected, 0, 1))


def test_seed_and_threads_change_nothing(head_of, examples):
    predictions = []
    for seed, threads in ((0, 1), (1, 2)):
        with threadpool_limits(threads):
            fitted = head_of("gradient_boosting").fit(examples, seed)
            predictions.append(fitted.predict(examples.evidence))
    np.testing.assert_array_equal(*predictions)


def test_that_a_score_is_undefined_says_something(head_of, examples, rescored):
    """The only trace of the quality is where the score does not exist."""
    bad = np.arange(60) % 2 == 0
    given = rescored(examples, sometimes=np.where(bad, np.nan, np.random.default_rng(0).random(60)))
    given = dataclasses.replace(given, quality=np.where(bad, 0.2, 0.9))
    predicted = head_of("gradient_boosting").fit(given, seed=0).predict(given.evidence)
    np.testing.assert_allclose(predicted, given.quality, atol=0.05)


@pytest.mark.parametrize(
    "setting",
    [{"num_trees": 0}, {"min_samples_leaf": 0}, {"learning_rate": 0.0}, {"learning_rate": 1.5}],
)
def test_settings_out_of_range_are_refused(head_of, setting):
    with pytest.raises(DicecastError, match="gradient_boosting needs"):
        head_of("gradient_boosting", **setting)
