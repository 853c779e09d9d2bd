"""Further examples: masks that were moved, and masks of a network that has hardly learned."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from skimage.transform import AffineTransform, warp

from dicecast.heads import worse_masks as module
from dicecast.heads.contract import Examples
from dicecast.heads.images import InputStack, JoinedStack
from dicecast.heads.worse_masks import moved, with_worse_masks
from dicecast.metrics.quality import mean_dice


def squares(count: int) -> np.ndarray:
    masks = np.zeros((count, 40, 40), np.uint8)
    masks[:, 12:26, 10:24] = 1
    return masks


def test_masks_are_turned_scaled_and_shifted_about_the_centre(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = iter([0.2, 0.1, np.array([0.05, -0.03])])

    class Fixed:
        def uniform(self, *arguments: object) -> object:
            return next(drawn)

    monkeypatch.setattr(module.np.random, "default_rng", lambda seed: Fixed())
    mask = squares(1)
    found = moved(mask, 0)[0]
    # scikit-image's coordinates are (column, row), its direction that of the image to the result.
    centre = 19.5
    whole = (
        AffineTransform(translation=(-centre, -centre))
        + AffineTransform(scale=1.1, rotation=0.2)
        + AffineTransform(translation=(centre - 0.03 * 40, centre + 0.05 * 40))
    )
    expected = warp(mask[0].astype(float), whole.inverse, order=0)
    assert (found != expected).mean() < 0.01
    assert (found != mask[0]).mean() > 0.04


def test_motions_are_small_differ_and_follow_the_seed() -> None:
    masks = squares(30)
    one, again, other = moved(masks, 0), moved(masks, 0), moved(masks, 1)
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    dice = mean_dice(one, masks, 2)
    assert 0.4 < dice.min() < dice.max() < 1.0
    assert len(np.unique(dice)) > 20
    assert not moved(np.zeros_like(masks), 0).any()


def test_the_quality_of_a_moved_mask_is_measured_anew(examples: Examples) -> None:
    whole, copy = with_worse_masks(examples, "moved", 3)
    assert whole is examples
    truth = np.asarray(examples.truth)
    np.testing.assert_array_equal(
        copy.quality, mean_dice(np.asarray(copy.evidence.masks), truth, 2)
    )
    assert copy.evidence.images is examples.evidence.images
    assert copy.groups == examples.groups
    assert with_worse_masks(examples, "none", 3) == [examples]


def test_an_under_trained_network_segments_worse_at_first(
    planted: Callable[..., Examples],
) -> None:
    seen = planted(160)
    pieces = with_worse_masks(seen, "moved+under_trained", 0)
    assert len(pieces) == 2 + len(module.EARLY_EPOCHS)
    for piece in pieces[2:]:
        masks = np.asarray(piece.evidence.masks)
        np.testing.assert_array_equal(piece.quality, mean_dice(masks, np.asarray(seen.truth), 2))
        assert 0 <= piece.evidence.uncertainty.min() <= piece.evidence.uncertainty.max() <= 1
    assert pieces[2].quality.mean() < pieces[-1].quality.mean()


def test_joined_rows_are_those_of_the_parts(examples: Examples) -> None:
    stack = InputStack(examples.evidence, "image+mask")
    parts = [stack.select(np.arange(7)), stack.select(np.arange(20, 25)), stack.select([3])]
    joined = JoinedStack(parts)
    assert joined.shape == (13, *stack.row_shape)
    whole = np.concatenate([part[:] for part in parts])
    np.testing.assert_array_equal(joined[:], whole)
    rows = np.array([12, 0, 7, 7, 11])
    np.testing.assert_array_equal(joined[rows], whole[rows])
    np.testing.assert_array_equal(joined.select(rows)[1:3], whole[rows][1:3])
