"""The agreement of masks, counted in bits, against counts of every pair by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicecast.estimation import agreement as module
from dicecast.estimation.agreement import agreement


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 5), st.integers(1, 4), st.integers(1, 200), st.integers(2, 4), st.integers(0, 99)
)
def test_it_counts_what_each_pair_shares(
    draws: int, cases: int, pixels: int, classes: int, seed: int
) -> None:
    shape = (draws, cases, pixels)
    masks = np.random.default_rng(seed).integers(0, classes, shape, dtype=np.uint8)
    consensus = np.roll(masks[0], 1, axis=1)
    counted = agreement(masks, consensus, classes)
    inside = masks[..., None] == np.arange(1, classes)
    pairs = np.einsum("icpk,jcpk->ckij", inside.astype(int), inside.astype(int))
    np.testing.assert_array_equal(counted.overlap, pairs)
    np.testing.assert_array_equal(counted.intersection, inside.all(axis=0).sum(axis=1))
    np.testing.assert_array_equal(counted.union, inside.any(axis=0).sum(axis=1))
    common = np.stack([consensus == c for c in range(1, classes)], axis=-1)
    np.testing.assert_array_equal(counted.consensus_volume, common.sum(axis=1))
    shared = (inside & common).sum(axis=2)
    np.testing.assert_array_equal(counted.with_consensus, shared.transpose(1, 2, 0))


def test_the_size_of_a_block_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    masks = np.random.default_rng(0).integers(0, 3, (4, 7, 130), dtype=np.uint8)
    whole = agreement(masks, masks[0], 3)
    monkeypatch.setattr(module, "BLOCK_BYTES", 1)
    parts = agreement(masks, masks[0], 3)
    np.testing.assert_array_equal(parts.overlap, whole.overlap)
    np.testing.assert_array_equal(parts.with_consensus, whole.with_consensus)
