"""Every estimator on more classes, on oblong images, in batches of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_estimators import SETTINGS

from dicecast.data.cases import Cases, FittingData
from dicecast.estimation.sampling import Sampler
from dicecast.networks.unet import UNet
from dicecast.plugins import estimators
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
def striped(trainer_in: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A trainer of a network as small as they go."""
    data = FittingData(("background", "a", "b", "c"), stripes(12, 0), stripes(4, 1))
    return trainer_in(
        tmp_path_factory.mktemp("striped"),
        data=data,
        architecture=UNet(width=2, depth=1),
        schedule=Schedule(epochs=2, batch_size=6, learning_rate=0.01, patience=0),
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_four_classes_oblong_images_and_batches_of_1_3_and_8(striped: Any, name: str) -> None:
    predictive = estimators.create(name, SETTINGS[name]).fit(striped.data, striped, 0)
    images = stripes(8, 2).images
    whole = None
    for batch_size in (8, 3, 1):
        parts = list(Sampler(CLASSES, batch_size=batch_size).predict(predictive, images, 5))
        probability = np.concatenate([part.mean_probabilities for part in parts])
        assert probability.shape == (8, HEIGHT, WIDTH, CLASSES)
        assert set(parts[0].maps) >= {predictive.own_map}
        for part in parts:
            assert all(np.isfinite(values).all() for values in part.maps.values())
        whole = probability if whole is None else whole
        np.testing.assert_allclose(probability, whole, atol=2e-5)
