"""MC dropout as Keras' tutorials show it: ``model.predict`` in a loop, then NumPy."""

from __future__ import annotations

import time
from itertools import combinations
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from workloads.images import blobs

RATE = 0.3
BATCH = 32

_kept: dict[str, Any] = {}


class AlwaysDropout(layers.Dropout):
    """Dropout that stays on in ``predict``."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop values whether training or not."""
        return super().call(inputs, training=True)


def unet(width: int = 16, depth: int = 3) -> Any:
    """Return the shipped U-Net, written with Keras' own layers."""
    inputs = keras.Input((64, 64, 3))
    tensor, skips = layers.Rescaling(1 / 255)(inputs), []
    for level in range(depth):
        skips.append(_block(tensor, width * 2**level))
        tensor = layers.MaxPooling2D()(skips[-1])
    tensor = AlwaysDropout(RATE)(_block(tensor, width * 2**depth))
    for level in reversed(range(depth)):
        tensor = layers.Concatenate()([layers.UpSampling2D()(tensor), skips[level]])
        tensor = AlwaysDropout(RATE)(_block(tensor, width * 2**level))
    return keras.Model(inputs, layers.Conv2D(2, 1, activation="softmax")(tensor))


def _block(tensor: Any, filters: int) -> Any:
    for _ in range(2):
        tensor = layers.Conv2D(filters, 3, padding="same", use_bias=False)(tensor)
        tensor = layers.ReLU()(layers.BatchNormalization()(tensor))
    return tensor


def start(images: int) -> None:
    """Read the images; ``mode`` builds a network."""
    _kept["images"] = blobs(images, seed=2).images


def mode(name: str, jit_compile: bool) -> None:
    """Build a network, with XLA or without; Keras' "auto" means with it."""
    model = unet()
    model.compile(jit_compile=jit_compile)
    model.predict(_kept["images"][:BATCH], batch_size=BATCH, verbose=0)
    _kept[name] = model


def turn(name: str, draws: int) -> float:
    """Predict all images; return the seconds."""
    started = time.perf_counter()
    model, images = _kept[name], _kept["images"]
    drawn = [model.predict(images, batch_size=BATCH, verbose=0) for _ in range(draws)]
    summary(np.stack(drawn))
    return time.perf_counter() - started


def summary(drawn: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Return mean, entropies, mutual information and pairwise Dice of the draws."""
    mean = drawn.mean(axis=0)
    predictive, expected = _entropy(mean), _entropy(drawn).mean(axis=0)
    return {
        "probability": mean,
        "predictive_entropy": predictive,
        "expected_entropy": expected,
        "mutual_information": predictive - expected,
        "pairwise_dice": _pairwise_dice(drawn.argmax(axis=-1).astype(bool)),
    }


def _entropy(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    logs = np.log(np.maximum(probability, 1e-10))
    return np.asarray(-(probability * logs).sum(axis=-1) / np.log(2))


def _pairwise_dice(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    dice = [
        2
        * (first & second).sum(axis=(1, 2))
        / np.maximum(first.sum(axis=(1, 2)) + second.sum(axis=(1, 2)), 1)
        for first, second in combinations(masks, 2)
    ]
    return np.mean(dice, axis=0)
