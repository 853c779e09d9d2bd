from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from scipy.special import logsumexp, softmax

from dicecast.estimation.measures import LOGIT_MEASURES, MEASURES, Moments
from dicecast.networks.probabilities import classes_first, entropy, log, most_likely

ATOL = 2e-6
"""Float32 sums of numbers of order 1; logarithms down to ln(1e-10) scale it for the EPKL."""


def random_draws(draws: int, classes: int, seed: int, sharpness: float = 2.0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, sharpness, (draws, 2, 3, 4, classes))
    exponential = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (exponential / exponential.sum(axis=-1, keepdims=True)).astype(np.float32)


def moments_of(draws: np.ndarray) -> Moments:
    planes = [classes_first(ops.convert_to_tensor(draw)) for draw in draws]
    each = [Moments.of_draw(plane, most_likely(plane)) for plane in planes]
    sums = Moments.zeros(tuple(planes[0].shape))
    for moments in each:
        sums = Moments(*(one + other for one, other in zip(sums, moments, strict=True)))
    return Moments(*(total / len(each) for total in sums))


def computed(draws: np.ndarray) -> dict[str, np.ndarray]:
    moments = moments_of(draws)
    return {name: ops.convert_to_numpy(m.function(moments)) for name, m in MEASURES.items()}


def by_hand(draws: np.ndarray) -> dict[str, np.ndarray]:
    """From the definitions over explicit draws and pairs of draws, in double precision."""
    draws = draws.astype(np.float64)
    classes, unit = draws.shape[-1], np.log(draws.shape[-1])
    mean = draws.mean(axis=0)

    def nats(p: np.ndarray) -> np.ndarray:
        return -np.sum(np.where(p > 0, p * np.log(np.maximum(p, 1e-300)), 0.0), axis=-1)

    def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return np.sum(p * (np.log(p) - np.log(q)), axis=-1)

    pairs = [divergence(p, q) for p in draws for q in draws]
    ranked = np.sort(mean, axis=-1)
    votes = np.stack([(draws.argmax(axis=-1) == c).mean(axis=0) for c in range(classes)])
    return {
        "max_softmax": 1 - mean.max(axis=-1),
        "margin": 1 - (ranked[..., -1] - ranked[..., -2]),
        "predictive_entropy": nats(mean) / unit,
        "expected_entropy": np.mean([nats(p) for p in draws], axis=0) / unit,
        "mutual_information": np.mean([divergence(p, mean) for p in draws], axis=0) / unit,
        "variance": sum(draws[..., c].var(axis=0) for c in range(classes)) / classes,
        "expected_pairwise_kl": np.mean(pairs, axis=0) / unit,
        "reverse_mutual_information": np.mean([divergence(mean, p) for p in draws], axis=0) / unit,
        "variation_ratio": 1 - votes.max(axis=0),
    }


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("draws", [2, 7])
def test_measures_are_their_definitions(draws: int, classes: int) -> None:
    explicit = random_draws(draws, classes, seed=draws * classes)
    expected = by_hand(explicit)
    assert computed(explicit).keys() == expected.keys()
    for name, values in computed(explicit).items():
        assert values.shape == (2, 3, 4)
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=ATOL, err_msg=name)


@given(st.integers(2, 6), st.integers(2, 5), st.integers(0, 10**6), st.floats(0.1, 15))
@settings(max_examples=30, deadline=None)
def test_measures_stay_in_their_bounds(
    draws: int, classes: int, seed: int, sharpness: float
) -> None:
    maps = computed(random_draws(draws, classes, seed, sharpness))
    for name, values in maps.items():
        assert values.min() >= -ATOL, name
        if name not in ("expected_pairwise_kl", "reverse_mutual_information"):
            assert values.max() <= 1 + ATOL, name
    assert maps["max_softmax"].max() < 1
    assert maps["variance"].max() <= 0.25 + ATOL
    assert (maps["mutual_information"] <= maps["predictive_entropy"] + ATOL).all()
    total = maps["mutual_information"] + maps["expected_entropy"]
    np.testing.assert_allclose(total, maps["predictive_entropy"], atol=5e-6)
    both_ways = maps["mutual_information"] + maps["reverse_mutual_information"]
    np.testing.assert_allclose(maps["expected_pairwise_kl"], both_ways, atol=2e-5)
    assert maps["variation_ratio"].max() <= 1 - 1 / min(draws, classes) + ATOL


