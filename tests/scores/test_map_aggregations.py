from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from skimage.segmentation import expand_labels, find_boundaries

from dicecast.errors import DicecastError
from dicecast.estimation.prediction import Prediction
from dicecast.scores import aggregations
from dicecast.scores.aggregations import MAP_AGGREGATIONS, MapContext, map_scores
from dicecast.scores.regions import MaskRegions

THRESHOLD = 0.4
MONOTONE = sorted(set(MAP_AGGREGATIONS) - {"above_threshold"})


def near_contour(mask):
    thick = find_boundaries(mask, mode="thick").astype(np.uint8)
    return expand_labels(thick, distance=1) > 0


def patch_loop(u, mask):
    tall, wide = min(10, u.shape[0]), min(10, u.shape[1])
    tops, lefts = range(u.shape[0] - tall + 1), range(u.shape[1] - wide + 1)
    return max(u[t : t + tall, s : s + wide].mean() for t in tops for s in lefts)


def mean_within(u, region):
    return u[region].mean() if region.any() else u.mean()


def mean_passing(u, mask):
    return u[u >= THRESHOLD].mean() if (u >= THRESHOLD).any() else 0.0


# Each written for one image, without the code under test.
REFERENCES = {
    "mean": lambda u, mask: u.mean(),
    "sum_over_volume": lambda u, mask: u.sum() / max((mask > 0).sum(), 1),
    "boundary": lambda u, mask: mean_within(u, near_contour(mask)),
    "non_boundary": lambda u, mask: mean_within(u, ~near_contour(mask)),
    "patch_max": patch_loop,
    "above_threshold": mean_passing,
}


def aggregate(name, maps, masks, threshold=THRESHOLD):
    return MAP_AGGREGATIONS[name](maps, MapContext(MaskRegions(masks), threshold))


@pytest.fixture
def masks(masks_of):
    return masks_of(8, 4)


@pytest.fixture
def maps(masks):
    return np.random.default_rng(1).random(masks.shape, dtype=np.float32)


def test_every_aggregation_has_a_reference():
    assert MAP_AGGREGATIONS.keys() == REFERENCES.keys()


@pytest.mark.parametrize("name", MAP_AGGREGATIONS)
def test_equals_the_reference_image_by_image(name, maps, masks):
    expected = [REFERENCES[name](u, m) for u, m in zip(maps.astype(np.float64), masks, strict=True)]
    values = aggregate(name, maps, masks)
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(5, 7), (10, 10), (9, 30), (64, 64)])
def test_patch_max_equals_a_box_filter(shape):
    maps = np.random.default_rng(2).random((3, *shape))
    tall, wide = min(10, shape[0]), min(10, shape[1])
    boxes = ndimage.uniform_filter(maps, (1, tall, wide), mode="constant")
    valid = boxes[
        :, tall // 2 : tall // 2 + shape[0] - tall + 1, wide // 2 : wide // 2 + shape[1] - wide + 1
    ]
    masks = np.zeros(maps.shape, np.uint8)
    np.testing.assert_allclose(aggregate("patch_max", maps, masks), valid.max(axis=(1, 2)))


def test_two_squares():
    # A square of 20 x 20 and a certain image but for a patch of 10 x 10 deep inside and its rim.
    masks = np.zeros((1, 40, 40), dtype=np.uint8)
    masks[:, 10:30, 10:30] = 1
    maps = np.zeros((1, 40, 40), dtype=np.float32)
    maps[:, 15:25, 15:25] = 0.5
    # A band 4 wide along the sides, whose four outer corners the Euclidean growth leaves out.
    band = (24 * 24 - 4 - 4 * 2) - 16 * 16
    values = {name: aggregate(name, maps, masks)[0] for name in MAP_AGGREGATIONS}
    assert values == pytest.approx(
        {
            "mean": 50 / 1600,
            "sum_over_volume": 50 / 400,
            "boundary": 0.0,
            "non_boundary": 50 / (1600 - band),
            "patch_max": 0.5,
            "above_threshold": 0.5,
        }
    )


@pytest.mark.parametrize("name", MAP_AGGREGATIONS)
def test_a_constant_map_has_its_constant(name, masks):
    maps = np.full(masks.shape, 0.5, dtype=np.float32)
    expected = np.full(len(masks), 0.5)
    if name == "sum_over_volume":
        expected *= masks[0].size / np.maximum((masks > 0).sum(axis=(1, 2)), 1)
    np.testing.assert_allclose(aggregate(name, maps, masks), expected)


