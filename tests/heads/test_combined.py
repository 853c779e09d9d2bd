from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
from scipy.optimize import nnls
from sklearn.base import clone

from dicecast.errors import DicecastError
from dicecast.heads.columns import all_columns, column_matrix
from dicecast.plugins import heads

MODULE = sys.modules[heads.get("combined").__module__]


@pytest.fixture
def planted(examples_of, rescored):
    """Patients of two cases; one part of the quality is linear in scores, one is a step."""

    def make(seed):
        examples = examples_of(120, seed)
        rng = np.random.default_rng(seed + 100)
        lines, step = rng.random((4, 120)), rng.random(120)
        quality = 0.1 + 0.15 * lines.sum(axis=0) + 0.2 * (step > 0.5) + rng.normal(0, 0.02, 120)
        scores = {f"line{number}": line for number, line in enumerate(lines)}
        given = rescored(examples, **scores, step=step, noise=rng.random(120))
        groups = [f"patient{number // 2}" for number in range(120)]
        return dataclasses.replace(given, quality=np.clip(quality, 0, 1), groups=groups)

    return make


def out_of_fold(examples, folds, num_trees):
    """Each base regressor's predictions of patients it was not fitted on, folds made by hand."""
    matrix = column_matrix(examples.evidence, all_columns(examples.evidence))
    groups = np.array(examples.groups)
    found = {}
    for name, base in MODULE.base_regressors(num_trees, 0).items():
        found[name] = np.empty(len(matrix))
        for fitted, held in MODULE.patient_folds("combined", examples.groups, folds):
            assert not set(groups[fitted]) & set(groups[held])
            regressor = clone(base).fit(matrix[fitted], examples.quality[fitted])
            found[name][held] = regressor.predict(matrix[held])
    return found


def squared(errors):
    return np.square(errors).mean()


def test_weights_are_the_nonnegative_least_squares_of_predictions_out_of_fold(head_of, planted):
    examples = planted(0)
    fitted = head_of("combined", folds=3, num_trees=5).fit(examples, seed=0)
    predictions = out_of_fold(examples, 3, 5)
    weights, _ = nnls(np.stack(list(predictions.values()), axis=1), examples.quality)
    np.testing.assert_allclose(fitted.regressor.final_estimator_.coef_, weights, atol=1e-8)
    assert (weights >= 0).all() and np.count_nonzero(weights) >= 2


def test_is_no_worse_than_its_best_base_on_the_examples_out_of_fold(head_of, planted):
    examples = planted(0)
    predictions = np.stack(list(out_of_fold(examples, 3, 20).values()), axis=1)
    weights = head_of("combined", folds=3, num_trees=20).fit(examples, 0).regressor.final_estimator_
    errors = np.square(predictions - examples.quality[:, np.newaxis]).mean(axis=0)
    assert squared(weights.predict(predictions) - examples.quality) <= errors.min()


def test_beats_its_best_base_on_new_patients_of_a_planted_problem(head_of, planted):
    examples, unseen = planted(0), planted(1)
    columns = all_columns(examples.evidence)
    train, test = (column_matrix(e.evidence, columns) for e in (examples, unseen))
    errors = {
        name: squared(base.fit(train, examples.quality).predict(test) - unseen.quality)
        for name, base in MODULE.base_regressors(100, 0).items()
    }
    predicted = head_of("combined").fit(examples, seed=0).predict(unseen.evidence)
    assert squared(predicted - unseen.quality) < 0.9 * min(errors.values())


def test_nothing_to_learn_is_the_mean(head_of, examples, rescored):
    """Cases that no column tells apart."""
    shapeless = examples.evidence.mask_shape.iloc[:, :0]
    blank = rescored(examples, constant=np.zeros(60))
    blank = dataclasses.replace(
        blank, evidence=dataclasses.replace(blank.evidence, mask_shape=shapeless)
    )
    predicted = head_of("combined", num_trees=5).fit(blank, seed=0).predict(blank.evidence)
    np.testing.assert_allclose(predicted, examples.quality.mean(), atol=0.01)


def test_fewer_patients_than_folds_is_an_error(head_of, examples):
    few = dataclasses.replace(examples, groups=["a", "b", "c"] * 20)
    with pytest.raises(DicecastError, match=r"combined predicts out of fold in 5 folds .* got 3"):
        head_of("combined").fit(few, seed=0)


@pytest.mark.parametrize("setting", [{"folds": 1}, {"num_trees": 0}])
def test_settings_out_of_range_are_refused(head_of, setting):
    with pytest.raises(DicecastError, match="at least 2 folds and 1 tree"):
        head_of("combined", **setting)
