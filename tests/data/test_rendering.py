"""Drawing helpers, held against what SciPy and plain geometry give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from dicecast.data.outlines import Outline, Rater, rated
from dicecast.data.rendering import (
    Discs,
    Waves,
    blur,
    cover,
    plane,
    ruler,
    sigmoid,
    skin,
    to_distance,
)
from dicecast.data.strokes import Strokes

SIZE = (40, 56)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_the_shorter_side_reaches_from_minus_one_to_one():
    rows, columns = plane(SIZE)
    assert rows.shape == (40, 1)
    assert columns.shape == (1, 56)
    assert rows.max() == pytest.approx(1 - 1 / 40)
    assert columns.max() == pytest.approx(56 / 40 - 1 / 40)


def test_sigmoid_does_not_overflow():
    with np.errstate(all="raise"):
        values = sigmoid(np.float32([-1e4, 0, 1e4]))
    np.testing.assert_array_equal(values, [0, 0.5, 1])


def test_waves_have_mean_zero_and_variance_one():
    field = Waves.draw(rng(), 400, 14, (0.2, 0.6)).at(SIZE)
    assert field.shape == (400, *SIZE)
    assert field.dtype == np.float32
    assert abs(field.mean()) < 0.02
    assert field.var() == pytest.approx(1, abs=0.05)


def test_waves_are_the_sum_they_say():
    waves = Waves.draw(rng(), 2, 5, (0.3, 0.9))
    rows, columns = plane(SIZE)
    expected = np.zeros((2, *SIZE))
    for wave in range(5):
        down, across = (waves.frequency[:, wave, axis, None, None] for axis in (0, 1))
        expected += np.cos(down * rows + across * columns + waves.phase[:, wave, None, None])
    np.testing.assert_allclose(waves.at(SIZE), expected * np.sqrt(2 / 5), atol=1e-4)


def test_blur_is_scipys_gaussian_away_from_the_edges():
    images = rng().random((3, 2, *SIZE), np.float32)
    sigma = np.float32([0, 1, 2])
    blurred = blur(images, sigma / 20)
    for case in range(3):
        for channel in range(2):
            expected = ndimage.gaussian_filter(images[case, channel], sigma[case], truncate=6)
            inner = np.s_[13:-13, 13:-13]
            np.testing.assert_allclose(blurred[case, channel][inner], expected[inner], atol=1e-4)


def test_large_images_are_blurred_alike():
    """Beyond 181 pixels a side, products are cut into tiles in both directions."""
    image = rng().random((1, 2, 230, 300), np.float32)
    blurred = blur(image, np.float32([3 / 115]))
    for channel in range(2):
        expected = ndimage.gaussian_filter(image[0, channel], 3, truncate=6)
        inner = np.s_[19:-19, 19:-19]
        np.testing.assert_allclose(blurred[0, channel][inner], expected[inner], atol=1e-4)


def test_blur_keeps_a_flat_image_flat():
    flat = np.full((2, 3, *SIZE), 0.7, np.float32)
    np.testing.assert_allclose(blur(flat, np.float32([0.05, 0.4])), flat, atol=1e-5)


def test_distance_from_a_disc_whose_level_has_another_slope():
    rows, columns = plane((128, 128))
    level = 3 * (0.5 - np.hypot(rows, columns))[None]
    true = level / 3
    near = np.abs(true) < 0.02
    np.testing.assert_allclose(to_distance(level)[near], true[near], atol=0.003)


def test_a_stroke_covers_its_length_times_its_thickness():
    stroke = Strokes(
        owner=np.array([1]),
        start=np.float32([[0, -0.5]]),
        angle=np.float32([0.3]),
        length=np.float32([1.0]),
        bend=np.float32([0.0]),
        thickness=np.float32([0.04]),
    )
    coverage = stroke.coverage(2, SIZE)
    assert coverage[0].sum() == 0
    assert coverage.max() <= 1
    assert coverage[1].sum() == pytest.approx(20 * 0.8, rel=0.05)


def test_no_stroke_covers_nothing():
    hairs = Strokes.hairs(rng(), 2, 3).only(np.zeros(6, bool))
    np.testing.assert_array_equal(hairs.coverage(2, SIZE), np.zeros((2, *SIZE)))


def test_strokes_of_some_cases_are_drawn_as_among_all():
    hairs = Strokes.hairs(rng(3), 5, 4)
    whole = hairs.coverage(5, SIZE)
    for cases, count in ((slice(0, 2), 2), (slice(2, 5), 3)):
        np.testing.assert_array_equal(hairs.part(cases).coverage(count, SIZE), whole[cases])


def test_an_empty_slot_draws_nothing():
    discs = Discs(np.zeros((2, 1, 2), np.float32), np.float32([[0.0], [0.3]]))
    spots = discs.spots(SIZE)
    assert spots[0].max() == 0
    assert (spots[1] > 0.5).sum() == pytest.approx(np.pi * 6**2, rel=0.1)
    assert discs.bubbles(SIZE, 0.0)[0].max() == 0


def test_ruler_lies_along_its_edge():
    ticks = ruler(np.arange(4), np.full(4, 0.2, np.float32), (64, 64))
    edges = [ticks[0, 0], ticks[1, -1], ticks[2, :, 0], ticks[3, :, -1]]
    assert all(edge.max() > 0.5 for edge in edges)
    assert ticks[:, 16:-16, 16:-16].max() < 0.01


def test_cover_and_skin():
    image = np.zeros((2, 3, *SIZE), np.float32)
    covered = cover(image, np.full((2, *SIZE), 0.5, np.float32), np.ones((1, 3), np.float32))
    np.testing.assert_allclose(covered, 0.5)
    tones = skin(np.linspace(0, 1, 9, dtype=np.float32))
    assert (np.diff(tones.mean(axis=1)) < 0).all()
    assert (tones[:, 0] > tones[:, 2]).all()


def test_outlines_have_the_area_of_their_radius():
    outline = Outline.draw(rng(), 50)
    inside = outline.distance((96, 96)) > 0
    areas = inside.sum(axis=(1, 2)) / 48**2
    np.testing.assert_allclose(areas, np.pi * outline.radius**2, rtol=0.2)


def test_enlarged_outlines_stay_inside():
    outline = Outline.draw(rng(), 50).at_least(0.45)
    assert outline.radius.min() == pytest.approx(0.45)
    assert (np.abs(outline.centre).max(axis=1) + outline.radius).max() < 1.05


def test_raters_stray_in_proportion_to_the_width():
    level = np.broadcast_to(plane((96, 96))[0] + 0 * plane((96, 96))[1], (40, 96, 96))
    raters = [Rater.draw(rng(seed), 40) for seed in (1, 2)]
    narrow, wide = (rated(level, np.full_like(level, width), raters) for width in (0.2, 0.8))
    shifts = [masks.mean(axis=2) - 0.5 for masks in (narrow, wide)]
    assert shifts[1].std() / shifts[0].std() == pytest.approx(4, rel=0.15)
