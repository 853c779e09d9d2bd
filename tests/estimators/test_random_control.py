from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from dicecast.data.cases import FittingData
from dicecast.estimation.sampling import Sampler
from dicecast.plugins import estimators

IMAGES = np.random.default_rng(5).integers(0, 256, (200, 16, 16, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def noise(fitting: FittingData, trainer: Any) -> Any:
    backbone = trainer(0)

    def predict(images: np.ndarray = IMAGES, seed: int = 0, batch: int = 64) -> np.ndarray:
        predictive = estimators.create("random", {}).fit(
            fitting, lambda _, **changes: backbone, seed
        )
        parts = Sampler(2, batch_size=batch).predict(predictive, images, seed)
        return np.concatenate([part.maps["random"] for part in parts])

    return predict


@pytest.fixture(scope="module")
def maps(noise: Any) -> np.ndarray:
    return noise()


def finaliser(number: int) -> int:
    """MurmurHash3's, in integers without a size."""
    number &= 0xFFFFFFFF
    number ^= number >> 16
    number = number * 0x85EBCA6B & 0xFFFFFFFF
    number ^= number >> 13
    number = number * 0xC2B2AE35 & 0xFFFFFFFF
    return number ^ number >> 16


def test_the_map_is_the_hash_it_is_said_to_be(maps: np.ndarray) -> None:
    generator = np.random.default_rng(0)
    weights = generator.integers(-(2**31), 2**31, 16 * 16 * 3).astype(np.int32) | 1
    for case in (0, 17):
        total = sum(
            int(pixel) * int(weight)
            for pixel, weight in zip(IMAGES[case].ravel(), weights, strict=True)
        )
        for place in (0, 1, 200, 255):
            expected = (finaliser(finaliser(total) + place) & 0xFFFFFF) / 2**24
            assert maps[case].ravel()[place] == np.float32(expected)


def test_the_noise_is_uniform(maps: np.ndarray) -> None:
    assert maps.min() >= 0.0
    assert maps.max() < 1.0
    assert stats.kstest(maps.ravel(), "uniform").pvalue > 1e-4
    assert stats.kstest(maps[:, 3, 4], "uniform").pvalue > 1e-4


def test_neighbouring_pixels_and_cases_are_independent(maps: np.ndarray) -> None:
    limit = 5 / np.sqrt(maps.size)
    for one, other in (
        (maps[:, 1:], maps[:, :-1]),
        (maps[:, :, 1:], maps[:, :, :-1]),
        (maps[1:], maps[:-1]),
    ):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < limit


def test_the_mean_of_a_case_is_that_of_as_many_uniform_numbers(maps: np.ndarray) -> None:
    standard = (maps.mean(axis=(1, 2)) - 0.5) * np.sqrt(12 * 256)
    assert stats.kstest(standard, "norm").pvalue > 1e-4


def test_the_mean_of_a_case_says_nothing_of_its_image(noise: Any) -> None:
    # Brightness from dark to light, which a poor hash of the bytes would follow.
    levels = np.linspace(20, 235, 200)
    images = np.clip(
        np.random.default_rng(1).normal(levels[:, None, None, None], 10, IMAGES.shape), 0, 255
    ).astype(np.uint8)
    means = noise(images).mean(axis=(1, 2))
    assert abs(stats.spearmanr(means, images.mean(axis=(1, 2, 3))).statistic) < 5 / np.sqrt(200)


def test_one_changed_byte_changes_the_whole_map(noise: Any, maps: np.ndarray) -> None:
    images = IMAGES[:1].copy()
    images[0, 7, 7, 1] ^= 1
    changed = noise(images)
    assert abs(np.corrcoef(changed.ravel(), maps[0].ravel())[0, 1]) < 5 / 16
    assert (changed != maps[:1]).mean() > 0.99


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_batch_and_order_do_not_matter(noise: Any, maps: np.ndarray, batch: int) -> None:
    order = np.random.default_rng(2).permutation(20)
    np.testing.assert_array_equal(noise(IMAGES[order], batch=batch), maps[order])


def test_seeds_give_unrelated_noise(noise: Any, maps: np.ndarray) -> None:
    for seed in (1, 2, 1000):
        other = noise(seed=seed)
        assert abs(np.corrcoef(other.ravel(), maps.ravel())[0, 1]) < 5 / np.sqrt(maps.size)


def test_predictives_of_two_seeds_do_not_share_a_graph(fitting: FittingData, trainer: Any) -> None:
    sampler, backbone = Sampler(2), trainer(0)
    made = [
        estimators.create("random", {}).fit(fitting, lambda _, **changes: backbone, seed)
        for seed in (0, 1)
    ]
    first, second = (next(sampler.predict(m, IMAGES[:3], 0)).maps["random"] for m in made)
    assert (first != second).mean() > 0.99
