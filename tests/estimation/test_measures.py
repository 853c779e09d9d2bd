from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from dicecast.estimation.measures import MEASURES, Moments
from dicecast.networks.probabilities import entropy, log

ATOL = 2e-6
"""Float32 sums of numbers of order 1; logarithms down to ln(1e-10) scale it for the EPKL."""


def random_draws(draws: int, classes: int, seed: int, sharpness: float = 2.0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, sharpness, (draws, 2, 3, 4, classes))
    exponential = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (exponential / exponential.sum(axis=-1, keepdims=True)).astype(np.float32)


def moments_of(draws: np.ndarray) -> Moments:
    each = [Moments.of_draw(ops.moveaxis(draw, -1, 0)) for draw in draws]
    return Moments(*(sum(values) / len(each) for values in zip(*each, strict=True)))


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
    return {
        "max_softmax": 1 - mean.max(axis=-1),
        "predictive_entropy": nats(mean) / unit,
        "expected_entropy": np.mean([nats(p) for p in draws], axis=0) / unit,
        "mutual_information": np.mean([divergence(p, mean) for p in draws], axis=0) / unit,
        "variance": sum(draws[..., c].var(axis=0) for c in range(classes)) / classes,
        "expected_pairwise_kl": np.mean(pairs, axis=0) / unit,
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
        if name != "expected_pairwise_kl":
            assert values.max() <= 1 + ATOL, name
    assert maps["max_softmax"].max() < 1
    assert maps["variance"].max() <= 0.25 + ATOL
    assert (maps["mutual_information"] <= maps["predictive_entropy"] + ATOL).all()
    total = maps["mutual_information"] + maps["expected_entropy"]
    np.testing.assert_allclose(total, maps["predictive_entropy"], atol=5e-6)
    # Their difference is the reverse mutual information, a divergence.
    assert (maps["expected_pairwise_kl"] - maps["mutual_information"]).min() >= -1e-5


@pytest.mark.parametrize("draws", [1, 2, 9])
def test_identical_draws_do_not_disagree(draws: int) -> None:
    one = random_draws(1, 3, seed=4)
    maps = computed(np.repeat(one, draws, axis=0))
    for name in ("mutual_information", "variance", "expected_pairwise_kl"):
        np.testing.assert_allclose(maps[name], 0.0, atol=ATOL, err_msg=name)
    np.testing.assert_allclose(maps["expected_entropy"], maps["predictive_entropy"], atol=ATOL)


def test_extreme_draws_have_the_extreme_values() -> None:
    certain = np.zeros((2, 1, 1, 1, 2), np.float32)
    certain[0, ..., 0] = certain[1, ..., 1] = 1.0
    maps = {name: float(values.item()) for name, values in computed(certain).items()}
    assert maps["max_softmax"] == 0.5
    assert maps["predictive_entropy"] == pytest.approx(1.0)
    assert maps["expected_entropy"] == pytest.approx(0.0, abs=1e-6)
    assert maps["mutual_information"] == pytest.approx(1.0)
    assert maps["variance"] == pytest.approx(0.25)
    # Half of the pairs are opposite: -ln(1e-10) / ln 2, once for each of two orders, over 4 pairs.
    assert maps["expected_pairwise_kl"] == pytest.approx(np.log(1e10) / np.log(2) / 2, rel=1e-5)


def test_a_probability_of_zero_is_finite() -> None:
    assert np.isfinite(float(log(ops.convert_to_tensor(0.0))))
    for probability, expected in (([1.0, 0.0], 0.0), ([0.25] * 4, 1.0)):
        tensor = ops.convert_to_tensor(probability)
        assert float(entropy(tensor, log(tensor))) == pytest.approx(expected, abs=1e-6)


def test_measures_that_compare_draws_need_two() -> None:
    single = {name for name, measure in MEASURES.items() if measure.least_draws == 1}
    assert single == {"max_softmax", "predictive_entropy"}
    assert {measure.least_draws for measure in MEASURES.values()} == {1, 2}
