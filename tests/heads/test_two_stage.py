from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dicecast.data.cases import Cases
from dicecast.errors import DicecastError
from dicecast.heads.contract import Evidence, Examples
from dicecast.heads.images import held_back, stacked
from dicecast.plugins import heads
from dicecast.training.trainer import Trained

TwoStage: Any = heads.get("two_stage")
MODULE: Any = sys.modules[TwoStage.__module__]
INPUTS = ["image+mask+map", "image+mask", "mask+map", "image"]


@pytest.fixture(scope="module")
def known() -> Examples:
    """Sixty cases of 16x16 whose quality is the mean of the map."""
    levels = np.linspace(0.1, 0.9, 60)[np.random.default_rng(3).permutation(60)]
    noise = np.random.default_rng(4).normal(0, 0.05, (60, 16, 16))
    uncertainty = np.clip(levels[:, None, None] + noise, 0, 1).astype(np.float32)
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (60, 16, 16, 1)).astype(np.uint8)
    masks = np.zeros((60, 16, 16), np.uint8)
    for mask, side in zip(masks, rng.integers(0, 14, 60), strict=True):
        mask[2 : 2 + side, 2 : 2 + side] = 1
    names = [f"case{number}" for number in range(60)]
    nothing = pd.DataFrame(index=range(60))
    evidence = Evidence(images, masks, uncertainty, nothing, nothing, 2)
    table = pd.DataFrame({"stem": names, "group": names, "domain": "in_distribution"})
    quality = uncertainty.mean(axis=(1, 2)).astype(np.float64)
    return Examples(evidence, quality, masks, names, Cases(table, images, masks))


@pytest.fixture(scope="module")
def fitted(known: Examples) -> Callable[..., Any]:
    kept: dict[Any, Any] = {}

    def fit(inputs: str, seed: int = 0) -> Any:
        if (inputs, seed) not in kept:
            kept[inputs, seed] = TwoStage(inputs=inputs, width=4, epochs=3).fit(known, seed)
        return kept[inputs, seed]

    return fit


def test_all_variants_have_one_network_and_as_many_weights(fitted: Callable[..., Any]) -> None:
    models = [fitted(inputs) for inputs in INPUTS]
    assert len({id(model.task.network) for model in models}) == 1
    shapes = [[weight.shape for weight in model.weights] for model in models]
    assert all(shape == shapes[0] for shape in shapes)


def test_inputs_are_image_one_hot_mask_and_map_with_zeros_for_what_is_withheld(
    known: Examples,
) -> None:
    evidence = known.evidence
    whole = stacked(evidence, "image+mask+map")
    assert whole.shape == (60, 16, 16, 1 + 2 + 1)
    np.testing.assert_allclose(whole[..., :1], evidence.images / 255.0, rtol=1e-6)
    np.testing.assert_array_equal(whole[..., 1], evidence.masks == 0)
    np.testing.assert_array_equal(whole[..., 2], evidence.masks == 1)
    np.testing.assert_array_equal(whole[..., 3], evidence.uncertainty)
    shown = {"image": [0], "image+mask": [0, 1, 2], "mask+map": [1, 2, 3]}
    for inputs, channels in shown.items():
        part = stacked(evidence, inputs)
        np.testing.assert_array_equal(part[..., channels], whole[..., channels])
        assert not np.delete(part, channels, axis=-1).any()


@pytest.mark.parametrize("inputs", INPUTS)
def test_what_is_withheld_has_no_influence_and_what_is_shown_has(
    fitted: Callable[..., Any], known: Examples, inputs: str
) -> None:
    evidence, model = known.evidence, fitted(inputs)
    rng = np.random.default_rng(9)
    other = {
        "image": {"images": rng.integers(0, 255, evidence.images.shape).astype(np.uint8)},
        "mask": {"masks": 1 - evidence.masks},
        "map": {"uncertainty": rng.random(evidence.uncertainty.shape, dtype=np.float32)},
    }
    before = model.predict(evidence)
    for part, change in other.items():
        after = model.predict(dataclasses.replace(evidence, **change))
        assert (after == before).all() == (part not in inputs.split("+")), part


def test_the_seed_decides_the_prediction(known: Examples, fitted: Callable[..., Any]) -> None:
    first = fitted("image").predict(known.evidence)
    again = TwoStage(inputs="image", width=4, epochs=3).fit(known, 0).predict(known.evidence)
    np.testing.assert_array_equal(first, again)
    assert (fitted("image", seed=1).predict(known.evidence) != first).any()


def test_predictions_lie_between_0_and_1_and_do_not_depend_on_the_batch(
    known: Examples, fitted: Callable[..., Any]
) -> None:
    model = fitted("image+mask+map")
    whole = model.predict(known.evidence)
    assert whole.shape == (60,)
    assert whole.dtype == np.float64
    assert ((whole >= 0) & (whole <= 1)).all()
    rows = np.array([8, 3, 50])
    np.testing.assert_allclose(model.predict(known.evidence.take(rows)), whole[rows], atol=1e-5)


