from __future__ import annotations

import dataclasses
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from dicecast.errors import DicecastError
from dicecast.heads.contract import IntervalHead
from dicecast.heads.margins import conformal_margin, least_cases, widened
from dicecast.heads.patients import examples_at, patient_cut
from dicecast.identity import describe, hash_of

METHODS = ["split", "cqr"]
LEVEL = 0.9


@pytest.fixture
def wrapped(head_of):
    return lambda head="isotonic", **fields: head_of("conformal", head=head, **fields)


@pytest.fixture
def spread(examples_of, rescored):
    """Cases whose quality scatters the more, the lower the score."""

    def make(cases=120, seed=0):
        rng = np.random.default_rng(seed)
        score = rng.random(cases)
        quality = np.clip(0.3 + 0.6 * score + 0.25 * (1 - score) * rng.normal(size=cases), 0, 1)
        known = dataclasses.replace(examples_of(cases, seed), quality=quality)
        return rescored(known, score=score)

    return make


def test_the_margin_is_the_stated_order_statistic():
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 51.0))
    assert conformal_margin(scores, 0.9) == math.ceil(51 * 0.9)
    assert conformal_margin(scores, 0.5) == 26


@pytest.mark.parametrize("level", [0.5, 0.55, 0.7, 0.8, 0.9, 0.95, 0.99])
def test_the_least_number_of_cases_is_the_least(level):
    needed = least_cases(level)
    exact = Fraction(str(level))
    enough = (n for n in itertools.count(1) if math.ceil((n + 1) * exact) <= n)
    assert needed == next(enough)
    assert conformal_margin(np.arange(float(needed)), level) == needed - 1
    with pytest.raises(DicecastError, match=f"at least {needed} cases .* got {needed - 1}"):
        conformal_margin(np.arange(needed - 1.0), level)


def test_a_new_score_is_below_the_margin_as_often_as_is_stated():
    rng = np.random.default_rng(1)
    scores = rng.random((20_000, 20))
    held = [new <= conformal_margin(known, LEVEL) for *known, new in scores.tolist()]
    # Of 19 known scores the 18th: exactly 0.9, with a standard error of 0.002.
    assert np.mean(held) == pytest.approx(0.9, abs=0.008)


def test_intervals_are_widened_within_the_range_of_the_quality():
    low, high = np.array([0.1, 0.6, 0.9]), np.array([0.3, 0.5, 0.95])
    np.testing.assert_allclose(widened(low, high, 0.2), [[0, 0.5], [0.3, 0.8], [0.7, 1]])
    np.testing.assert_allclose(widened(low, high, -0.06), [[0.16, 0.24], [0.55] * 2, [0.925] * 2])


@pytest.mark.parametrize(("method", "draws"), [("split", 200), ("cqr", 40)])
def test_coverage_of_new_cases_over_draws_of_the_examples_is_the_level(
    spread, wrapped, method, draws
):
    """Each draw's coverage has a standard deviation of 0.04: 0.02 is three standard errors."""
    head = wrapped(method=method, settings={"score": "score"})
    unseen = spread(1000, seed=10_000)
    covered = []
    for seed in range(draws):
        fitted = head.fit(spread(120, seed), seed)
        low, high = fitted.predict_interval(unseen.evidence).T
        covered.append(np.mean((low <= unseen.quality) & (unseen.quality <= high)))
    assert 0.88 <= np.mean(covered) <= 0.92
    assert np.std(covered) < 0.06


def test_split_is_the_prediction_with_one_margin(spread, wrapped):
    examples, unseen = spread(), spread(50, seed=1)
    fitted = wrapped(settings={"score": "score"}).fit(examples, seed=3)
    predicted = fitted.predict(unseen.evidence)
    assert fitted.margin > 0
    np.testing.assert_allclose(
        fitted.predict_interval(unseen.evidence),
        np.clip(np.stack([predicted - fitted.margin, predicted + fitted.margin], axis=1), 0, 1),
    )


