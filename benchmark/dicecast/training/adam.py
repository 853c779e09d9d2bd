"""Adam as a function of tensors, so that a whole epoch is one graph.

Keras' optimisers keep their state in variables and refuse ``stateless_apply`` on TensorFlow; this
one runs on all weights as one vector, which also spares hundreds of small operations a step.
"""

from __future__ import annotations

from math import pi, prod, sqrt
from typing import NamedTuple

from keras import ops

from dicecast.networks.backend import Tensor


class AdamState(NamedTuple):
    """Weights as one vector, with the decaying sums of gradient and squared gradient.

    A sum is the moving average divided by 1 minus its decay: updating it takes one pass over the
    weights less.
    """

    weights: Tensor
    mean: Tensor
    square: Tensor


def flatten(tensors: list[Tensor]) -> Tensor:
    """Return all tensors as one float32 vector."""
    return ops.concatenate([ops.reshape(ops.cast(t, "float32"), (-1,)) for t in tensors])


def unflatten(vector: Tensor, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    """Undo ``flatten`` for tensors of the given shapes."""
    sizes = [prod(shape) for shape in shapes]
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    parts = ops.split(vector, ends) if ends else [vector]
    return [ops.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]


def cosine_decay(initial: float, progress: Tensor, cycles: int = 1, final: float = 0.0) -> Tensor:
    """Return the learning rate at ``progress`` in [0, 1] (Loshchilov and Hutter 2017, eq. 5).

    Args:
        initial: The rate at the start of each cycle.
        progress: Share of the training that is done.
        cycles: How often the cosine falls.
        final: Share of ``initial`` to which it falls.
    """
    if cycles > 1:
        progress = ops.mod(progress * cycles, 1.0)
    return initial * (final + (1.0 - final) * 0.5 * (1.0 + ops.cos(pi * progress)))


def adam_step(
    state: AdamState, gradient: Tensor, number: Tensor, learning_rate: Tensor
) -> AdamState:
    """Return the state after one step of Adam (Kingma and Ba 2015, algorithm 1).

    Args:
        state: The state before.
        gradient: Of the loss, as one vector.
        number: Steps taken before this one, scalar.
        learning_rate: Scalar.
    """
    decay_mean, decay_square, epsilon = 0.9, 0.999, 1e-7
    count = ops.cast(number, "float32") + 1.0
    mean = decay_mean * state.mean + gradient
    square = decay_square * state.square + gradient * gradient
    # The averages' factors and the corrections of their start are scalars: no pass over weights.
    of_mean = (1.0 - decay_mean) / (1.0 - decay_mean**count)
    of_root = sqrt(1.0 - decay_square)
    rate = learning_rate * of_mean * ops.sqrt(1.0 - decay_square**count) / of_root
    weights = state.weights - rate * mean / (ops.sqrt(square) + epsilon / of_root)
    return AdamState(weights, mean, square)