def test_an_easy_relation_is_learned_from_the_map_and_not_without_it(known: Examples) -> None:
    train = np.arange(60) % 4 != 0
    examples = dataclasses.replace(
        known,
        evidence=known.evidence.take(np.flatnonzero(train)),
        quality=known.quality[train],
        groups=[group for group, kept in zip(known.groups, train, strict=True) if kept],
    )
    unseen, truth = known.evidence.take(np.flatnonzero(~train)), known.quality[~train]

    def error(inputs: str) -> float:
        head = TwoStage(inputs=inputs, width=4, epochs=60, learning_rate=0.01)
        return float(np.abs(head.fit(examples, 0).predict(unseen) - truth).mean())

    constant = np.abs(truth - examples.quality.mean()).mean()
    assert error("mask+map") < 0.4 * constant
    assert error("image") > 0.7 * constant


def test_patients_are_held_back_whole(known: Examples) -> None:
    groups = [f"patient{number % 10}" for number in range(60)]

    def held_of(names: list[str], seed: int) -> np.ndarray:
        return held_back("two_stage", dataclasses.replace(known, groups=names), seed)

    held = held_of(groups, 0)
    inside = {group for group, out in zip(groups, held, strict=True) if out}
    outside = {group for group, out in zip(groups, held, strict=True) if not out}
    assert len(inside) == 2
    assert not inside & outside
    assert (held_of(groups, 1) != held).any()
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_array_equal(held_of([groups[i] for i in order], 0), held[order])


@pytest.mark.parametrize("kind", ["moved", "under_trained", "moved+under_trained"])
def test_worse_masks_are_trained_on_beside_the_examples(
    known: Examples, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(MODULE, "train", lambda *a: seen.append(a) or Trained(a[1], [], []))
    head = TwoStage(worse_masks=kind, width=4, epochs=1)
    head.fit(known, 0)
    TwoStage(width=4, epochs=1).fit(known, 0)
    (with_more, held), (plain, held_plain) = (call[2] for call in seen)
    copies = {"moved": 1, "under_trained": 3}
    factor = 1 + sum(copies[name] for name in kind.split("+"))
    assert len(with_more.inputs) == len(with_more.targets) == factor * len(plain.inputs)
    np.testing.assert_array_equal(with_more.inputs[: len(plain.inputs)], plain.inputs[:])
    np.testing.assert_array_equal(held.inputs[:], held_plain.inputs[:])
    assert head.score_name == f"two_stage/image+mask+map/{kind}"


def test_the_best_epoch_is_chosen_on_patients_that_are_not_trained_on(
    known: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = [f"patient{number % 10}" for number in range(60)]
    seen: list[Any] = []
    monkeypatch.setattr(MODULE, "train", lambda *a: seen.append(a) or Trained(a[1], [], []))
    TwoStage(width=4, epochs=1).fit(dataclasses.replace(known, groups=groups), 0)
    learning, choosing = seen[0][2]
    patient = dict(zip(known.quality.astype(np.float32).tolist(), groups, strict=True))
    trained_on = {patient[value] for value in learning.targets.tolist()}
    chosen_by = {patient[value] for value in choosing.targets.tolist()}
    assert len(trained_on) == 8
    assert len(chosen_by) == 2
    assert not trained_on & chosen_by
    assert len(learning.inputs) == len(learning.targets) == 48


def test_too_few_patients_are_an_error(known: Examples) -> None:
    few = dataclasses.replace(known, groups=[f"patient{number % 4}" for number in range(60)])
    with pytest.raises(DicecastError, match=r"at least 5 patients; got 4"):
        TwoStage(width=4, epochs=1).fit(few, 0)


@pytest.mark.parametrize(
    "settings",
    [{"width": 0}, {"epochs": 0}, {"learning_rate": 0.0}, {"inputs": "mask"}, {"epochs": 1.5}],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(DicecastError, match="two_stage"):
        heads.create("two_stage", settings)


def test_the_rows_of_the_variants_differ() -> None:
    assert len({TwoStage(inputs=inputs).score_name for inputs in INPUTS}) == 4


def test_images_too_small_for_four_poolings_are_an_error(known: Examples) -> None:
    evidence = dataclasses.replace(
        known.evidence,
        images=known.evidence.images[:, :8, :8],
        masks=known.evidence.masks[:, :8, :8],
        uncertainty=known.evidence.uncertainty[:, :8, :8],
    )
    with pytest.raises(DicecastError, match="at least 16 pixels"):
        TwoStage().fit(dataclasses.replace(known, evidence=evidence), 0)
