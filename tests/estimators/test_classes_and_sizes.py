"""Every estimator on more classes, on oblong images, in batches of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_estimators import SETTINGS

from dicecast.data.cases import Cases, SegmentationData
from dicecast.networks.unet import UNet
from dicecast.plugins import estimators
from dicecast.testing.estimator_trial import EstimatorTrial
from dicecast.testing.estimators import ESTIMATOR_CONTRACT
from dicecast.testing.ground import Ground
from dicecast.training.schedule import Schedule

CLASSES, HEIGHT, WIDTH = 4, 8, 12


def stripes(cases: int, seed: int) -> Cases:
    """Four classes side by side, each of a brightness of its own."""
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.integers(1, WIDTH, (cases, 3)), axis=1)
    masks = (np.arange(WIDTH) >= edges[..., None]).sum(axis=1).astype(np.uint8)
    masks = np.repeat(masks[:, None], HEIGHT, axis=1)
    images = 50 * masks[..., None] + rng.integers(0, 50, (*masks.shape, 1))
    names = [f"{seed}-{number}" for number in range(cases)]
    table = pd.DataFrame({"stem": names, "group": names, "domain": "in_distribution"})
    return Cases(table, images.astype(np.uint8), masks)


@pytest.fixture(scope="module")
def striped(trainer_in: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """Stripes, and a network as small as they go."""
    train, validation, quality, test = (
        stripes(cases, seed) for seed, cases in enumerate((12, 4, 1, 8))
    )
    classes = ("background", "a", "b", "c")
    data = SegmentationData("stripes", classes, train, validation, quality, {"test": test})
    trainer = trainer_in(
        tmp_path_factory.mktemp("striped"),
        data=data.for_fitting(),
        architecture=UNet(width=2, depth=1),
        schedule=Schedule(epochs=2, batch_size=6, learning_rate=0.01, patience=0),
    )
    return Ground.of(data, trainer)


@pytest.mark.parametrize("name", SETTINGS)
def test_four_classes_oblong_images_and_batches_of_3_and_8(striped: Ground, name: str) -> None:
    trial = EstimatorTrial(estimators.create(name, SETTINGS[name]), name, striped)
    report = ESTIMATOR_CONTRACT.report(trial, ["probabilities", "own_map", "batch_size"])
    assert report.raise_if_failed().names("passed") == {"probabilities", "own_map", "batch_size"}
