from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.measure import label
from skimage.segmentation import expand_labels, find_boundaries

from dicecast.scores.aggregations import MAP_AGGREGATIONS, MapContext
from dicecast.scores.regions import MaskRegions

THRESHOLD = 0.4
AUTOCORRELATION = {"morans_i", "gearys_c"}


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


def mean_by_distance(u, mask):
    if (mask == mask[0, 0]).all():
        return u.mean()
    distances = [ndimage.distance_transform_edt(mask == c) for c in np.unique(mask)]
    return np.average(u, weights=np.minimum(np.sum(distances, axis=0), 4.0))


def components(mask):
    """By class, then from the top of the image."""
    labels = [label(mask == c, connectivity=2) for c in np.unique(mask[mask > 0])]
    return [found == i for found in labels for i in range(1, found.max() + 1)]


def mean_of_chosen(choose):
    def one(u, mask):
        parts = components(mask)
        return u[choose(parts, key=np.sum)].mean() if parts else u.mean()

    return one


def neighbours(u):
    """The values of every two pixels that share an edge."""
    flat, index = u.ravel(), np.arange(u.size).reshape(u.shape)
    down = zip(index[:-1].ravel(), index[1:].ravel(), strict=True)
    right = zip(index[:, :-1].ravel(), index[:, 1:].ravel(), strict=True)
    return np.array([(flat[i], flat[j]) for i, j in [*down, *right]])


def moran(u, mask):
    first, second = (neighbours(u) - u.mean()).T
    return np.mean(first * second) / np.mean((u - u.mean()) ** 2) if np.ptp(u) else np.nan


def geary(u, mask):
    first, second = neighbours(u).T
    return 1 - np.mean((first - second) ** 2) / (2 * np.var(u, ddof=1)) if np.ptp(u) else np.nan


# Each written for one image, without the code under test.
REFERENCES = {
    "mean": lambda u, mask: u.mean(),
    "sum": lambda u, mask: u.sum(),
    "sum_over_volume": lambda u, mask: u.sum() / max((mask > 0).sum(), 1),
    "maximum": lambda u, mask: u.max(),
    "quantile_75": lambda u, mask: np.quantile(u, 0.75),
    "quantile_95": lambda u, mask: np.quantile(u, 0.95),
    "patch_max": patch_loop,
    "above_threshold": mean_passing,
    "boundary": lambda u, mask: mean_within(u, near_contour(mask)),
    "non_boundary": lambda u, mask: mean_within(u, ~near_contour(mask)),
    "foreground": lambda u, mask: mean_within(u, mask > 0),
    "background": lambda u, mask: mean_within(u, mask == 0),
    "foreground_interior": lambda u, mask: mean_within(u, (mask > 0) & ~near_contour(mask)),
    "background_interior": lambda u, mask: mean_within(u, (mask == 0) & ~near_contour(mask)),
    "distance_weighted": mean_by_distance,
    "by_predicted_class": lambda u, mask: np.mean([u[mask == c].mean() for c in np.unique(mask)]),
    "largest_component": mean_of_chosen(max),
    "smallest_component": mean_of_chosen(min),
    "worst_component": lambda u, mask: max(
        (u[c].mean() for c in components(mask)), default=u.mean()
    ),
    "morans_i": moran,
    "gearys_c": geary,
}


def aggregate(name, maps, masks, threshold=THRESHOLD):
    return MAP_AGGREGATIONS[name](maps, MapContext(MaskRegions(masks), threshold))


def referred(name, maps, masks):
    return [REFERENCES[name](u, mask) for u, mask in zip(maps, masks, strict=True)]


@pytest.fixture
def masks(masks_of):
    return masks_of(8, 4)


@pytest.fixture
def maps(masks):
    return np.random.default_rng(1).random(masks.shape)


def test_every_aggregation_has_a_reference():
    assert MAP_AGGREGATIONS.keys() == REFERENCES.keys()


@pytest.mark.parametrize("name", MAP_AGGREGATIONS)
def test_equals_the_reference_image_by_image(name, maps, masks):
    values = aggregate(name, maps, masks)
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, referred(name, maps, masks), rtol=1e-11)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(2, 7)),
        elements=st.integers(0, 2),
    )
)
def test_equals_the_reference_on_small_images_of_any_shape(masks):
    maps = np.random.default_rng(0).random(masks.shape)
    for name in MAP_AGGREGATIONS:
        expected = referred(name, maps, masks)
        np.testing.assert_allclose(aggregate(name, maps, masks), expected, rtol=1e-9, err_msg=name)


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


