"""What holds for every head that reads columns of numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dicecast.errors import DicecastError
from dicecast.plugins import heads

SETTINGS = {
    "combined": {"folds": 2, "num_trees": 5},
    "constant": {},
    "forest": {"num_trees": 50},
    "gradient_boosting": {"num_trees": 20},
    "isotonic": {},
    "volume": {},
}


@pytest.fixture(params=SETTINGS)
def head(request, head_of):
    return head_of(request.param, **SETTINGS[request.param])


def test_is_declared_with_a_sentence():
    declared = heads.declared()
    for name in SETTINGS:
        assert declared[name].summary.endswith(".")


def test_the_row_is_named_after_the_head(head):
    assert type(head) is heads.get(head.score_name)


def test_predicts_a_dice_for_each_case(head, examples, examples_of):
    predicted = head.fit(examples, seed=0).predict(examples_of(30, seed=1).evidence)
    assert predicted.shape == (30,)
    assert predicted.dtype == np.float64
    assert ((predicted >= 0) & (predicted <= 1)).all()


def test_same_seed_same_prediction(head, examples, examples_of):
    unseen = examples_of(30, seed=1).evidence
    first, second = (head.fit(examples, seed=5).predict(unseen) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_second_fit_leaves_the_first_alone(head, examples, examples_of):
    unseen = examples_of(30, seed=1).evidence
    fitted = head.fit(examples, seed=0)
    before = fitted.predict(unseen)
    head.fit(examples_of(40, seed=2), seed=1).predict(unseen)
    np.testing.assert_array_equal(fitted.predict(unseen), before)


def test_each_case_is_predicted_from_its_own_evidence(head, examples, examples_of):
    unseen = examples_of(11, seed=1).evidence
    fitted = head.fit(examples, seed=0)
    order = np.random.default_rng(0).permutation(11)
    batches = [fitted.predict(unseen.take(rows)) for rows in np.array_split(order, 4)]
    # A product of matrices may add up in another order.
    np.testing.assert_allclose(
        np.concatenate(batches), fitted.predict(unseen)[order], rtol=0, atol=1e-12
    )


def test_fitting_does_not_change_the_examples(head, examples, examples_of):
    head.fit(examples, seed=0)
    untouched = examples_of()
    np.testing.assert_array_equal(examples.quality, untouched.quality)
    assert examples.evidence.scores.equals(untouched.evidence.scores)
    assert examples.evidence.mask_shape.equals(untouched.evidence.mask_shape)


def test_the_true_masks_are_not_read(head, examples, examples_of):
    blind = dataclasses.replace(examples, truth=np.zeros_like(examples.truth))
    unseen = examples_of(11, seed=1).evidence
    np.testing.assert_array_equal(
        head.fit(blind, seed=0).predict(unseen), head.fit(examples, seed=0).predict(unseen)
    )


@pytest.mark.parametrize("name", ["combined", "forest", "gradient_boosting", "isotonic"])
def test_a_missing_column_is_an_error(name, head_of, examples, rescored):
    fitted = head_of(name, **SETTINGS[name]).fit(examples, seed=0)
    fewer = rescored(examples, noise__mean=np.zeros(60)).evidence
    with pytest.raises(DicecastError, match="which these cases lack"):
        fitted.predict(fewer)


@pytest.mark.parametrize("name", ["forest", "radiomics_forest", "volume"])
def test_settings_out_of_range_are_refused(name, head_of):
    for field in ("num_trees", "min_samples_leaf"):
        with pytest.raises(DicecastError, match=f"{field} = 0"):
            head_of(name, **{field: 0})
