"""The only training loop: many steps in one compiled graph, for any network and objective."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple, TypeVar, cast

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from dicecast.errors import DicecastError
from dicecast.networks.backend import Tensor, as_tensors, compiled, value_and_gradient
from dicecast.networks.noise import Noise, noise_in_network
from dicecast.stacks import Stack
from dicecast.training.adam import AdamState, adam_step, cosine_decay, flatten, unflatten
from dicecast.training.objective import Objective, State, Step

T = TypeVar("T")
Weights = list[NDArray[Any]]

CHUNK_BYTES = 2**26
"""Training examples enter the graph in pieces of about this size, the next one read meanwhile."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        epochs: Passes over the training examples at most.
        batch_size: Examples a step.
        learning_rate: Adam's at the first step; a cosine takes it to 0 at the last.
        patience: Epochs without a better validation score before training stops; 0 never stops.
        augment: Whether to flip and turn the examples (the 8 symmetries of the square where height
            equals width, else the 4 of the rectangle).
    """

    epochs: int = 30
    batch_size: int = 16
    learning_rate: float = 2e-3
    patience: int = 10
    augment: bool = True


@dataclass(frozen=True)
class Examples:
    """Stacks to train or validate on: ``inputs`` ``(n, height, width, channels)`` and ``targets``.

    Inputs are uint8 (divided by 255 on the way into the network) or float32; targets are one a
    pixel ``(n, height, width)`` or one an example ``(n,)``.
    """

    inputs: Stack[Any]
    targets: Stack[Any]


@dataclass(frozen=True)
class Task:
    """What is trained: a network, what it minimises, and how a validation example is scored.

    Attributes:
        network: A built ``keras.Model``; its variables are not changed.
        objective: The loss.
        score: ``(outputs, targets) -> (batch,)``, high where good; decides the best epoch.
        accelerate: "auto", "xla" or "none".
    """

    network: Any
    objective: Objective
    score: Callable[[dict[str, Tensor], Tensor], Tensor]
    accelerate: str = "auto"
    _graphs: dict[Any, Any] = field(default_factory=dict, repr=False)


class Progress(NamedTuple):
    """What is known after an epoch; ``state`` is the objective's (such as an adaptive weight)."""

    epoch: int
    epochs: int
    loss: float
    score: float
    state: dict[str, float]


class Trained(NamedTuple):
    """The best weights on validation, trainable then non-trainable, and the log of all epochs."""

    weights: Weights
    log: list[Progress]


def to_network(inputs: Tensor) -> Tensor:
    """Return network input: uint8 as float32 in [0, 1], anything else as float32."""
    scale = 1.0 / 255.0 if keras.backend.standardize_dtype(inputs.dtype) == "uint8" else 1.0
    return ops.cast(inputs, "float32") * scale


def train(
    task: Task,
    weights: Weights,
    data: tuple[Examples, Examples],
    schedule: Schedule,
    seed: int,
    on_epoch: Callable[[Progress], None] = lambda progress: None,
) -> Trained:
    """Train from ``weights`` and return the weights of the best validation epoch.

    The result depends on the arguments alone: order, augmentation and noise come from ``seed``.

    Args:
        task: What to train.
        weights: Initial weights, trainable then non-trainable.
        data: Training and validation examples.
        schedule: How long and how fast.
        seed: Decides order, augmentation and noise.
        on_epoch: Called after every epoch.

    Raises:
        DicecastError: The loss is no longer finite.
    """
    examples, validation = data
    loop = _Loop(task, examples, schedule)
    carry = loop.start(weights)
    best, best_score, log = weights, -np.inf, list[Progress]()
    for epoch in range(schedule.epochs):
        carry, loss = loop.epoch(carry, seed, epoch)
        current = loop.weights(carry)
        score = float(np.mean(evaluate(task, current, validation)))
        state = {key: float(value) for key, value in carry.state.items()}
        log.append(Progress(epoch + 1, schedule.epochs, float(loss), score, state))
        # The weights too: an argmax of NaN is a class, and its score a number.
        if not all(np.isfinite([log[-1].loss, score, *(w.sum() for w in current)])):
            raise DicecastError(
                f"Training diverged in epoch {epoch + 1}: loss {log[-1].loss}, validation score "
                f"{score}. Lower training.learning_rate (now {schedule.learning_rate})."
            )
        on_epoch(log[-1])
        if score > best_score:
            best, best_score, best_epoch = current, score, epoch
        elif schedule.patience and epoch - best_epoch >= schedule.patience:
            break
    return Trained(best, log)


