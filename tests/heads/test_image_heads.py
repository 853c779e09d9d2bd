"""Heads that are networks: each learns what it is made to learn."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keras import ops
from scipy import special, stats

from dicecast.errors import DicecastError
from dicecast.heads.autoencoder import divergence_from_standard
from dicecast.heads.contract import Examples
from dicecast.metrics.correlation import spearman
from dicecast.networks.noise import Noise
from dicecast.plugins import heads
from dicecast.training.objective import Step

MODULES: dict[str, Any] = {
    name: sys.modules[heads.get(name).__module__]
    for name in ("quality_and_error_map", "vae_alarm", "surrogate")
}
RNG = np.random.default_rng(0)
STEP = Step(np.float32(0.5), 8, ops.zeros(()), Noise(np.int32(0), np.int32(0), False))


@pytest.fixture(scope="module")
def discs(planted: Callable[..., Examples]) -> Examples:
    return planted()


def test_two_errors_are_squared_error_and_cross_entropy() -> None:
    logits = RNG.normal(size=(3, 4, 4, 1)).astype(np.float32)
    targets = np.zeros((3, 4, 4, 2), np.float32)
    targets[..., 0] = RNG.random((3, 4, 4)) < 0.4
    targets[..., 1] = np.array([0.1, 0.5, 0.9])[:, None, None]
    quality = np.array([0.3, 0.4, 1.0], np.float32)
    loss, _ = MODULES["quality_and_error_map"].TwoErrors(0.7)(
        {"logits": logits, "quality": quality}, targets, STEP, {}
    )
    p, wrong = special.expit(logits[..., 0].astype(float)), targets[..., 0]
    cross = -(wrong * np.log(p) + (1 - wrong) * np.log(1 - p)).mean()
    expected = ((quality - [0.1, 0.5, 0.9]) ** 2).mean() + 0.7 * cross
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_targets_say_where_and_how_much(examples: Examples) -> None:
    worse = np.roll(np.asarray(examples.evidence.masks), 1, axis=1)
    known = dataclasses.replace(
        examples, evidence=dataclasses.replace(examples.evidence, masks=worse)
    )
    targets = MODULES["quality_and_error_map"].TargetStack(known)[[5, 2]]
    truth = np.asarray(examples.truth)[[5, 2]]
    np.testing.assert_array_equal(targets[..., 0], worse[[5, 2]] != truth)
    np.testing.assert_allclose(targets[..., 1].mean((1, 2)), examples.quality[[5, 2]], rtol=1e-6)


def test_the_divergence_from_the_standard_normal() -> None:
    parameters = RNG.normal(size=(2, 6)).astype(np.float32)
    found = ops.convert_to_numpy(divergence_from_standard(parameters))
    for row, kl in zip(parameters.astype(float), found, strict=True):
        normals = [stats.norm(m, np.exp(s)) for m, s in zip(row[:3], row[3:], strict=True)]
        expected = sum(-n.entropy() - n.expect(stats.norm(0, 1).logpdf) for n in normals)
        assert kl == pytest.approx(expected, rel=1e-4)


def test_a_pairs_error_is_that_of_image_and_mask() -> None:
    decoded = RNG.normal(size=(2, 3, 3, 5)).astype(np.float32)
    images, masks = RNG.random((2, 3, 3, 2)).astype(np.float32), RNG.integers(0, 3, (2, 3, 3))
    found = ops.convert_to_numpy(
        MODULES["surrogate"].pair_error(decoded, images, masks.astype(np.float32))
    )
    logs = special.log_softmax(decoded[..., 2:].astype(float), axis=-1)
    cross = -np.take_along_axis(logs, masks[..., None], axis=-1).mean(axis=(1, 2, 3))
    squares = ((decoded[..., :2] - images) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found, squares + cross, rtol=1e-5)


SETTINGS = {
    "quality_and_error_map": {"width": 4, "epochs": 25, "learning_rate": 0.01},
    "vae_alarm": {"dimensions": 4, "width": 8, "epochs": 30, "learning_rate": 0.005},
    "surrogate": {"dimensions": 4, "width": 8, "epochs": 30, "learning_rate": 0.005, "steps": 10},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_worse_masks_are_predicted_to_be_worse(discs: Examples, name: str) -> None:
    rows = np.arange(len(discs.evidence))
    known, new = rows[::2], rows[1::2]
    fitted = heads.create(name, SETTINGS[name]).fit(_part(discs, known), 0)
    evidence = discs.evidence.take(new)
    predicted = fitted.predict(evidence)
    assert predicted.shape == (len(new),)
    assert (predicted >= 0).all()
    assert (predicted <= 1).all()
    assert spearman(predicted, discs.quality[new]) > 0.5
    np.testing.assert_allclose(
        fitted.predict(evidence.take(np.array([4, 1]))), predicted[[4, 1]], atol=2e-3
    )


@pytest.mark.parametrize("name", ["vae_alarm", "surrogate"])
def test_sides_that_cannot_be_halved_three_times_are_refused(
    planted: Callable[..., Examples], name: str
) -> None:
    with pytest.raises(DicecastError, match="multiples of 8"):
        heads.create(name, SETTINGS[name]).fit(planted(size=20), 0)


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_checked(name: str) -> None:
    with pytest.raises(DicecastError, match=name):
        heads.create(name, {"width": 0})
    with pytest.raises(DicecastError, match=name):
        heads.create(name, {"learning_rate": 0.0})


def _part(examples: Examples, rows: np.ndarray) -> Examples:
    return dataclasses.replace(
        examples,
        evidence=examples.evidence.take(rows),
        quality=examples.quality[rows],
        truth=np.asarray(examples.truth)[rows],
        groups=[examples.groups[row] for row in rows],
    )
