from __future__ import annotations

import sys
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from dicecast.networks.noise import Noise, noise_in_network
from dicecast.plugins import estimators

MODULE: Any = sys.modules[estimators.get("masksembles").__module__]


def masks_of(members: int, channels: int, scale: float, seed: int = 0) -> np.ndarray:
    return MODULE.make_masks(members, channels, scale, np.random.default_rng(seed))


def under_masks(inputs: np.ndarray, index: int, shared: bool, members: int = 4) -> np.ndarray:
    layer = MODULE.Masks(members).layer(0.5, "masks")
    with noise_in_network(Noise(np.int32(9), np.int32(index), shared)):
        return ops.convert_to_numpy(layer(inputs))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 8), st.integers(1, 80), st.floats(0.01, 1.0), st.integers(0, 1000))
def test_masks_keep_equally_many_and_leave_no_channel_out(
    members: int, channels: int, share: float, seed: int
) -> None:
    masks = masks_of(members, channels, 1.0 + share * (members - 1), seed)
    assert masks.shape == (members, channels)
    assert masks.any(axis=0).all()
    assert len(set(masks.sum(axis=1))) == 1


@pytest.mark.parametrize("scale", [1.5, 2.0, 3.0])
def test_masks_overlap_as_the_scale_says(scale: float) -> None:
    masks = masks_of(4, 512, scale)
    overlap = [(a & b).sum() / (a | b).sum() for a, b in combinations(masks, 2)]
    assert np.mean(overlap) == pytest.approx(1 / (2 * scale - 1), abs=0.04)


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 8])
def test_any_batch_trains_its_members_in_turn(batch: int) -> None:
    inputs = np.ones((batch, 2, 2, 16), np.float32)
    trained = under_masks(inputs, index=3, shared=False)
    for row in range(batch):
        drawn = under_masks(inputs[:1], index=(3 * batch + row) % 4, shared=True)
        np.testing.assert_array_equal(trained[row], drawn[0])


def test_a_draw_has_one_mask_for_all_cases_and_pixels() -> None:
    drawn = under_masks(np.ones((3, 2, 2, 16), np.float32), index=6, shared=True)
    np.testing.assert_array_equal(drawn, np.broadcast_to(drawn[0, 0, 0], drawn.shape))
    np.testing.assert_array_equal(
        drawn[:1], under_masks(np.ones((1, 2, 2, 16), np.float32), index=2, shared=True)
    )


def test_the_members_mean_is_the_network_without_noise() -> None:
    inputs = np.random.default_rng(0).normal(size=(2, 3, 3, 16)).astype(np.float32)
    drawn = [under_masks(inputs, index, shared=True) for index in range(4)]
    np.testing.assert_allclose(np.mean(drawn, axis=0), inputs, rtol=1e-5)
    layer = MODULE.Masks(4).layer(0.5, "masks")
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(inputs)), inputs)


def test_the_mask_seed_and_the_layer_decide_the_masks_and_the_noise_does_not() -> None:
    def built(seed: int, name: str) -> np.ndarray:
        layer = MODULE.Masks(4, seed).layer(0.5, name)
        layer.build((None, 2, 2, 32))
        return layer.masks

    np.testing.assert_array_equal(built(0, "a"), built(0, "a"))
    assert (built(0, "a") != built(1, "a")).any()
    assert (built(0, "a") != built(0, "b")).any()