def evaluate(task: Task, weights: Weights, data: Examples, batch: int = 64) -> NDArray[Any]:
    """Return the score of each example under the mean network (no noise), ``(n,)``."""
    graph = task._graphs.get("evaluate")
    if graph is None:
        graph = task._graphs["evaluate"] = compiled(_evaluator(task), task.accelerate)
    tensors = as_tensors(weights)
    scores = [
        ops.convert_to_numpy(graph(tensors, data.inputs[rows], data.targets[rows]))[:count]
        for rows, count in padded_batches(len(data.inputs), batch)
    ]
    return np.concatenate(scores)


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield the items, each made in a thread of its own while the one before it is in use."""
    end = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield cast(T, item)


def padded_batches(count: int, batch: int) -> Iterator[tuple[NDArray[np.intp], int]]:
    """Yield index arrays of one length, and how many of them are real.

    The last case fills up a batch that would be short: every batch has one shape, so that a graph
    is traced once, whatever the number of cases.
    """
    for start in range(0, count, batch):
        rows = np.arange(start, start + batch)
        yield np.minimum(rows, count - 1), min(batch, count - start)


def _evaluator(task: Task) -> Callable[..., Tensor]:
    trainable = len(task.network.trainable_variables)

    def run(weights: list[Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        outputs, _ = task.network.stateless_call(
            weights[:trainable], weights[trainable:], to_network(inputs), training=False
        )
        return task.score(as_float32(outputs), targets)

    return run


class Carry(NamedTuple):
    """What one step hands to the next."""

    adam: AdamState
    non_trainable: list[Tensor]
    state: State


class _Chunk(NamedTuple):
    """Some steps of an epoch, as they enter the graph; every chunk has the same shapes.

    Attributes:
        inputs: ``(steps, batch, ...)``, in the order of training.
        targets: Likewise.
        turns: ``(steps, 3, batch)``, the symmetries of each example.
        real: How many of the steps there are; the others fill up the shape.
        first: The number of the first of them in the whole training.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    turns: NDArray[np.bool_]
    real: np.int32
    first: np.int32


