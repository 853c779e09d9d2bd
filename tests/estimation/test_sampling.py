from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from keras import ops

from dicecast.errors import PluginError
from dicecast.estimation.contract import Predictive
from dicecast.estimation.prediction import Prediction
from dicecast.estimation.sampling import Sampler
from dicecast.harness.predicting import _own_map
from dicecast.networks.noise import Noise

CLASSES, DRAWS = 3, 5
COUNTS = ("overlap", "intersection", "union", "with_consensus", "consensus_volume")
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (11, 4, 6, 3)).astype(np.uint8)
MIX = RNG.normal(0, 2, (DRAWS, 3, CLASSES)).astype(np.float32)


class ByIndex(Predictive):
    """Draw ``i`` is the softmax of the pixel times the ``i``-th matrix, plus noise if wanted."""

    num_draws = DRAWS
    state = MIX

    def __init__(self, noisy: bool = False) -> None:
        self.noisy = noisy

    def draw(self, state: Any, prepared: Any, noise: Noise) -> Any:
        logits = ops.matmul(prepared, ops.take(state, noise.index, axis=0))
        if self.noisy:
            logits = logits + noise.normal("logits", tuple(logits.shape), "float32")
        return ops.softmax(logits)

    def maps(self, state: Any, prepared: Any) -> dict[str, Any]:
        return {"own": ops.mean(prepared, axis=-1)}


def explicit_draws() -> np.ndarray:
    logits = (IMAGES / 255.0)[None] @ MIX[:, None, None].astype(np.float64)
    exponential = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponential / exponential.sum(axis=-1, keepdims=True)


def predict(
    predictive: Predictive, images: np.ndarray = IMAGES, seed: int = 0, batch_size: int = 32
) -> Prediction:
    """Return the predictions of all batches as one."""
    parts = list(Sampler(CLASSES, batch_size=batch_size).predict(predictive, images, seed))
    assert [len(part.mask) for part in parts[:-1]] == [batch_size] * (len(parts) - 1)
    joined = {name: np.concatenate([p.maps[name] for p in parts]) for name in parts[0].maps}
    agreement = parts[0].agreement
    if agreement is not None:
        agreement = type(agreement)(
            *(np.concatenate([getattr(p.agreement, f) for p in parts]) for f in COUNTS),
            ordered=agreement.ordered,
        )
    return Prediction(
        np.concatenate([p.mean_probabilities for p in parts]),
        np.concatenate([p.mask for p in parts]),
        joined,
        agreement,
    )


def assert_equal(one: Prediction, other: Prediction, atol: float = 1e-6) -> None:
    np.testing.assert_allclose(one.mean_probabilities, other.mean_probabilities, atol=atol)
    np.testing.assert_array_equal(one.mask, other.mask)
    assert one.maps.keys() == other.maps.keys()
    for name, values in one.maps.items():
        np.testing.assert_allclose(values, other.maps[name], atol=atol, err_msg=name)
    for field in COUNTS:
        np.testing.assert_array_equal(
            getattr(one.agreement, field), getattr(other.agreement, field)
        )


@pytest.fixture(scope="module")
def whole() -> Prediction:
    return predict(ByIndex())


def test_mean_mask_and_types(whole: Prediction) -> None:
    mean = explicit_draws().mean(axis=0)
    np.testing.assert_allclose(whole.mean_probabilities, mean, atol=1e-6)
    np.testing.assert_array_equal(whole.mask, mean.argmax(axis=-1))
    assert whole.mean_probabilities.dtype == np.float32
    assert whole.mask.dtype == np.uint8
    assert {values.dtype for values in whole.maps.values()} == {np.dtype("float32")}


