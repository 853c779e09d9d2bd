from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.isotonic import IsotonicRegression

from dicecast.errors import DicecastError

NAMED = "predictive_entropy/boundary"


def test_equals_scikit_learn(head_of, examples, examples_of):
    unseen = examples_of(50, seed=3).evidence
    reference = IsotonicRegression(out_of_bounds="clip")
    reference.fit(examples.evidence.scores[NAMED], examples.quality)
    predicted = head_of("isotonic", score=NAMED).fit(examples, seed=0).predict(unseen)
    np.testing.assert_allclose(predicted, reference.predict(unseen.scores[NAMED]))


def test_never_falls_where_the_score_rises(head_of, examples, rescored):
    fitted = head_of("isotonic", score=NAMED).fit(examples, seed=0)
    rising = rescored(examples, predictive_entropy__boundary=np.linspace(-3, 3, 60)).evidence
    assert (np.diff(fitted.predict(rising)) >= 0).all()


def test_chooses_the_score_of_highest_rank_correlation(head_of, examples):
    scores, quality = examples.evidence.scores, examples.quality
    defined = ["noise/mean", "predictive_entropy/mean", NAMED]
    best = max(defined, key=lambda name: stats.spearmanr(scores[name], quality).statistic)
    assert head_of("isotonic").fit(examples, seed=0).score == best == "predictive_entropy/mean"


def test_a_score_undefined_for_a_case_is_not_chosen(head_of, examples, rescored):
    quality, third = examples.quality, np.arange(60) == 3
    given = rescored(
        examples,
        infinite=np.where(quality == quality.min(), -np.inf, quality),
        partial=np.where(third, np.nan, quality),
        rough=np.round(quality, 1),
    )
    assert head_of("isotonic").fit(given, seed=0).score == "rough"


def test_equals_are_chosen_by_name_whatever_the_order_of_columns(head_of, examples, rescored):
    quality = examples.quality
    for columns in ({"b": quality, "a": quality**3}, {"a": quality**3, "b": quality}):
        assert head_of("isotonic").fit(rescored(examples, **columns), seed=0).score == "a"


def test_a_score_that_ranks_backwards_is_no_better_than_the_mean(head_of, examples, rescored):
    fitted = head_of("isotonic").fit(rescored(examples, backwards=-examples.quality), seed=0)
    predicted = fitted.predict(rescored(examples, backwards=-examples.quality).evidence)
    np.testing.assert_allclose(predicted, examples.quality.mean())


def test_a_strong_backwards_ranking_is_not_preferred_to_a_weak_forwards_one(
    head_of, examples, rescored
):
    given = rescored(
        examples, backwards=-examples.quality, weak=examples.evidence.scores[NAMED].to_numpy()
    )
    assert head_of("isotonic").fit(given, seed=0).score == "weak"


def test_no_score_to_choose_is_an_error(head_of, examples, rescored):
    hopeless = rescored(examples, constant=np.zeros(60), undefined=np.full(60, np.nan))
    with pytest.raises(DicecastError, match="Name a score"):
        head_of("isotonic").fit(hopeless, seed=0)


def test_equal_quality_of_all_cases_leaves_nothing_to_choose_by(head_of, examples):
    same = dataclasses.replace(examples, quality=np.full(60, 0.5))
    with pytest.raises(DicecastError, match="same for all cases"):
        head_of("isotonic").fit(same, seed=0)
    fitted = head_of("isotonic", score=NAMED).fit(same, seed=0)
    np.testing.assert_allclose(fitted.predict(same.evidence), 0.5)


def test_an_unknown_score_gets_a_suggestion(head_of, examples):
    head = head_of("isotonic", score="predictive_entropy/boundry")
    with pytest.raises(DicecastError, match=f"Did you mean '{NAMED}'"):
        head.fit(examples, seed=0)


def test_a_named_score_that_is_undefined_for_cases_is_an_error(head_of, examples):
    with pytest.raises(DicecastError, match="undefined for 9 of 60 cases"):
        head_of("isotonic", score="volume_variation").fit(examples, seed=0)


def test_a_score_undefined_for_a_case_leaves_the_head_undefined(head_of, examples, rescored):
    fitted = head_of("isotonic", score=NAMED).fit(examples, seed=0)
    values = np.linspace(0, 1, 60)
    values[[0, 7]] = np.nan
    evidence = rescored(examples, predictive_entropy__boundary=values).evidence
    with pytest.raises(DicecastError, match="undefined for 2 of 60 cases"):
        fitted.predict(evidence)


def test_no_case_gives_no_prediction(head_of, examples):
    nothing = examples.evidence.take(np.arange(0))
    assert head_of("isotonic").fit(examples, seed=0).predict(nothing).shape == (0,)


def test_a_named_score_is_in_the_name_of_the_row(head_of):
    assert head_of("isotonic", score=NAMED).score_name == f"isotonic/{NAMED}"


def test_integer_scores_are_taken(head_of, examples, rescored):
    ranks = pd.Series(examples.quality).rank().to_numpy().astype(np.int64)
    fitted = head_of("isotonic").fit(rescored(examples, rank=ranks), seed=0)
    predicted = fitted.predict(rescored(examples, rank=ranks).evidence)
    np.testing.assert_allclose(np.sort(predicted), np.sort(examples.quality))