class _Loop:
    """Epochs as calls of a graph, kept with the task: every seed and member reuses the trace."""

    def __init__(self, task: Task, examples: Examples, schedule: Schedule) -> None:
        self.task, self.examples, self.schedule = task, examples, schedule
        count, *shape = examples.inputs.shape
        self.batch = min(schedule.batch_size, count)
        self.steps = count // self.batch
        self.square = shape[0] == shape[1]
        step_bytes = self.batch * prod(shape) * examples.inputs.dtype.itemsize
        self.chunk = min(self.steps, max(CHUNK_BYTES // step_bytes, 1))
        self.shapes = [tuple(v.shape) for v in task.network.trainable_variables]
        key = (schedule, examples.inputs.shape, task.objective)
        if key not in task._graphs:
            task._graphs[key] = compiled(self._graph(), task.accelerate)
        self.graph = task._graphs[key]

    def epoch(self, carry: Carry, seed: int, epoch: int) -> tuple[Carry, float]:
        """Return the carry after one more epoch, and the epoch's mean loss."""
        summed: Tensor = np.float32(0.0)
        for chunk in ahead(self._chunks(seed, epoch)):
            carry, summed = self.graph(carry, summed, tuple(chunk), np.int32(seed))
        return carry, float(summed) / self.steps

    def start(self, weights: Weights) -> Carry:
        """Return the carry before the first step."""
        trainable = len(self.shapes)
        vector = flatten(as_tensors(weights[:trainable]))
        state = self.task.objective.initial_state()
        return Carry(
            AdamState(vector, ops.zeros_like(vector), ops.zeros_like(vector)),
            as_tensors(weights[trainable:]),
            {key: ops.convert_to_tensor(np.float32(value)) for key, value in state.items()},
        )

    def weights(self, carry: Carry) -> Weights:
        """Return the carry's weights as arrays, trainable then non-trainable."""
        tensors = unflatten(carry.adam.weights, self.shapes) + list(carry.non_trainable)
        return [np.asarray(ops.convert_to_numpy(tensor)) for tensor in tensors]

    def _chunks(self, seed: int, epoch: int) -> Iterator[_Chunk]:
        """Yield the epoch in an order, and with symmetries, that are drawn on the host."""
        count = len(self.examples.inputs)
        generator = np.random.default_rng([seed, epoch])
        order = generator.permutation(count)[: self.steps * self.batch]
        turns = generator.integers(0, 2, (self.steps, 3, self.batch)).astype(bool)
        turns &= self.schedule.augment
        turns[:, 2] &= self.square
        order = order.reshape(self.steps, self.batch)
        for start in range(0, self.steps, self.chunk):
            steps = np.arange(start, start + self.chunk)
            real = int(np.count_nonzero(steps < self.steps))
            steps = np.minimum(steps, self.steps - 1)
            yield _Chunk(
                self._rows(self.examples.inputs, order[steps]),
                self._rows(self.examples.targets, order[steps]),
                turns[steps],
                np.int32(real),
                np.int32(epoch * self.steps + start),
            )

    def _rows(self, stack: Stack[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
        taken: NDArray[Any] = stack[rows.ravel()]
        return taken.reshape(*rows.shape, *stack.shape[1:])

    def _graph(self) -> Callable[..., Any]:
        total, count = self.steps * self.schedule.epochs, len(self.examples.inputs)

        def run(carry: Carry, summed: Tensor, chunk: Any, seed: Tensor) -> tuple[Carry, Tensor]:
            inputs, targets, turns, real, first = chunk

            def body(index: Tensor, state: Any) -> Any:
                carry, summed = state
                turn, number = turns[index], first + index
                batch_inputs = symmetries(inputs[index], turn)
                batch_targets = targets[index]
                if len(batch_targets.shape) > 1:
                    batch_targets = symmetries(batch_targets[..., None], turn)[..., 0]
                step = Step(
                    ops.cast(number, "float32") / total,
                    count,
                    ops.zeros(()),
                    Noise(seed, number, shared=False),
                )
                carry, loss = self._step(carry, batch_inputs, batch_targets, step, number)
                return carry, summed + loss

            ended: tuple[Carry, Tensor] = ops.fori_loop(0, real, body, (carry, summed))
            return ended

        return run

    def _step(
        self, carry: Carry, inputs: Tensor, targets: Tensor, step: Step, number: Tensor
    ) -> tuple[Carry, Tensor]:
        def loss_of(weights: list[Tensor]) -> tuple[Tensor, Any]:
            with noise_in_network(step.noise):
                outputs, moved, losses = self.task.network.stateless_call(
                    weights,
                    carry.non_trainable,
                    to_network(inputs),
                    training=True,
                    return_losses=True,
                )
            known = step._replace(regularisation=sum(losses, ops.zeros(())))
            loss, state = self.task.objective(
                as_float32(outputs), _as_target(targets), known, carry.state
            )
            return loss, (moved, state)

        weights = unflatten(carry.adam.weights, self.shapes)
        loss, (moved, state), gradients = value_and_gradient(loss_of, weights)
        rate = cosine_decay(self.schedule.learning_rate, step.progress)
        adam = adam_step(carry.adam, flatten(gradients), number, rate)
        return Carry(adam, list(moved), state), loss


def as_float32(outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a network's outputs in float32, whatever it computes in."""
    return {name: ops.cast(value, "float32") for name, value in outputs.items()}


def _as_target(targets: Tensor) -> Tensor:
    kind = keras.backend.standardize_dtype(targets.dtype)
    return targets if kind.startswith("float") else ops.cast(targets, "int32")


def symmetries(images: Tensor, turn: Tensor) -> Tensor:
    """Flip and transpose each image of a batch.

    Args:
        images: ``(batch, height, width, channels)``.
        turn: ``(3, batch)``, bool: flip up-down, flip left-right, transpose.
    """
    for kind, which in enumerate(ops.unstack(turn, 3)):
        if kind == 2 and images.shape[1] != images.shape[2]:
            break
        moved = ops.transpose(images, (0, 2, 1, 3)) if kind == 2 else ops.flip(images, kind + 1)
        images = ops.where(which[:, None, None, None], moved, images)
    return images