@pytest.mark.parametrize("draws", [1, 2, 9])
def test_identical_draws_do_not_disagree(draws: int) -> None:
    one = random_draws(1, 3, seed=4)
    maps = computed(np.repeat(one, draws, axis=0))
    compared = {name for name, measure in MEASURES.items() if measure.least_draws > 1}
    for name in compared - {"expected_entropy"}:
        np.testing.assert_allclose(maps[name], 0.0, atol=ATOL, err_msg=name)
    np.testing.assert_allclose(maps["expected_entropy"], maps["predictive_entropy"], atol=ATOL)


def test_extreme_draws_have_the_extreme_values() -> None:
    certain = np.zeros((2, 1, 1, 1, 2), np.float32)
    certain[0, ..., 0] = certain[1, ..., 1] = 1.0
    maps = {name: float(values.item()) for name, values in computed(certain).items()}
    assert maps["max_softmax"] == maps["variation_ratio"] == 0.5
    assert maps["margin"] == 1.0
    assert maps["predictive_entropy"] == pytest.approx(1.0)
    assert maps["expected_entropy"] == pytest.approx(0.0, abs=1e-6)
    assert maps["mutual_information"] == pytest.approx(1.0)
    assert maps["variance"] == pytest.approx(0.25)
    # Half of the pairs are opposite: -ln(1e-10) / ln 2, once for each of two orders, over 4 pairs.
    infinite = np.log(1e10) / np.log(2) / 2
    assert maps["expected_pairwise_kl"] == pytest.approx(infinite, rel=1e-5)
    assert maps["reverse_mutual_information"] == pytest.approx(infinite - 1.0, rel=1e-5)


def test_votes_are_counted_beyond_a_byte() -> None:
    certain = np.zeros((400, 1, 1, 1, 2), np.float32)
    certain[:300, ..., 1] = certain[300:, ..., 0] = 1.0
    assert computed(certain)["variation_ratio"].item() == pytest.approx(0.25)


@pytest.mark.parametrize("classes", [2, 4])
def test_energy_is_the_softmax_of_a_class_whose_logit_is_0(classes: int) -> None:
    logits = np.random.default_rng(0).normal(0, 4, (2, 3, 4, classes)).astype(np.float32)
    energy = LOGIT_MEASURES["energy"](classes_first(ops.convert_to_tensor(logits)))
    beside_0 = np.concatenate([logits, np.zeros((2, 3, 4, 1))], axis=-1)
    np.testing.assert_allclose(energy, softmax(beside_0, axis=-1)[..., -1], rtol=1e-5)
    order = np.argsort(-logsumexp(logits, axis=-1).ravel())
    assert (np.diff(np.asarray(energy).ravel()[order]) >= 0).all()


def test_a_probability_of_zero_is_finite() -> None:
    assert np.isfinite(float(log(ops.convert_to_tensor(0.0))))
    for probability, expected in (([1.0, 0.0], 0.0), ([0.25] * 4, 1.0)):
        tensor = ops.convert_to_tensor(probability)
        assert float(entropy(tensor, log(tensor))) == pytest.approx(expected, abs=1e-6)


def test_measures_that_compare_draws_need_two() -> None:
    single = {name for name, measure in MEASURES.items() if measure.least_draws == 1}
    assert single == {"max_softmax", "margin", "predictive_entropy"}
    assert {measure.least_draws for measure in MEASURES.values()} == {1, 2}