def test_maps_are_those_of_the_explicit_draws(whole: Prediction) -> None:
    draws, unit = explicit_draws(), np.log(CLASSES)
    mean = draws.mean(axis=0)
    total = -(mean * np.log(mean)).sum(axis=-1) / unit
    expected = -(draws * np.log(draws)).sum(axis=-1).mean(axis=0) / unit
    cross = -(mean * np.log(draws).mean(axis=0)).sum(axis=-1) / unit
    ranked = np.sort(mean, axis=-1)
    votes = [(draws.argmax(axis=-1) == label).mean(axis=0) for label in range(CLASSES)]
    truth = {
        "max_softmax": 1 - mean.max(axis=-1),
        "predictive_entropy": total,
        "expected_entropy": expected,
        "mutual_information": total - expected,
        "variance": draws.var(axis=0).mean(axis=-1),
        "expected_pairwise_kl": cross - expected,
        "reverse_mutual_information": cross - total,
        "variation_ratio": 1 - np.max(votes, axis=0),
        "margin": 1 - ranked[..., -1] + ranked[..., -2],
        "own": IMAGES.mean(axis=-1) / 255.0,
    }
    assert whole.maps.keys() == truth.keys()
    for name, values in whole.maps.items():
        np.testing.assert_allclose(values, truth[name], atol=3e-6, err_msg=name)


def test_agreement_is_counted_over_all_pairs_of_masks(whole: Prediction) -> None:
    masks = explicit_draws().argmax(axis=-1)
    assert whole.agreement is not None
    for case, place in product(range(len(IMAGES)), range(CLASSES - 1)):
        chosen = [mask[case] == place + 1 for mask in masks]
        for i, j in product(range(DRAWS), repeat=2):
            counted = np.logical_and(chosen[i], chosen[j]).sum()
            assert whole.agreement.overlap[case, place, i, j] == counted
        everywhere = np.logical_and.reduce(chosen).sum()
        anywhere = np.logical_or.reduce(chosen).sum()
        assert whole.agreement.intersection[case, place] == everywhere
        assert whole.agreement.union[case, place] == anywhere
        common = whole.mask[case] == place + 1
        assert whole.agreement.consensus_volume[case, place] == common.sum()
        shared = [np.logical_and(draw, common).sum() for draw in chosen]
        assert whole.agreement.with_consensus[case, place].tolist() == shared


def test_draws_are_in_order_where_the_predictive_says_so(whole: Prediction) -> None:
    predictive = ByIndex()
    predictive.ordered_draws = True
    assert predict(predictive).agreement.ordered
    assert not whole.agreement.ordered


@pytest.mark.parametrize("batch_size", [1, 3, 8, 32])
@pytest.mark.parametrize("noisy", [False, True])
def test_the_batch_size_does_not_matter(batch_size: int, noisy: bool) -> None:
    assert_equal(predict(ByIndex(noisy), batch_size=batch_size), predict(ByIndex(noisy)))


def test_the_order_of_the_cases_does_not_matter() -> None:
    order = np.random.default_rng(1).permutation(len(IMAGES))
    forward = predict(ByIndex(noisy=True), batch_size=4)
    shuffled = predict(ByIndex(noisy=True), IMAGES[order], batch_size=4)
    np.testing.assert_allclose(
        shuffled.mean_probabilities, forward.mean_probabilities[order], atol=1e-6
    )
    np.testing.assert_array_equal(shuffled.agreement.overlap, forward.agreement.overlap[order])


def test_the_seed_decides_the_draws() -> None:
    first, again, other = (predict(ByIndex(noisy=True), seed=s) for s in (3, 3, 4))
    assert_equal(first, again, atol=0.0)
    assert np.abs(first.mean_probabilities - other.mean_probabilities).max() > 1e-3


def test_a_single_draw_has_no_measures_that_compare_draws() -> None:
    predictive = ByIndex()
    predictive.num_draws = 1
    single = predict(predictive)
    assert single.maps.keys() == {"max_softmax", "margin", "predictive_entropy", "own"}
    assert single.agreement is None
    np.testing.assert_allclose(single.mean_probabilities, explicit_draws()[0], atol=1e-6)


def test_without_measures_from_draws_there_are_own_maps_alone() -> None:
    predictive = ByIndex()
    predictive.measures_from_draws = False
    prediction = predict(predictive)
    assert prediction.maps.keys() == {"own"}
    assert prediction.agreement is None


