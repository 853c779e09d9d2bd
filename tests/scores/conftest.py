from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from dicecast.estimation.prediction import Agreement, Prediction


def make_masks(cases: int, classes: int, seed: int = 0, side: int = 32) -> NDArray[np.uint8]:
    """Blobs of each class, with an empty mask first and a full one second."""
    noise = np.random.default_rng(seed).normal(size=(cases, classes, side, side))
    smooth = ndimage.gaussian_filter(noise, (0, 0, 3, 3))
    smooth[:, 0] += 0.02
    masks = smooth.argmax(axis=1).astype(np.uint8)
    masks[0], masks[1] = 0, classes - 1
    return masks


def agreement_of(
    draws: NDArray[np.uint8],
    classes: int,
    consensus: NDArray[np.uint8] | None = None,
    ordered: bool = False,
) -> Agreement:
    """From masks ``(draws, cases, height, width)``; the first stands for a missing consensus."""
    one_hot = draws[..., None] == np.arange(1, classes)
    count = np.einsum("iahwc,jahwc->acij", one_hot.astype(np.float32), one_hot.astype(np.float32))
    inter = one_hot.all(axis=0).sum(axis=(1, 2)).astype(np.float32)
    union = one_hot.any(axis=0).sum(axis=(1, 2)).astype(np.float32)
    common = one_hot[0] if consensus is None else consensus[..., None] == np.arange(1, classes)
    shared = (one_hot & common).sum(axis=(2, 3)).transpose(1, 2, 0).astype(np.float32)
    volume = common.sum(axis=(1, 2)).astype(np.float32)
    return Agreement(count, inter, union, shared, volume, ordered)


def make_prediction(cases: int = 9, classes: int = 3, draws: int = 4, seed: int = 0) -> Prediction:
    """Draws that disagree near the contours, with two uncertainty maps."""
    rng = np.random.default_rng(seed)
    masks = make_masks(cases, classes, seed)
    one_hot = (masks[..., None] == np.arange(classes)).astype(np.float64)
    smooth = ndimage.gaussian_filter(one_hot, (0, 1.5, 1.5, 0)) + 1e-6
    probabilities = (smooth / smooth.sum(axis=-1, keepdims=True)).astype(np.float32)
    uniform = rng.random((draws, cases, 1, 1))
    drawn = (probabilities.cumsum(axis=-1)[None] < uniform[..., None]).sum(axis=-1)
    drawn = np.minimum(drawn, classes - 1).astype(np.uint8)
    entropy = -(probabilities * np.log(probabilities)).sum(axis=-1) / np.log(classes)
    maps = {
        "predictive_entropy": entropy.astype(np.float32),
        "variance": rng.random(masks.shape, dtype=np.float32) * 1e-4,
    }
    mask = probabilities.argmax(axis=-1).astype(np.uint8)
    agreement = agreement_of(drawn, classes, mask, ordered=True) if draws > 1 else None
    return Prediction(probabilities, mask, maps, agreement)


@pytest.fixture
def masks_of() -> Callable[..., NDArray[np.uint8]]:
    return make_masks


@pytest.fixture
def prediction_of() -> Callable[..., Prediction]:
    return make_prediction


@pytest.fixture
def agreement_from() -> Callable[..., Agreement]:
    return agreement_of


@pytest.fixture
def rows_of() -> Callable[[Prediction, NDArray[np.intp]], Prediction]:
    """Cut a prediction down to some cases, in the given order."""

    def take(prediction: Prediction, rows: NDArray[np.intp]) -> Prediction:
        given = prediction.agreement
        arrays = [v for v in vars(given).values() if isinstance(v, np.ndarray)] if given else []
        return Prediction(
            prediction.mean_probabilities[rows],
            prediction.mask[rows],
            {name: maps[rows] for name, maps in prediction.maps.items()},
            given and Agreement(*(field[rows] for field in arrays), given.ordered),
        )

    return take
