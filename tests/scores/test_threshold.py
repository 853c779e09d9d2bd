from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicecast.errors import DicecastError
from dicecast.estimation.prediction import Prediction
from dicecast.scores.threshold import RELATIVE_RESOLUTION, ThresholdCalibration


def predict(maps, mask):
    return Prediction(np.zeros((*mask.shape, 2), np.float32), mask, {"m": maps}, None)


def threshold_of(maps, mask, batch=100):
    calibration = ThresholdCalibration()
    for start in range(0, len(mask), batch):
        calibration.update(predict(maps[start : start + batch], mask[start : start + batch]))
    return calibration.thresholds()["m"]


def random_case(seed, scale=1.0, foreground=0.3):
    rng = np.random.default_rng(seed)
    maps = (scale * rng.exponential(size=(12, 20, 20))).astype(np.float32)
    return maps, (rng.random(maps.shape) < foreground).astype(np.uint8) * 2


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1e-20, 1e-6, 1.0, 1e6]), st.floats(0.01, 0.99))
def test_equals_the_quantile_within_the_resolution(seed, scale, foreground):
    maps, mask = random_case(seed, scale, foreground)
    exact = np.quantile(maps.astype(np.float64), 1 - (mask > 0).mean(), method="lower")
    found = threshold_of(maps, mask)
    # Rounding of the quantile's rank can move the exact one by one pixel.
    ordered = np.sort(maps, axis=None).astype(np.float64)
    before = ordered[max(np.searchsorted(ordered, exact) - 1, 0)]
    after = ordered[min(np.searchsorted(ordered, exact, side="right"), ordered.size - 1)]
    assert before * (1 - RELATIVE_RESOLUTION) <= found <= after


def test_as_many_pixels_pass_as_are_foreground():
    maps, mask = random_case(0)
    assert (maps >= threshold_of(maps, mask)).mean() == pytest.approx((mask > 0).mean(), abs=0.002)


def test_batches_and_their_order_do_not_matter():
    maps, mask = random_case(1)
    order = np.random.default_rng(0).permutation(len(mask))
    expected = threshold_of(maps, mask)
    assert {threshold_of(maps, mask, size) for size in (1, 5, 12)} == {expected}
    assert threshold_of(maps[order], mask[order], 5) == expected


@pytest.mark.parametrize("value", [0.0, 1e-7, 0.37, 1.0, 1234.5])
@pytest.mark.parametrize("foreground", [0, 1])
def test_a_map_of_one_value_reaches_its_threshold(value, foreground):
    maps = np.full((2, 6, 6), value, dtype=np.float32)
    found = threshold_of(maps, np.full(maps.shape, foreground, dtype=np.uint8))
    assert value * (1 - RELATIVE_RESOLUTION) <= found <= np.float32(value)


def test_no_foreground_gives_the_highest_and_all_foreground_the_lowest_value():
    maps = np.array([[[0.25, 0.5], [1.0, 2.0]]], dtype=np.float32)
    assert threshold_of(maps, np.zeros(maps.shape, np.uint8)) == 2.0
    assert threshold_of(maps, np.ones(maps.shape, np.uint8)) == 0.25


def test_rounding_below_zero_counts_as_zero():
    maps = np.array([[[-1e-8, -0.0], [0.0, 0.5]]], dtype=np.float32)
    mask = np.array([[[0, 0], [1, 1]]], dtype=np.uint8)
    assert threshold_of(maps, mask) == 0.0


def test_memory_does_not_grow_with_the_cases():
    calibration = ThresholdCalibration()
    maps, mask = random_case(2)
    calibration.update(predict(maps, mask))
    size = calibration._histograms["m"].nbytes
    for _ in range(5):
        calibration.update(predict(maps, mask))
    assert calibration._histograms["m"].nbytes == size == 4 * 2**20


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_maps_that_are_not_finite_are_refused(bad):
    maps, mask = random_case(3)
    maps[0, 0, 0] = bad
    with pytest.raises(DicecastError, match="'m' holds NaN or infinite"):
        ThresholdCalibration().update(predict(maps, mask))


def test_measures_may_not_change_between_batches():
    maps, mask = random_case(4)
    calibration = ThresholdCalibration()
    calibration.update(predict(maps, mask))
    other = Prediction(np.zeros((*mask.shape, 2), np.float32), mask, {"other": maps}, None)
    with pytest.raises(DicecastError, match="same measures"):
        calibration.update(other)


def test_without_predictions_there_is_no_threshold():
    with pytest.raises(DicecastError, match="at least one prediction"):
        ThresholdCalibration().thresholds()
