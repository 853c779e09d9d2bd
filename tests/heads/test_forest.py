from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor

from dicecast.errors import DicecastError
from dicecast.metrics.correlation import spearman


def columns_of(evidence):
    return pd.concat([evidence.scores, evidence.mask_shape], axis=1).to_numpy()


def test_equals_a_forest_on_the_imputed_columns(head_of, examples, examples_of):
    unseen = examples_of(30, seed=1).evidence
    train, test = columns_of(examples.evidence), columns_of(unseen)
    medians = np.nanmedian(train, axis=0)
    train, test = (np.where(np.isnan(table), medians, table) for table in (train, test))
    reference = RandomForestRegressor(200, min_samples_leaf=2, random_state=7)
    expected = reference.fit(train, examples.quality).predict(test)
    predicted = head_of("forest").fit(examples, seed=7).predict(unseen)
    np.testing.assert_allclose(predicted, expected)


def test_learns(head_of, examples, examples_of):
    unseen = examples_of(80, seed=1)
    predicted = head_of("forest").fit(examples, seed=0).predict(unseen.evidence)
    assert spearman(predicted, unseen.quality) > 0.9


def test_another_seed_is_another_forest(head_of, examples, examples_of):
    unseen = examples_of(30, seed=1).evidence
    first, second = (head_of("forest").fit(examples, seed).predict(unseen) for seed in (0, 1))
    assert (first != second).any()


def test_a_score_that_is_never_defined_does_no_harm(head_of, examples, rescored):
    undefined = rescored(examples, nowhere=np.full(60, np.nan), somewhere=examples.quality)
    predicted = head_of("forest").fit(undefined, seed=0).predict(undefined.evidence)
    assert np.isfinite(predicted).all()


def test_columns_are_found_by_name_and_not_by_place(head_of, examples):
    fitted = head_of("forest").fit(examples, seed=0)
    evidence = examples.evidence
    turned = dataclasses.replace(
        evidence,
        scores=evidence.scores[evidence.scores.columns[::-1]].assign(extra=1.0),
        mask_shape=evidence.mask_shape[evidence.mask_shape.columns[::-1]],
    )
    np.testing.assert_array_equal(fitted.predict(turned), fitted.predict(evidence))


def test_no_column_at_all_is_an_error(head_of, examples):
    nothing = pd.DataFrame(index=range(60))
    bare = dataclasses.replace(examples.evidence, scores=nothing, mask_shape=nothing)
    with pytest.raises(DicecastError, match="at least one column"):
        head_of("forest").fit(dataclasses.replace(examples, evidence=bare), seed=0)
