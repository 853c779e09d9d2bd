"""How far the masks of the draws agree, counted in bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicecast.estimation.prediction import Agreement

BLOCK_BYTES = 2**20
"""Packed masks of cases that are compared at once: what a core's cache holds."""


def agreement(
    masks: NDArray[np.uint8], consensus: NDArray[np.uint8], num_classes: int, ordered: bool = False
) -> Agreement:
    """Count the pixels that the draws' masks share.

    A mask of one class is packed to a bit a pixel, so that one instruction compares 64 pixels of
    two draws: several times faster than the product of the masks as floats.

    Args:
        masks: ``(draws, cases, pixels)``.
        consensus: Masks of the mean probabilities, ``(cases, pixels)``.
        num_classes: How many classes there are, background included.
        ordered: Whether the draws have an order.
    """
    draws, cases, _ = masks.shape
    overlap = np.empty((cases, num_classes - 1, draws, draws), np.float32)
    shared = np.empty((2, cases, num_classes - 1), np.float32)
    with_consensus = np.empty((cases, num_classes - 1, draws), np.float32)
    volume = np.empty((cases, num_classes - 1), np.float32)
    for label in range(1, num_classes):
        bits, common = _packed(masks == label), _packed(consensus == label)
        volume[:, label - 1] = _count(common)
        step = max(1, BLOCK_BYTES // bits[:, 0].nbytes)
        for start in range(0, cases, step):
            rows = slice(start, start + step)
            block = np.ascontiguousarray(bits[:, rows])
            for draw in range(draws):
                counts = _count(block[draw] & block[draw:]).T
                overlap[rows, label - 1, draw, draw:] = counts
                overlap[rows, label - 1, draw:, draw] = counts
            shared[0, rows, label - 1] = _count(np.bitwise_and.reduce(block))
            shared[1, rows, label - 1] = _count(np.bitwise_or.reduce(block))
            with_consensus[rows, label - 1] = _count(block & common[rows]).T
    return Agreement(overlap, shared[0], shared[1], with_consensus, volume, ordered)


def _packed(inside: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Return ``(..., pixels)`` as bits, filled up with zeros to whole words."""
    packed = np.packbits(inside, axis=-1)
    spare = -packed.shape[-1] % 8
    if spare:
        packed = np.pad(packed, [(0, 0)] * (packed.ndim - 1) + [(0, spare)])
    return packed.view(np.uint64)


def _count(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return np.asarray(np.bitwise_count(bits).sum(axis=-1))
