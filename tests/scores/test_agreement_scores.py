from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import integrate

from dicecast.estimation.prediction import Prediction
from dicecast.scores.agreement import (
    AGREEMENT_SCORES,
    NEEDS_DRAWS,
    NEEDS_ORDER,
    ORDERED_SCORES,
    area_under_layer_agreement,
    dice_to_consensus,
    draw_scores,
    expected_dice,
    generalised_pairwise_dice,
    iou_of_draws,
    pairwise_dice,
    undefined_scores,
    volume_variation,
)


def random_draws(masks_of, draws, classes, cases=6):
    """Masks that share a centre and differ around it; the first case is empty in every draw."""
    stacks = np.stack([masks_of(cases, classes, seed) for seed in range(draws)])
    stacks[:, :, 8:20, 8:20] = stacks[0, :, 8:20, 8:20]
    return stacks


def dice_loop(draws, classes):
    """Mean over pairs and foreground classes of one case's draws, ``(draws, height, width)``."""
    values = []
    for index in range(1, classes):
        for first, second in combinations(draws == index, 2):
            total = first.sum() + second.sum()
            values.append(2 * (first & second).sum() / total if total else 1.0)
    return np.mean(values)


def generalised_loop(draws, classes):
    values = []
    for first, second in combinations(draws, 2):
        shared = [((first == c) & (second == c)).sum() for c in range(1, classes)]
        volume = [(first == c).sum() + (second == c).sum() for c in range(1, classes)]
        terms = [(2 * s / v**2, 1 / v) for s, v in zip(shared, volume, strict=True) if v]
        above, below = np.sum(terms, axis=0) if terms else (1.0, 1.0)
        values.append(above / below)
    return np.mean(values)


def consensus_loop(draws, classes):
    """The first draw stands for the mask of the mean probabilities."""
    pairs = [dice_loop(np.stack([draws[0], draw]), classes) for draw in draws]
    return np.mean(pairs)


def layer_loop(draws, classes):
    steps = [dice_loop(draws[k : k + 2], classes) for k in range(len(draws) - 1)]
    return integrate.trapezoid(steps) if len(steps) > 1 else np.nan


def iou_loop(draws, classes):
    values = []
    for index in range(1, classes):
        inside = draws == index
        union = inside.any(axis=0).sum()
        values.append(inside.all(axis=0).sum() / union if union else 1.0)
    return np.mean(values)


def variation_loop(draws, classes):
    values = []
    for index in range(1, classes):
        volumes = [(draw == index).sum() for draw in draws]
        if any(volumes):
            values.append(np.std(volumes) / np.mean(volumes))
    return -np.mean(values) if values else np.nan


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("draws", [2, 3, 7])
@pytest.mark.parametrize(
    ("score", "loop"),
    [
        (pairwise_dice, dice_loop),
        (generalised_pairwise_dice, generalised_loop),
        (dice_to_consensus, consensus_loop),
        (iou_of_draws, iou_loop),
        (volume_variation, variation_loop),
        (area_under_layer_agreement, layer_loop),
    ],
)
def test_equals_a_loop_over_the_masks_of_the_draws(
    masks_of, agreement_from, score, loop, draws, classes
):
    stacks = random_draws(masks_of, draws, classes)
    expected = [loop(stacks[:, case], classes) for case in range(stacks.shape[1])]
    np.testing.assert_allclose(score(agreement_from(stacks, classes)), expected, rtol=1e-12)


def test_two_squares_that_overlap_by_half(agreement_from):
    draws = np.zeros((2, 1, 20, 20), dtype=np.uint8)
    draws[0, 0, 5:15, 0:10] = 1
    draws[1, 0, 5:15, 5:15] = 1
    agreement = agreement_from(draws, 2)
    assert pairwise_dice(agreement) == pytest.approx(0.5)
    assert iou_of_draws(agreement) == pytest.approx(1 / 3)
    assert volume_variation(agreement) == pytest.approx(0.0)


def test_a_small_class_counts_as_much_as_a_large_one(agreement_from):
    # The large class is the same in both draws, of the small one they share nothing.
    draws = np.zeros((2, 1, 20, 20), dtype=np.uint8)
    draws[:, 0, :10] = 1
    draws[0, 0, 12, :5] = draws[1, 0, 14, :5] = 2
    agreement = agreement_from(draws, 3)
    assert pairwise_dice(agreement) == pytest.approx(0.5)
    small, large = 1 / 10, 1 / 400
    assert generalised_pairwise_dice(agreement) == pytest.approx(large / (small + large))


def test_with_one_foreground_class_generalised_dice_is_dice(masks_of, agreement_from):
    agreement = agreement_from(random_draws(masks_of, 4, 2), 2)
    np.testing.assert_allclose(generalised_pairwise_dice(agreement), pairwise_dice(agreement))


def test_the_consensus_is_a_mask_of_its_own(agreement_from):
    draws, consensus = np.zeros((2, 1, 8, 8), np.uint8), np.zeros((1, 8, 8), np.uint8)
    draws[0, 0, 2:4, 2:6] = 1
    consensus[0, 2:4, 2:4] = 1
    assert dice_to_consensus(agreement_from(draws, 2, consensus)) == pytest.approx((2 * 4 / 12) / 2)


def test_agreement_at_an_early_depth_is_a_large_area(agreement_from):
    early, late = np.zeros((2, 5, 1, 8, 8), np.uint8)
    early[1:, 0, 2:5, 2:5] = late[4:, 0, 2:5, 2:5] = 1
    late[0, 0, 0, 0] = late[1, 0, 2, 0] = late[2, 0, 4, 0] = late[3, 0, 6, 0] = 1
    areas = [area_under_layer_agreement(agreement_from(draws, 2)) for draws in (early, late)]
    assert areas == [2.5, 0.0]


