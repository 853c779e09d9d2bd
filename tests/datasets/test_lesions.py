"""The made-up lesions: what is drawn is decided by the seed alone, and is what its name says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import spearmanr
from skimage.morphology import convex_hull_image

from dicecast.data.cases import IN_DISTRIBUTION
from dicecast.errors import DatasetError
from dicecast.plugins import datasets

SIZE = (48, 48)
FEW = {"train": 60, "validation": 20, "quality": 20, "test": 120, "shifted": 40}
ONLY_TEST = {"train": 1, "validation": 1, "quality": 1, "test": 1, "shifts": []}
SHIFTS = ("blur", "low_contrast", "colour_cast", "hair", "unseen_shape")


def load(size=SIZE, **fields):
    return datasets.create("lesions", fields).load(None, size)


@pytest.fixture(scope="module")
def data():
    return load(**FEW)


def strengths(data, shift):
    return [data.test[f"{shift}_{strength}"] for strength in (1, 2, 3)]


def grey(cases):
    return cases.images.astype(float).mean(axis=3)


def contrast(cases):
    image, inside = grey(cases), cases.masks.astype(bool)
    skin = np.array([i[~m].mean() for i, m in zip(image, inside, strict=True)])
    lesion = np.array([i[m].mean() for i, m in zip(image, inside, strict=True)])
    return skin - lesion


def chromaticity(cases):
    mean = cases.images.astype(float).mean(axis=(1, 2))
    return mean / mean.sum(axis=1, keepdims=True)


def solidity(cases):
    return np.array([mask.sum() / convex_hull_image(mask).sum() for mask in cases.masks])


def test_shapes_and_types(data):
    for _, cases in data.roles():
        assert cases.images.shape == (len(cases), *SIZE, 3)
        assert cases.raters.shape == (len(cases), 4, *SIZE)
        assert cases.images.dtype == cases.masks.dtype == cases.raters.dtype == np.uint8
        assert set(np.unique(cases.masks)) == set(np.unique(cases.raters)) == {0, 1}
    assert {role: len(cases) for role, cases in data.roles()} == {
        "train": 60,
        "validation": 20,
        "quality": 20,
        "test/in_distribution": 120,
        **{f"test/{shift}_{strength}": 40 for shift in SHIFTS for strength in (1, 2, 3)},
    }
    assert data.classes == ("background", "lesion")


def test_table(data):
    for domain, cases in data.test.items():
        table = cases.table
        assert (table["domain"] == domain).all()
        numbers = table[["difficulty", "border_width", "contrast", "hair", "skin_tone"]]
        assert {str(column) for column in numbers.dtypes} == {"float64"}
        assert np.isfinite(numbers.to_numpy()).all()
        assert table["difficulty"].between(0, 1).all()
        assert table["skin_tone"].between(0, 1).all()
    assert data.test[IN_DISTRIBUTION].stems[12] == "lesion_test_00012"


def test_no_stem_and_no_image_occurs_twice(data):
    stems = [stem for _, cases in data.roles() for stem in cases.stems]
    images = [image.tobytes() for _, cases in data.roles() for image in cases.images]
    assert len(set(stems)) == len(stems) == len(set(images))


def test_no_patient_is_in_two_roles_or_two_shifts(data):
    owners = {}
    for role, cases in data.roles():
        owner = role.rsplit("_", 1)[0] if role[-1].isdigit() else role
        for group in cases.table["group"]:
            assert owners.setdefault(group, owner) == owner


def test_strengths_of_a_shift_show_the_same_patients(data):
    for shift in SHIFTS:
        mild, middle, strong = strengths(data, shift)
        assert list(mild.table["group"]) == list(middle.table["group"])
        assert list(mild.table["group"]) == list(strong.table["group"])
        assert (mild.table["difficulty"] == strong.table["difficulty"]).all()


@pytest.mark.parametrize("shift", ["blur", "low_contrast", "colour_cast", "hair"])
def test_only_unseen_shapes_change_the_truth(data, shift):
    mild, _, strong = strengths(data, shift)
    np.testing.assert_array_equal(mild.masks, strong.masks)
    np.testing.assert_array_equal(mild.raters, strong.raters)


def test_lesions_are_neither_tiny_nor_huge_and_lie_inside(data):
    for _, cases in data.roles():
        share = cases.masks.mean(axis=(1, 2))
        assert share.min() >= 0.01
        assert share.max() <= 0.6
        edge = np.ones(SIZE, bool)
        edge[1:-1, 1:-1] = False
        assert cases.masks[:, edge].mean() < 0.05
        assert cases.raters.any(axis=(2, 3)).all()


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (96, 96), (40, 64), (64, 33)])
def test_every_size_shows_the_same_lesions(data, size):
    other = load(size, **ONLY_TEST | {"train": 50}).train
    usual = data.train.take(np.arange(50))
    assert other.images.shape[1:] == (*size, 3)
    assert other.table.equals(usual.table)
    area = other.masks.sum(axis=(1, 2)) / min(size) ** 2
    assert np.corrcoef(area, usual.masks.mean(axis=(1, 2)))[0, 1] > 0.95


def test_the_seed_decides_every_bit(data):
    again, other = load(**FEW), load(**ONLY_TEST, seed=1)
    assert again.content_hash == data.content_hash
    assert not np.array_equal(other.train.images[0], data.train.images[0])
    assert not np.array_equal(other.train.masks[0], data.train.masks[0])


def test_a_case_does_not_depend_on_how_many_there_are(data):
    fewer = load(**ONLY_TEST | {"train": 7, "test": 51})
    tests = fewer.test[IN_DISTRIBUTION], data.test[IN_DISTRIBUTION]
    for few, many in ((fewer.train, data.train), tests):
        first = many.take(np.arange(len(few)))
        np.testing.assert_array_equal(few.images, first.images)
        np.testing.assert_array_equal(few.masks, first.masks)
        np.testing.assert_array_equal(few.raters, first.raters)
        assert few.table.equals(first.table)


def test_a_domain_does_not_depend_on_the_others(data):
    alone = load(**ONLY_TEST | {"shifts": ["hair"], "strengths": [2], "shifted": 5})
    assert list(alone.test) == [IN_DISTRIBUTION, "hair_2"]
    np.testing.assert_array_equal(alone.test["hair_2"].images, data.test["hair_2"].images[:5])


def test_a_rater_does_not_depend_on_the_others(data):
    two = load(**ONLY_TEST | {"train": 5, "raters": 2}).train
    np.testing.assert_array_equal(two.raters, data.train.raters[:5, :2])
    np.testing.assert_array_equal(two.images, data.train.images[:5])


def test_raters_disagree_where_the_border_is_wide(data):
    cases = data.test[IN_DISTRIBUTION]
    disagreement = cases.raters.var(axis=1).sum(axis=(1, 2))
    rims = [mask & ~ndimage.binary_erosion(mask) for mask in cases.masks.astype(bool)]
    width = disagreement / np.array([rim.sum() for rim in rims])
    assert spearmanr(width, cases.table["border_width"])[0] > 0.6


def test_raters_agree_with_the_truth_on_the_whole(data):
    cases = data.test[IN_DISTRIBUTION]
    both = (cases.raters & cases.masks[:, None]).sum(axis=(2, 3))
    dice = 2 * both / (cases.raters.sum(axis=(2, 3)) + cases.masks.sum(axis=(1, 2))[:, None])
    assert 0.85 < dice.mean() < 0.99


def test_difficulty_lowers_contrast_and_widens_borders(data):
    cases = data.test[IN_DISTRIBUTION]
    assert spearmanr(contrast(cases), cases.table["difficulty"])[0] < -0.5
    assert spearmanr(cases.table["border_width"], cases.table["difficulty"])[0] > 0.5


def test_blur_takes_edges_away(data):
    energy = [
        np.mean(np.diff(grey(cases), axis=1)[:, :, 1:] ** 2, axis=(1, 2))
        for cases in strengths(data, "blur")
    ]
    assert (energy[0] > energy[1]).all()
    assert np.mean(energy[1] > energy[2]) > 0.95


def test_low_contrast_brings_the_lesion_closer_to_the_skin(data):
    mild, middle, strong = (contrast(cases) for cases in strengths(data, "low_contrast"))
    assert (mild > middle).all()
    assert (middle > strong).all()


def test_colour_cast_moves_the_mean_colour(data):
    mild, middle, strong = (chromaticity(cases) for cases in strengths(data, "colour_cast"))
    half = np.linalg.norm(middle - mild, axis=1)
    assert half.min() > 0.005
    assert (np.linalg.norm(strong - mild, axis=1) > half).all()


def test_hair_adds_thin_dark_lines(data):
    lines = [
        ndimage.black_tophat(grey(cases), size=(1, 5, 5)).mean(axis=(1, 2))
        for cases in strengths(data, "hair")
    ]
    assert lines[0].mean() < lines[1].mean() < lines[2].mean()
    assert np.mean(lines[0] < lines[2]) > 0.95


def test_unseen_shapes_are_less_and_less_convex(data):
    ordinary = solidity(data.test[IN_DISTRIBUTION]).mean()
    mild, middle, strong = (solidity(cases).mean() for cases in strengths(data, "unseen_shape"))
    assert ordinary > mild > middle > strong
    assert strong < ordinary - 0.2


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"train": 0}, "'train' must be at least 1; got 0"),
        ({"test": -3}, "'test' must be at least 1; got -3"),
        ({"shifted": 0}, "set 'shifts' to an empty list"),
        ({"raters": 0}, "'raters' must be at least 1"),
        ({"seed": -1}, "'seed' must be at least 0"),
        ({"shifts": ["blurr"]}, "no shift 'blurr'. Did you mean 'blur'?"),
        ({"strengths": [1, 4]}, "got 4"),
    ],
)
def test_bad_settings(fields, text):
    with pytest.raises(DatasetError) as error:
        datasets.create("lesions", fields)
    assert text in str(error.value)


def test_images_too_small_to_show_a_lesion():
    with pytest.raises(DatasetError, match="16 pixels or more; got 8 x 64"):
        load((8, 64))