def test_split_fits_on_some_patients_and_calibrates_on_the_others(spread, wrapped, head_of):
    examples = spread()
    groups = [f"patient{number // 3}" for number in range(120)]
    examples = dataclasses.replace(examples, groups=groups)
    fitted = wrapped(settings={"score": "score"}).fit(examples, seed=3)

    held = patient_cut(groups, 0.5, seed=3)
    assert not {groups[i] for i in np.flatnonzero(held)} & {
        groups[i] for i in np.flatnonzero(~held)
    }
    alone = head_of("isotonic", score="score").fit(examples_at(examples, ~held), seed=3)
    residuals = np.abs(alone.predict(examples.evidence) - examples.quality)[held]
    assert len(residuals) == 60
    assert fitted.margin == sorted(residuals)[math.ceil(61 * 0.9) - 1]
    np.testing.assert_array_equal(
        fitted.predict(examples.evidence), alone.predict(examples.evidence)
    )


def test_cqr_is_wider_where_the_quality_scatters_more(spread, wrapped):
    fitted = wrapped(method="cqr", settings={"score": "score"}).fit(spread(400), seed=0)
    unseen = spread(300, seed=1)
    widths = np.ptp(fitted.predict_interval(unseen.evidence), axis=1)
    score = unseen.evidence.scores["score"].to_numpy()
    assert widths[score < 0.3].mean() > 2 * widths[score > 0.8].mean()


@pytest.mark.parametrize("method", METHODS)
def test_intervals_lie_in_the_range_of_the_quality_and_cases_come_in_any_order(
    spread, wrapped, method
):
    evidence = spread(31, seed=1).evidence
    fitted = wrapped("forest", settings={"num_trees": 5}, method=method).fit(spread(), seed=0)
    ends = fitted.predict_interval(evidence)
    assert ends.shape == (31, 2)
    assert (ends[:, 0] >= 0).all() and (ends[:, 0] <= ends[:, 1]).all() and (ends[:, 1] <= 1).all()
    order = np.random.default_rng(0).permutation(31)
    np.testing.assert_allclose(fitted.predict_interval(evidence.take(order)), ends[order])
    assert isinstance(fitted, IntervalHead) and fitted.level == LEVEL


def test_the_order_of_the_examples_changes_nothing(spread, wrapped):
    examples = spread()
    order = np.random.default_rng(5).permutation(120)
    turned = dataclasses.replace(
        examples,
        evidence=examples.evidence.take(order),
        quality=examples.quality[order],
        truth=examples.truth[order],
        groups=[examples.groups[place] for place in order],
    )
    one, other = (wrapped(settings={"score": "score"}).fit(e, seed=0) for e in (examples, turned))
    assert one.margin == pytest.approx(other.margin, abs=1e-12)


def test_too_few_cases_name_how_many_are_needed(spread, wrapped):
    with pytest.raises(DicecastError, match="at least 9 cases to calibrate on; got 8"):
        wrapped(settings={"score": "score"}).fit(spread(16), seed=0)


def test_a_head_that_cannot_be_fitted_says_so_itself(spread, wrapped):
    with pytest.raises(DicecastError, match="has no 'absent'"):
        wrapped(settings={"score": "absent"}).fit(spread(), seed=0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"head": "forrest"}, "Did you mean 'forest'"),
        ({"settings": {"trees": 3}}, "no setting 'trees'"),
        ({"level": 1.0}, "between 0 and 1"),
        ({"calibration": 0.0}, "between 0 and 1"),
        ({"method": "jackknife"}, "method"),
    ],
)
def test_wrong_settings_are_refused(wrapped, fields, message):
    with pytest.raises(DicecastError, match=message):
        wrapped(**fields)


def test_it_is_named_after_the_head_and_known_by_its_source(wrapped):
    head = wrapped("forest", method="cqr", settings={"num_trees": 7})
    assert head.score_name == "conformal/cqr/forest"
    told = describe(head)
    assert (told["inner"]["class"], told["inner"]["num_trees"]) == ("Forest", 7)
    assert told["inner"]["code"] != told["code"]
    assert hash_of(head) != hash_of(wrapped("forest", method="cqr"))