def test_a_square_that_is_unsure_in_its_middle():
    # A square of 20 x 20; an uncertain patch of 10 x 10 deep inside it; all else is certain.
    masks = np.zeros((1, 40, 40), dtype=np.uint8)
    masks[:, 10:30, 10:30] = 1
    maps = np.zeros((1, 40, 40))
    maps[:, 15:25, 15:25] = 0.5
    # A band 4 wide along the sides, whose four outer corners the Euclidean growth leaves out.
    band = (24 * 24 - 4 - 4 * 2) - 16 * 16
    known = {
        "mean": 50 / 1600,
        "sum": 50.0,
        "sum_over_volume": 50 / 400,
        "maximum": 0.5,
        "quantile_75": 0.0,
        "quantile_95": 0.5,
        "patch_max": 0.5,
        "above_threshold": 0.5,
        "boundary": 0.0,
        "non_boundary": 50 / (1600 - band),
        "foreground": 50 / 400,
        "background": 0.0,
        "foreground_interior": 50 / 256,
        "background_interior": 0.0,
        "by_predicted_class": 50 / 400 / 2,
        "largest_component": 50 / 400,
        "smallest_component": 50 / 400,
        "worst_component": 50 / 400,
    }
    assert {name: aggregate(name, maps, masks)[0] for name in known} == pytest.approx(known)
    assert known["mean"] < aggregate("distance_weighted", maps, masks)[0] < known["non_boundary"]


@pytest.mark.parametrize("name", MAP_AGGREGATIONS)
def test_a_constant_map_has_its_constant_or_no_autocorrelation(name, masks):
    # Of a size and value whose mean is not exact: deviations from it would be rounding.
    masks = masks[:, :31, :29]
    maps = np.full(masks.shape, 0.6)
    assert (maps - maps.mean(axis=(1, 2), keepdims=True)).any()
    expected = np.full(len(masks), np.nan if name in AUTOCORRELATION else 0.6)
    if name == "sum":
        expected *= masks[0].size
    if name == "sum_over_volume":
        expected *= masks[0].size / np.maximum((masks > 0).sum(axis=(1, 2)), 1)
    np.testing.assert_allclose(aggregate(name, maps, masks), expected)


@pytest.mark.parametrize("name", sorted(MAP_AGGREGATIONS.keys() - AUTOCORRELATION))
def test_rises_with_the_uncertainty_of_every_pixel(name, maps, masks):
    if name == "above_threshold":
        maps = maps + THRESHOLD  # so that no further pixel passes
    assert (aggregate(name, maps + 0.05, masks) > aggregate(name, maps, masks)).all()


@pytest.mark.parametrize("name", sorted(AUTOCORRELATION))
def test_autocorrelation_is_a_matter_of_shape_not_of_scale(name, maps, masks):
    before = aggregate(name, maps, masks)
    np.testing.assert_allclose(aggregate(name, 1e-6 * maps + 0.3, masks), before, rtol=1e-6)
    smooth = ndimage.gaussian_filter(maps, (0, 2, 2))
    assert (aggregate(name, smooth, masks) > before + 0.5).all()
    chequered = (np.indices(maps.shape).sum(axis=0) % 2).astype(float)
    assert (aggregate(name, chequered, masks) < -0.9).all()


def test_above_threshold_rises_with_the_map_and_its_threshold(maps, masks):
    before = aggregate("above_threshold", maps, masks, 0.4)
    after = aggregate("above_threshold", maps + 0.25, masks, 0.4 + 0.25 - 1e-12)
    np.testing.assert_allclose(after, before + 0.25)


def test_above_threshold_is_not_monotone_when_further_pixels_pass():
    maps, masks = np.array([[[0.9, 0.35]]]), np.zeros((1, 1, 2), np.uint8)
    assert aggregate("above_threshold", maps, masks) == pytest.approx(0.9)
    assert aggregate("above_threshold", maps + 0.1, masks) == pytest.approx(0.725)


def test_a_pixel_at_the_threshold_passes():
    maps, masks = np.array([[[0.5, 0.25]]]), np.zeros((1, 1, 2), np.uint8)
    assert aggregate("above_threshold", maps, masks, 0.5) == 0.5


def test_nothing_above_the_threshold_is_0(maps, masks):
    np.testing.assert_array_equal(aggregate("above_threshold", maps, masks, 2.0), 0.0)


@pytest.mark.parametrize("value", [0, 1])
def test_a_region_that_a_mask_lacks_is_replaced_by_the_whole_image(maps, value):
    masks = np.full(maps.shape, value, dtype=np.uint8)
    names = {"boundary", "foreground_interior", "background_interior", "background", "foreground"}
    names |= {f"{which}_component" for which in ("largest", "smallest", "worst")}
    for name in names | {"non_boundary", "distance_weighted", "by_predicted_class"}:
        everywhere = maps.mean(axis=(1, 2))
        np.testing.assert_allclose(aggregate(name, maps, masks), everywhere, err_msg=name)
    volumes = np.maximum((masks > 0).sum(axis=(1, 2)), 1)
    expected = maps.sum(axis=(1, 2)) / volumes
    np.testing.assert_allclose(aggregate("sum_over_volume", maps, masks), expected)


def test_a_mask_that_is_all_boundary_falls_back_to_the_whole_image(maps):
    chequered = (np.indices(maps.shape).sum(axis=0) % 2).astype(np.uint8)
    for name in ("non_boundary", "foreground_interior", "background_interior"):
        np.testing.assert_allclose(aggregate(name, maps, chequered), maps.mean(axis=(1, 2)))
