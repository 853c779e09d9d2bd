"""Predicting with ``dicecast``'s sampler: one forward pass, or draws of MC dropout."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from dicecast.estimation.contract import BackbonePredictive
from dicecast.estimation.prediction import Prediction
from dicecast.estimation.sampling import Sampler
from dicecast.scores.agreement import pairwise_dice
from dicecast.training.backbone import Backbone
from workloads.images import blobs
from workloads.our_training import trainer

RATE = 0.3
BATCH = 32

_kept: dict[str, Any] = {}


def backbone(store: str, precision: str) -> Backbone:
    """Return a network of two epochs, from the store if it was trained before."""
    return trainer(store, precision)(seed=0, epochs=2, dropout_rate=RATE)


def export(store: str, precision: str, path: str) -> None:
    """Write the trained weights by name, for the peers."""
    trained = backbone(store, precision)
    network = trained.network
    variables = [*network.trainable_variables, *network.non_trainable_variables]
    weights = {v.path: array for v, array in zip(variables, trained.weights, strict=True)}
    for name in [name for name in weights if name.endswith("_deep/kernel")]:
        # A convolution of two tensors, whose concatenation the peers convolve.
        parts = [weights.pop(name), weights.pop(name.replace("_deep/", "_skip/"))]
        weights[name.replace("_deep/", "/")] = np.concatenate(parts, axis=2)
    np.savez(path, **weights)


def start(store: str, precision: str, draws: int, images: int) -> None:
    """Prepare to predict ``images`` images; more than one draw is MC dropout."""
    trained = backbone(store, precision)
    _kept["predictive"] = BackbonePredictive([trained], draws, noisy=draws > 1)
    _kept["sampler"] = Sampler(num_classes=2, batch_size=BATCH)
    _kept["images"] = blobs(images, seed=2).images


def turn() -> float:
    """Predict all images, with every measure; return the seconds."""
    started = time.perf_counter()
    for _ in _predict():
        pass
    return time.perf_counter() - started


def answers(path: str) -> None:
    """Write what is predicted, one row an image."""
    parts = [_answer(prediction) for prediction in _predict()]
    np.savez(path, **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _predict() -> Any:
    return _kept["sampler"].predict(_kept["predictive"], _kept["images"], seed=0)


def _answer(prediction: Prediction) -> dict[str, np.ndarray]:
    found = {name: maps.mean(axis=(1, 2)) for name, maps in prediction.maps.items()}
    if prediction.agreement is not None:
        found["pairwise_dice"] = pairwise_dice(prediction.agreement)
    return found | {"probability": prediction.mean_probabilities[..., 1]}
