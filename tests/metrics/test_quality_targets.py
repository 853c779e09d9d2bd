"""A quality target is the measure it names, of one class or of all."""

from __future__ import annotations

import numpy as np
import pytest

from dicecast.metrics.quality import dice, jaccard, mean_dice
from dicecast.metrics.surface import hausdorff_95, normalised_surface_dice
from dicecast.metrics.targets import MEAN_DICE, MEASURES_OF_QUALITY, QualityTarget


@pytest.fixture(scope="module")
def masks():
    generator = np.random.default_rng(11)
    return tuple(generator.integers(0, 3, size=(5, 6, 8), dtype=np.uint8) for _ in range(2))


def closeness(predicted, truth, num_classes):
    return 1 - hausdorff_95(predicted, truth, num_classes) / 10


EXPECTED = {
    "dice": dice,
    "jaccard": jaccard,
    "normalised_surface_dice": normalised_surface_dice,
    "hausdorff_95": closeness,
}


def test_every_measure_is_tested():
    assert EXPECTED.keys() == MEASURES_OF_QUALITY.keys()


@pytest.mark.parametrize("measure", EXPECTED)
def test_the_mean_or_one_class(masks, measure):
    expected = EXPECTED[measure](*masks, 3)
    whole = QualityTarget(measure)(*masks, 3)
    np.testing.assert_allclose(whole, expected.mean(axis=1), atol=1e-12)
    for index in (1, 2):
        alone = QualityTarget(measure, class_index=index)(*masks, 3)
        np.testing.assert_array_equal(alone, expected[:, index - 1])


def test_the_default_is_the_mean_dice_to_the_bit(masks):
    assert MEAN_DICE.is_mean_dice
    assert not QualityTarget(class_index=1).is_mean_dice
    np.testing.assert_array_equal(MEAN_DICE(*masks, 3), mean_dice(*masks, 3))


def test_the_tolerance_reaches_the_surface_dice(masks):
    strict = QualityTarget("normalised_surface_dice", tolerance=0.0)(*masks, 3)
    np.testing.assert_allclose(strict, normalised_surface_dice(*masks, 3, 0.0).mean(axis=1))
    assert (strict < QualityTarget("normalised_surface_dice")(*masks, 3)).all()


@pytest.mark.parametrize("measure", EXPECTED)
@pytest.mark.parametrize(("predicted", "truth", "quality"), [(0, 0, 1), (0, 1, 0), (1, 0, 0)])
def test_empty_structures_are_perfect_or_worst(measure, predicted, truth, quality):
    full = np.ones((1, 4, 4), np.uint8)
    assert QualityTarget(measure)(full * predicted, full * truth, 2).tolist() == [quality]