def test_volumes_of_one_and_three(agreement_from):
    draws = np.zeros((2, 1, 4, 4), dtype=np.uint8)
    draws[0, 0, 0, :1] = draws[1, 0, 0, :3] = 1
    assert volume_variation(agreement_from(draws, 2)) == pytest.approx(-0.5)


def test_draws_that_segment_nothing_agree_and_have_no_variation(agreement_from):
    agreement = agreement_from(np.zeros((3, 2, 8, 8), dtype=np.uint8), 4)
    for score in (pairwise_dice, generalised_pairwise_dice, dice_to_consensus, iou_of_draws):
        np.testing.assert_array_equal(score(agreement), 1.0)
    np.testing.assert_array_equal(area_under_layer_agreement(agreement), 1.0)
    assert np.isnan(volume_variation(agreement)).all()


def test_one_empty_draw_of_two_is_full_disagreement(agreement_from):
    draws = np.zeros((2, 1, 8, 8), dtype=np.uint8)
    draws[0, 0, 2:5, 2:5] = 1
    agreement = agreement_from(draws, 2)
    for score in (pairwise_dice, generalised_pairwise_dice, iou_of_draws):
        assert score(agreement) == 0.0


def test_equal_draws_agree_fully(masks_of, agreement_from):
    agreement = agreement_from(np.repeat(masks_of(4, 3)[None], 5, axis=0), 3)
    np.testing.assert_array_equal(pairwise_dice(agreement), 1.0)
    np.testing.assert_array_equal(iou_of_draws(agreement), 1.0)
    np.testing.assert_array_equal(volume_variation(agreement)[1:], 0.0)


@pytest.mark.parametrize(
    "score", [pairwise_dice, generalised_pairwise_dice, dice_to_consensus, iou_of_draws]
)
def test_worse_agreement_lowers_the_score(agreement_from, score):
    values = []
    for shift in range(8):
        draws = np.zeros((3, 1, 32, 32), dtype=np.uint8)
        for draw in range(3):
            draws[draw, 0, 8:16, 4 + draw * shift : 12 + draw * shift] = 1
        values.append(score(agreement_from(draws, 2))[0])
    assert (np.diff(values)[:4] < 0).all()
    assert (np.diff(values) <= 0).all()


def test_the_order_of_the_draws_does_not_matter(masks_of, agreement_from):
    stacks = random_draws(masks_of, 5, 3)
    consensus, order = stacks[0], [2, 0, 4, 1, 3]
    for name, score in AGREEMENT_SCORES.items():
        forwards = score(agreement_from(stacks, 3, consensus))
        shuffled = score(agreement_from(stacks[order], 3, consensus))
        alike = np.allclose(shuffled, forwards, rtol=1e-12, atol=0, equal_nan=True)
        assert alike == (name not in ORDERED_SCORES), name


def test_expected_dice_equals_a_loop(prediction_of):
    prediction = prediction_of(classes=4)
    expected = []
    for p, mask in zip(prediction.mean_probabilities.astype(float), prediction.mask, strict=True):
        values = []
        for index in range(1, 4):
            inside = mask == index
            values.append(2 * p[inside, index].sum() / (p[..., index].sum() + inside.sum()))
        expected.append(np.mean(values))
    np.testing.assert_allclose(expected_dice(prediction), expected, rtol=1e-12)


def binary(foreground):
    foreground = np.asarray(foreground, dtype=np.float32)
    probabilities = np.stack([1 - foreground, foreground], axis=-1)
    return Prediction(probabilities, probabilities.argmax(-1).astype(np.uint8), {}, None)


def test_expected_dice_of_simple_images():
    sure, half = np.zeros((1, 4, 4)), np.zeros((1, 4, 4))
    sure[:, :2] = 1.0
    half[:, :2] = 0.75
    assert expected_dice(binary(sure)) == 1.0
    assert expected_dice(binary(half)) == pytest.approx(2 * 6 / (6 + 8))
    assert expected_dice(binary(np.zeros((1, 4, 4)))) == 1.0
    assert expected_dice(binary(np.full((1, 4, 4), 0.1))) == 0.0


def test_a_single_draw_says_why_scores_are_undefined(prediction_of):
    prediction = prediction_of(draws=1)
    assert undefined_scores(prediction.agreement) == dict.fromkeys(AGREEMENT_SCORES, NEEDS_DRAWS)
    assert list(draw_scores(prediction)) == ["expected_dice"]


def test_the_agreement_of_one_draw_is_no_agreement(prediction_of, agreement_from, masks_of):
    given = prediction_of(draws=1)
    alone = agreement_from(given.mask[None], 3)
    prediction = Prediction(given.mean_probabilities, given.mask, given.maps, alone)
    assert undefined_scores(alone).keys() == AGREEMENT_SCORES.keys()
    assert list(draw_scores(prediction)) == ["expected_dice"]


def test_several_ordered_draws_define_everything(prediction_of):
    prediction = prediction_of(draws=2)
    assert undefined_scores(prediction.agreement) == {}
    assert list(draw_scores(prediction)) == ["expected_dice", *AGREEMENT_SCORES]


def test_draws_without_an_order_have_no_layers(prediction_of):
    given = prediction_of(draws=4)
    prediction = replace(given, agreement=replace(given.agreement, ordered=False))
    assert undefined_scores(prediction.agreement) == {"area_under_layer_agreement": NEEDS_ORDER}
    missing = set(draw_scores(given)) - set(draw_scores(prediction))
    assert missing == {"area_under_layer_agreement"}