def test_predictives_with_one_graph_key_share_a_trace_and_not_their_state() -> None:
    traces = []

    class Keyed(ByIndex):
        graph_key = "shared"

        def __init__(self, state: np.ndarray) -> None:
            super().__init__()
            self.state = state

        def prepare(self, state: Any, images: Any) -> Any:
            traces.append(1)
            return images

    sampler = Sampler(CLASSES)
    (one,) = sampler.predict(Keyed(MIX), IMAGES, 0)
    (other,) = sampler.predict(Keyed(MIX[::-1].copy() * 2), IMAGES, 0)
    (again,) = sampler.predict(Keyed(MIX), IMAGES, 0)
    assert len(traces) == 1
    np.testing.assert_array_equal(one.mean_probabilities, again.mean_probabilities)
    assert np.abs(one.mean_probabilities - other.mean_probabilities).max() > 0.01


def test_predictives_without_a_key_share_nothing() -> None:
    sampler = Sampler(CLASSES)

    class Constant(Predictive):
        def __init__(self, label: int) -> None:
            self.label = label

        def draw(self, state: Any, prepared: Any, noise: Noise) -> Any:
            return ops.one_hot(ops.full(prepared.shape[:3], self.label, dtype="int32"), CLASSES)

    for label in (0, 2, 1):
        # Nothing but the sampler holds the predictive, so its id could be given away.
        (prediction,) = sampler.predict(Constant(label), IMAGES, 0)
        assert (prediction.mask == label).all()


class Broken(Predictive):
    def __init__(self, values: Any, maps: Any = None) -> None:
        self.values, self.own = values, maps or (lambda prepared: {})

    def draw(self, state: Any, prepared: Any, noise: Noise) -> Any:
        return self.values(prepared)

    def maps(self, state: Any, prepared: Any) -> dict[str, Any]:
        return self.own(prepared)


def uniform(prepared: Any, classes: int = CLASSES) -> Any:
    return ops.full((*prepared.shape[:3], classes), 1.0 / classes)


@pytest.mark.parametrize(
    ("predictive", "message"),
    [
        (Broken(lambda p: uniform(p, 2)), r"Broken.*shape \(32, 4, 6, 3\).*got \(32, 4, 6, 2\)"),
        (Broken(lambda p: uniform(p)[:, :2]), r"shape \(32, 4, 6, 3\).*got \(32, 2, 6, 3\)"),
        (Broken(lambda p: uniform(p) * np.nan), r"Broken gives NaN or infinite probabilities"),
        (Broken(lambda p: p * 4.0 - 2.0), r"class probabilities.*Apply a softmax"),
        (Broken(lambda p: uniform(p) * 2.0), r"sums from 2 to 2"),
        (
            Broken(uniform, lambda p: {"mine": p}),
            r"maps\(\)\['mine'\].*shape \(32, 4, 6\).*got \(32, 4, 6, 3\)",
        ),
        (
            Broken(uniform, lambda p: {"mine": p[..., 0] * np.inf}),
            r"Broken: the map 'mine' has NaN or infinite values",
        ),
    ],
    ids=["classes", "height", "nan", "negative", "sums", "map-shape", "map-nan"],
)
def test_a_broken_contract_is_named(predictive: Predictive, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        predict(predictive)


def test_a_predictive_without_draw_says_what_to_define() -> None:
    with pytest.raises(NotImplementedError, match=r"Predictive must define draw"):
        predict(Predictive())


def test_an_own_map_that_is_neither_given_nor_a_measure_is_named() -> None:
    predictive = ByIndex()
    predictive.own_map = "min"
    with pytest.raises(PluginError, match=r"ByIndex\.own_map is 'min'"):
        _own_map(predict(predictive), predictive)
    for name in ("own", "variance"):
        predictive.own_map = name
        prediction = predict(predictive)
        np.testing.assert_array_equal(_own_map(prediction, predictive), prediction.maps[name])


@pytest.mark.parametrize("batch_size", [3, 32])
def test_the_masks_of_the_first_draws_are_kept_on_request(batch_size: int) -> None:
    sampler = Sampler(CLASSES, batch_size=batch_size)
    kept = [part.draw_masks for part in sampler.predict(ByIndex(), IMAGES, 0, keep_masks=3)]
    expected = explicit_draws()[:3].argmax(axis=-1).swapaxes(0, 1)
    np.testing.assert_array_equal(np.concatenate(kept), expected)
    assert all(part.draw_masks is None for part in sampler.predict(ByIndex(), IMAGES, 0))
