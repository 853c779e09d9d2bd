from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from dicecast.data.cases import FittingData
from dicecast.errors import DicecastError
from dicecast.estimation.sampling import Sampler
from dicecast.networks.noise import Noise
from dicecast.plugins import estimators
from dicecast.training.backbone import Backbone

Estimator: Any = estimators.get("test_time_augmentation")
MODULE: Any = sys.modules[Estimator.__module__]
SYMMETRIES = [
    lambda x, k=k, f=f: np.rot90(x[:, ::-1] if f else x, k, (1, 2))
    for k in range(4)
    for f in (0, 1)
]
BACK = [
    lambda x, k=k, f=f: np.rot90(x, -k, (1, 2))[:, :: -1 if f else 1]
    for k in range(4)
    for f in (0, 1)
]


def pointwise(height: int, width: int) -> Backbone:
    """A network that sees each pixel by itself, so that turning its input turns its output."""
    inputs = keras.Input((height, width, 3))
    logits = layers.Conv2D(2, 1, name="logits")(inputs)
    network = keras.Model(inputs, {"logits": logits})
    kernel = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, -1.0]], np.float32).reshape(1, 1, 3, 2)
    return Backbone(network, [kernel, np.zeros(2, np.float32)], [], "pointwise")


def fit(backbone: Backbone, data: FittingData, **settings: Any) -> Any:
    return estimators.create("test_time_augmentation", settings).fit(data, lambda seed: backbone, 0)


def draws(predictive: Any, images: np.ndarray) -> np.ndarray:
    """The log-odds of every draw, ``(draws, batch, height, width)``."""
    found = []
    for index in range(predictive.num_draws):
        noise = Noise(np.int32(0), np.int32(index), shared=True)
        state = [ops.convert_to_tensor(x) for x in predictive.state]
        prepared = predictive.prepare(state, ops.convert_to_tensor(images))
        found.append(np.log(ops.convert_to_numpy(predictive.draw(state, prepared, noise))))
    return np.diff(np.stack(found), axis=-1)[..., 0]


@pytest.mark.parametrize(
    ("settings", "versions"),
    [
        ({}, 8),
        ({"noise": 0.0}, 4),
        ({"quarter_turns": True}, 16),
        ({"quarter_turns": True, "noise": 0.0}, 8),
        ({"flips": False, "quarter_turns": True, "noise": 0.0}, 4),
        ({"flips": False}, 2),
    ],
)
def test_the_versions_are_as_many_as_the_settings_say_and_all_differ(
    settings: dict[str, Any], versions: int
) -> None:
    estimator = Estimator(**settings)
    assert len(set(estimator.transforms)) == versions
    image = np.random.default_rng(0).random((1, 4, 4, 1)).astype(np.float32)
    seen = [
        ops.convert_to_numpy(MODULE.transformed(image, np.array(transform))).tobytes()
        for transform in estimator.transforms
        if not transform[3]
    ]
    assert len(set(seen)) == len(seen) == versions // (2 if estimator.noise else 1)
    possible = {np.ascontiguousarray(symmetry(image)).tobytes() for symmetry in SYMMETRIES}
    assert set(seen) <= possible
    # Turns alone leave out mirror images.
    if not estimator.flips and estimator.quarter_turns:
        assert set(seen) == {
            np.ascontiguousarray(np.rot90(image, k, (1, 2))).tobytes() for k in range(4)
        }


@pytest.mark.parametrize(("height", "width", "turns"), [(8, 8, True), (8, 12, False)])
def test_all_draws_of_a_network_that_turns_with_its_input_are_equal(
    fitting: FittingData, height: int, width: int, turns: bool
) -> None:
    images = np.random.default_rng(1).random((3, height, width, 3)).astype(np.float32)
    data = dataclasses.replace(fitting, train=Shaped(height, width))
    predictive = fit(pointwise(height, width), data, quarter_turns=turns, noise=0.0)
    found = draws(predictive, images)
    expected = images[..., 0] + 2 * images[..., 1] - images[..., 2]
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=1e-4)


@dataclass(frozen=True)
class Shaped:
    """Stands for cases of which the size alone matters."""

    height: int
    width: int

    @property
    def images(self) -> np.ndarray:
        return np.zeros((1, self.height, self.width, 3), np.uint8)


def test_the_mean_is_that_of_all_symmetries_turned_back(
    fitting: FittingData, trainer: Any, sampler: Any
) -> None:
    predictive = fit(trainer(0), fitting, quarter_turns=True, noise=0.0)
    images = fitting.validation.images
    (prediction,) = sampler.predict(predictive, images, 0)
    expected = []
    for there, back in zip(SYMMETRIES, BACK, strict=True):
        [(_, outputs)] = trainer(0).predict(np.ascontiguousarray(there(images)))
        expected.append(back(ops.convert_to_numpy(ops.softmax(outputs["logits"]))))
    np.testing.assert_allclose(prediction.mean_probabilities, np.mean(expected, axis=0), atol=1e-5)
    variance = np.var(expected, axis=0).mean(axis=-1)
    np.testing.assert_allclose(prediction.maps["variance"], variance, atol=1e-5)


def test_noise_has_its_deviation_and_is_shared_by_the_cases(fitting: FittingData) -> None:
    predictive = fit(pointwise(16, 16), fitting, noise=0.2)
    images = np.random.default_rng(2).random((2, 16, 16, 3)).astype(np.float32)
    found = draws(predictive, images)
    clean, noisy = found[:4], found[4:]
    added = noisy - clean
    np.testing.assert_allclose(added[:, 0], added[:, 1], atol=1e-4)
    # 1024 sums of three Gaussians with the weights 1, 2 and -1.
    assert added[:, 0].std() == pytest.approx(0.2 * np.sqrt(6), rel=5 / np.sqrt(2 * 1024))
    together = np.corrcoef(added[:, 0].reshape(4, -1))
    assert np.abs(together - np.eye(4)).max() < 5 / 16


def test_quarter_turns_of_images_that_are_not_square_are_refused(fitting: FittingData) -> None:
    data = dataclasses.replace(fitting, train=Shaped(8, 12))
    with pytest.raises(DicecastError, match="quarter_turns needs square images; got 8x12"):
        fit(pointwise(8, 12), data, quarter_turns=True)


def test_other_versions_are_another_graph(fitting: FittingData, trainer: Any) -> None:
    sampler, images = Sampler(2), fitting.validation.images
    first, second = (
        next(sampler.predict(fit(trainer(0), fitting, flips=flips), images, 0))
        for flips in (True, False)
    )
    assert np.abs(first.mean_probabilities - second.mean_probabilities).max() > 1e-3
