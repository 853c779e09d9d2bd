from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import ndimage, stats

from dicecast.heads.radiomics import LEVELS, radiomics
from dicecast.heads.uncertain_region import best_threshold
from dicecast.metrics.correlation import spearman

SIZE = (20, 24)


@pytest.fixture
def planted(examples_of):
    """Smooth maps that are above 0.6 about where the masks are wrong."""

    def make(seed=0, cases=40):
        rng = np.random.default_rng(seed)
        noise = ndimage.gaussian_filter(rng.normal(size=(cases, *SIZE)), (0, 2, 2))
        levels = rng.uniform(0.0, 0.7, cases)[:, np.newaxis, np.newaxis]
        maps = np.clip(levels + 2 * noise, 0, 1).astype(np.float32)
        wrong = maps + rng.normal(0, 0.02, maps.shape) > 0.6
        truth = np.zeros(maps.shape, np.uint8)
        examples = examples_of(cases, seed)
        evidence = dataclasses.replace(
            examples.evidence, uncertainty=maps, masks=wrong.astype(np.uint8)
        )
        quality = 1.0 - wrong.mean(axis=(1, 2))
        return dataclasses.replace(examples, evidence=evidence, truth=truth, quality=quality)

    return make


def test_the_threshold_is_the_maximiser_of_the_dice_with_the_errors(planted):
    examples = planted()
    maps, wrong = examples.evidence.uncertainty, examples.evidence.masks != examples.truth
    grid = np.linspace(*np.percentile(maps, (5, 95)), 100).astype(np.float32)
    means = []
    for threshold in grid:
        values = []
        for region, error in zip(maps > threshold, wrong, strict=True):
            total = region.sum() + error.sum()
            values.append(2 * (region & error).sum() / total if total else 1.0)
        means.append(np.mean(values))
    assert not wrong.any(axis=(1, 2)).all()
    assert best_threshold(examples) == grid[np.argmax(means)]
    assert 0.55 < best_threshold(examples) < 0.65


def test_the_threshold_is_the_same_when_pixels_come_a_few_cases_at_a_time(planted, monkeypatch):
    examples = planted()
    whole = best_threshold(examples)
    monkeypatch.setattr("dicecast.stacks.CHUNK_BYTES", 7 * 4 * SIZE[0] * SIZE[1])
    assert best_threshold(examples) == whole


def test_constant_maps_have_a_threshold_too(planted):
    examples = planted()
    flat = np.full((40, *SIZE), 0.5, np.float32)
    flat = dataclasses.replace(
        examples, evidence=dataclasses.replace(examples.evidence, uncertainty=flat)
    )
    assert best_threshold(flat) == 0.5


def test_first_order_features_are_those_of_scipy(planted):
    image = planted().evidence.uncertainty[3]
    inside = image[image > 0.5].astype(np.float64)
    [row] = radiomics(image[np.newaxis], 0.5).to_dict(orient="records")
    counts, _ = np.histogram(inside, LEVELS)
    expected = {
        "mean": inside.mean(),
        "deviation": stats.tstd(inside, ddof=0),
        "minimum": inside.min(),
        "maximum": inside.max(),
        "p10": stats.scoreatpercentile(inside, 10),
        "p25": stats.scoreatpercentile(inside, 25),
        "median": stats.scoreatpercentile(inside, 50),
        "p75": stats.scoreatpercentile(inside, 75),
        "p90": stats.scoreatpercentile(inside, 90),
        "skewness": stats.skew(inside),
        "kurtosis": stats.kurtosis(inside, fisher=False),
        "energy": np.dot(inside, inside) / len(inside),
        "entropy": stats.entropy(counts, base=2),
        "uniformity": np.sum((counts / counts.sum()) ** 2),
    }
    for name, value in expected.items():
        assert row[f"first_order/{name}"] == pytest.approx(value, rel=1e-9), name
    assert {name for name in row if name.startswith("first_order/")} == {
        f"first_order/{name}" for name in expected
    }


def test_texture_is_of_pairs_of_neighbours_inside_the_region(planted):
    image = planted().evidence.uncertainty[3]
    region = image > 0.5
    inside = image[region].astype(np.float64)
    edges = np.linspace(inside.min(), inside.max(), LEVELS + 1)[1:-1]
    grey = np.where(region, np.digitize(image.astype(np.float64), edges), -1)
    pairs = []
    for row, column in np.argwhere(region):
        for down, right in itertools.product((-1, 0, 1), repeat=2):
            other = row + down, column + right
            inside_image = 0 <= other[0] < SIZE[0] and 0 <= other[1] < SIZE[1]
            if (down or right) and inside_image and region[other]:
                pairs.append((grey[row, column], grey[other]))
    one, two = np.array(pairs, dtype=np.float64).T
    [features] = radiomics(image[np.newaxis], 0.5).to_dict(orient="records")
    _, counts = np.unique(np.array(pairs), axis=0, return_counts=True)
    expected = {
        "contrast": np.mean((one - two) ** 2),
        "dissimilarity": np.mean(np.abs(one - two)),
        "homogeneity": np.mean(1 / (1 + (one - two) ** 2)),
        "ASM": np.sum((counts / len(pairs)) ** 2),
        "correlation": np.corrcoef(one, two)[0, 1],
    }
    for name, value in expected.items():
        assert features[f"texture/{name}"] == pytest.approx(value, rel=1e-9), name


@pytest.mark.parametrize("pixels", [0, 4, SIZE[0] * SIZE[1]])
def test_too_small_a_region_or_the_whole_image_has_no_features(pixels):
    image = np.zeros((1, *SIZE), np.float32)
    image.reshape(-1)[:pixels] = np.linspace(0.6, 0.9, pixels)
    assert radiomics(image, 0.5).isna().all(axis=None)


def test_five_pixels_that_never_touch_are_enough():
    image = np.zeros((1, *SIZE), np.float32)
    image[0, ::4, 0] = 0.7
    features = radiomics(image, 0.5)
    assert np.count_nonzero(image) == 5 and features.notna().all(axis=None)
    assert features["texture/contrast"].item() == 0
    assert features["first_order/skewness"].item() == 0


def test_the_head_learns_from_the_region(planted, head_of):
    head = head_of("radiomics_forest", num_trees=50)
    unseen = planted(1)
    predicted = head.fit(planted(), seed=0).predict(unseen.evidence)
    assert spearman(predicted, unseen.quality) > 0.9


def test_each_case_is_predicted_from_its_own_map_and_in_any_order(planted, head_of):
    fitted = head_of("radiomics_forest", num_trees=5).fit(planted(), seed=0)
    evidence = planted(1).evidence
    order = np.random.default_rng(0).permutation(40)
    batches = [fitted.predict(evidence.take(rows)) for rows in np.array_split(order, 3)]
    np.testing.assert_array_equal(np.concatenate(batches), fitted.predict(evidence)[order])
    assert fitted.predict(evidence.take(np.arange(0))).shape == (0,)


def test_cases_without_features_get_the_mean_of_the_others(planted, head_of):
    fitted = head_of("radiomics_forest", num_trees=5).fit(planted(), seed=0)
    evidence = planted(1).evidence
    blank = dataclasses.replace(evidence, uncertainty=np.zeros_like(evidence.uncertainty))
    predicted = fitted.predict(blank)
    assert np.ptp(predicted) == 0 and 0 <= predicted[0] <= 1