@pytest.mark.parametrize("name", MONOTONE)
def test_rises_with_the_uncertainty_of_every_pixel(name, maps, masks):
    assert (aggregate(name, maps + 0.05, masks) > aggregate(name, maps, masks)).all()


def test_above_threshold_rises_with_the_map_and_its_threshold(maps, masks):
    before = aggregate("above_threshold", maps, masks, 0.4)
    after = aggregate("above_threshold", maps.astype(np.float64) + 0.25, masks, 0.4 + 0.25 - 1e-12)
    np.testing.assert_allclose(after, before + 0.25)


def test_above_threshold_is_not_monotone_when_further_pixels_pass():
    maps, masks = np.array([[[0.9, 0.35]]]), np.zeros((1, 1, 2), np.uint8)
    assert aggregate("above_threshold", maps, masks) == pytest.approx(0.9)
    assert aggregate("above_threshold", maps + 0.1, masks) == pytest.approx(0.725)


def test_a_pixel_at_the_threshold_passes():
    maps, masks = np.array([[[0.5, 0.25]]], dtype=np.float32), np.zeros((1, 1, 2), np.uint8)
    assert aggregate("above_threshold", maps, masks, 0.5) == 0.5


def test_nothing_above_the_threshold_is_0(maps, masks):
    np.testing.assert_array_equal(aggregate("above_threshold", maps, masks, 2.0), 0.0)


def test_an_empty_mask_falls_back_to_the_whole_image(maps):
    empty = np.zeros(maps.shape, dtype=np.uint8)
    everywhere = maps.astype(np.float64).mean(axis=(1, 2))
    np.testing.assert_allclose(aggregate("boundary", maps, empty), everywhere)
    np.testing.assert_allclose(aggregate("non_boundary", maps, empty), everywhere)
    expected = everywhere * maps[0].size
    np.testing.assert_allclose(aggregate("sum_over_volume", maps, empty), expected)


def test_a_mask_that_is_all_boundary_falls_back_to_the_whole_image(maps):
    chequered = (np.indices(maps.shape).sum(axis=0) % 2).astype(np.uint8)
    everywhere = maps.astype(np.float64).mean(axis=(1, 2))
    np.testing.assert_allclose(aggregate("non_boundary", maps, chequered), everywhere)


def test_scores_are_the_negated_aggregations_of_every_measure(prediction_of):
    prediction = prediction_of()
    thresholds = {"predictive_entropy": 0.3, "variance": 5e-5}
    scores = map_scores(prediction, thresholds)
    assert list(scores) == [f"{m}/{a}" for m in prediction.maps for a in MAP_AGGREGATIONS]
    for column in scores:
        measure, name = column.split("/")
        context = MapContext(MaskRegions(prediction.mask), thresholds[measure])
        uncertainty = MAP_AGGREGATIONS[name](prediction.maps[measure], context)
        np.testing.assert_array_equal(scores[column], -uncertainty)


@pytest.mark.parametrize("pixels", [1, 2 * 32 * 32, 5 * 32 * 32])
def test_the_size_of_a_block_does_not_matter(prediction_of, monkeypatch, pixels):
    prediction = prediction_of(cases=11)
    thresholds = {"predictive_entropy": 0.3, "variance": 5e-5}
    whole = map_scores(prediction, thresholds)
    monkeypatch.setattr(aggregations, "PIXELS_A_BLOCK", pixels)
    pd.testing.assert_frame_equal(map_scores(prediction, thresholds), whole, check_exact=True)


def test_certain_maps_score_plain_zero():
    mask = np.zeros((2, 12, 12), dtype=np.uint8)
    maps = {"entropy": np.zeros(mask.shape, dtype=np.float32)}
    scores = map_scores(Prediction(np.zeros((2, 12, 12, 2), np.float32), mask, maps, None), maps)
    assert not np.signbit(scores.to_numpy()).any()


def test_a_measure_without_threshold_is_an_error(prediction_of):
    with pytest.raises(DicecastError, match="'variance' has none"):
        map_scores(prediction_of(), {"predictive_entropy": 0.3})
