"""Random predictions of images, with maps that have ties and maps of a tiny scale."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dicecast.metrics.pixels.stream import PixelBatch


def make_batch(images: int = 6, classes: int = 2, seed: int = 0, size: int = 12) -> PixelBatch:
    """Return predictions of images; the map ``tied`` has few distinct values."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(images, size, size + 2, classes))
    exponential = np.exp(logits)
    probabilities = (exponential / exponential.sum(axis=-1, keepdims=True)).astype(np.float32)
    predicted = probabilities.argmax(axis=-1).astype(np.uint8)

    def disturbed(share: float) -> np.ndarray:
        other = rng.integers(0, classes, predicted.shape).astype(np.uint8)
        return np.where(rng.random(predicted.shape) < share, other, predicted)

    uncertainty = 1 - probabilities.max(axis=-1)
    return PixelBatch(
        probabilities,
        predicted,
        disturbed(0.4),
        {
            "smooth": uncertainty,
            "tied": (np.round(uncertainty * 5) / 5).astype(np.float32),
            "tiny": (1e-6 * rng.random(predicted.shape)).astype(np.float32),
        },
        np.stack([disturbed(0.4) for _ in range(3)], axis=1),
        np.stack([disturbed(0.3) for _ in range(16)], axis=1),
    )


@pytest.fixture(scope="session")
def batch_of() -> Callable[..., PixelBatch]:
    return make_batch


@pytest.fixture(scope="session")
def batch() -> PixelBatch:
    return make_batch()
