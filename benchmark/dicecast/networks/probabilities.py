"""Arithmetic on class probabilities, whose few classes are better the first axis than the last."""

from __future__ import annotations

import math

import numpy as np
from keras import ops

from dicecast.networks.backend import Tensor

SMALLEST_PROBABILITY = 1e-10
"""Stands for a probability of zero under a logarithm."""


def classes_first(values: Tensor) -> Tensor:
    """Move the classes from the last axis to the first: operations are then on whole planes."""
    return ops.moveaxis(values, -1, 0)


def classes_last(values: Tensor) -> Tensor:
    """Undo ``classes_first``."""
    return ops.moveaxis(values, 0, -1)


def softmax(logits: Tensor) -> Tensor:
    """Return the softmax over the last axis, several times as quick for few classes as Keras' own.

    Args:
        logits: ``(batch, height, width, classes)``.
    """
    planes = classes_first(logits)
    exponential = ops.exp(planes - ops.max(planes, axis=0))
    return classes_last(exponential / ops.sum(exponential, axis=0))


def log_softmax(logits: Tensor) -> Tensor:
    """Return the logarithm of the softmax, classes first.

    Args:
        logits: ``(classes, ...)``.
    """
    # The result is the same whatever is subtracted, so the maximum needs no gradient.
    shifted = logits - ops.stop_gradient(ops.max(logits, axis=0))
    return shifted - ops.log(ops.sum(ops.exp(shifted), axis=0))


def one_hot(targets: Tensor, classes: int) -> Tensor:
    """Return 1 in the plane of each pixel's class and 0 elsewhere, ``(classes, ...)``, float32."""
    indices = np.arange(classes, dtype=np.int32).reshape(-1, *[1] * len(targets.shape))
    return ops.cast(ops.equal(targets, indices), "float32")


def log(probability: Tensor) -> Tensor:
    """Return the natural logarithm, finite for a probability of zero."""
    return ops.log(ops.maximum(probability, SMALLEST_PROBABILITY))


def entropy(probability: Tensor, logs: Tensor) -> Tensor:
    """Return the entropy divided by its maximum ``ln(classes)``: in [0, 1].

    Args:
        probability: ``(classes, ...)``.
        logs: Its ``log``.
    """
    return ops.sum(probability * logs, axis=0) / -math.log(probability.shape[0])


def most_likely(probability: Tensor) -> Tensor:
    """Return the class of the largest probability, uint8; of the lower index where they tie.

    Args:
        probability: ``(classes, ...)``.
    """
    best, *others = ops.unstack(probability, probability.shape[0], axis=0)
    chosen = ops.zeros(best.shape, "uint8")
    for index, plane in enumerate(others, start=1):
        chosen = ops.where(plane > best, ops.cast(index, "uint8"), chosen)
        best = ops.maximum(best, plane)
    return chosen
