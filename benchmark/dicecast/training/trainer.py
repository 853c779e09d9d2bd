"""The only training loop: many steps in one compiled graph, for any network and objective."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops, tree
from numpy.typing import NDArray

from dicecast.errors import DicecastError
from dicecast.networks.backend import (
    Tensor,
    as_tensors,
    compiled,
    spread_over_devices,
    value_and_gradient,
)
from dicecast.networks.inference import InferenceNetwork
from dicecast.networks.noise import Noise, noise_in_network
from dicecast.networks.operations import prediction_operations, training_operations
from dicecast.networks.truth import truth_in_network
from dicecast.stopwatch import timed
from dicecast.training.adam import AdamState, adam_step, cosine_decay, flatten, unflatten
from dicecast.training.batches import Chunk, Epochs, Examples, ahead, padded_batches
from dicecast.training.loss_scale import LossScale
from dicecast.training.objective import Objective, State, Step
from dicecast.training.schedule import Schedule

Weights = list[NDArray[Any]]


@dataclass(frozen=True)
class Task:
    """What is trained: a network, what it minimises, and how a validation example is scored.

    Attributes:
        network: A built ``keras.Model``; its variables are not changed.
        objective: The loss.
        score: ``(outputs, targets) -> (batch,)``, high where good; decides the best epoch.
        accelerate: "auto", "xla" or "none".
        data_parallel: Whether each batch is spread over all devices (JAX alone).
    """

    network: Any
    objective: Objective
    score: Callable[[dict[str, Tensor], Tensor], Tensor]
    accelerate: str = "auto"
    data_parallel: bool = False
    _graphs: dict[Any, Any] = field(default_factory=dict, repr=False)


class Progress(NamedTuple):
    """What is known after an epoch; ``state`` is the objective's (such as an adaptive weight)."""

    epoch: int
    epochs: int
    loss: float
    score: float
    state: dict[str, float]


class Trained(NamedTuple):
    """The best weights on validation, the log of all epochs, and the snapshots asked for.

    Weights are trainable then non-trainable.
    """

    weights: Weights
    log: list[Progress]
    snapshots: list[Weights]


def to_network(inputs: Tensor) -> Tensor:
    """Return network input: uint8 as float32 in [0, 1], anything else as float32."""
    scale = 1.0 / 255.0 if keras.backend.standardize_dtype(inputs.dtype) == "uint8" else 1.0
    return ops.cast(inputs, "float32") * scale


@timed("train")
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
    snapshots = list[Weights]()
    with closing(ahead(loop.epochs.chunks(seed))) as chunks:
        for epoch in range(schedule.epochs):
            carry, loss = loop.epoch(carry, chunks, seed)
            current = loop.weights(carry)
            score = float(np.mean(evaluate(task, current, validation)))
            state = {key: float(value) for key, value in carry.state.items()}
            log.append(Progress(epoch + 1, schedule.epochs, float(loss), score, state))
            _check_finite(log[-1], current, schedule)
            on_epoch(log[-1])
            if epoch + 1 in schedule.snapshots:
                snapshots.append(current)
            if score > best_score:
                best, best_score, best_epoch = current, score, epoch
            elif schedule.patience and epoch - best_epoch >= schedule.patience:
                break
    return Trained(best, log, snapshots)


def _check_finite(progress: Progress, weights: Weights, schedule: Schedule) -> None:
    # The weights too: an argmax of NaN is a class, and its score a number.
    if not all(np.isfinite([progress.loss, progress.score, *(w.sum() for w in weights)])):
        raise DicecastError(
            f"Training diverged in epoch {progress.epoch}: loss {progress.loss}, validation score "
            f"{progress.score}. Lower training.learning_rate (now {schedule.learning_rate})."
        )


def evaluate(task: Task, weights: Weights, data: Examples, batch: int = 64) -> NDArray[Any]:
    """Return the score of each example under the mean network (no noise), ``(n,)``."""
    graph = task._graphs.get("evaluate")
    if graph is None:
        graph = task._graphs["evaluate"] = compiled(_evaluator(task), task.accelerate)
    tensors = as_tensors(weights)
    count = len(data.inputs)
    with timed("validate", count, partial(prediction_operations, task.network)):
        scores = [
            ops.convert_to_numpy(graph(tensors, data.inputs[rows], data.targets[rows]))[:real]
            for rows, real in padded_batches(count, min(batch, count))
        ]
    return np.concatenate(scores)


def _evaluator(task: Task) -> Callable[..., Tensor]:
    network = InferenceNetwork(task.network)

    def run(weights: list[Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        outputs = network.outputs(network.prepare(weights, to_network(inputs)), noise=None)
        return task.score(outputs, targets)

    return run


class Carry(NamedTuple):
    """What one step hands to the next."""

    adam: AdamState
    non_trainable: list[Tensor]
    state: State
    scale: LossScale


class _Loop:
    """Epochs as calls of a graph, kept with the task: every seed and member reuses the trace."""

    def __init__(self, task: Task, examples: Examples, schedule: Schedule) -> None:
        self.task, self.schedule = task, schedule
        self.epochs = Epochs(examples, schedule)
        self.count = len(examples.inputs)
        self.shapes = [tuple(v.shape) for v in task.network.trainable_variables]
        self.half_precision = task.network.compute_dtype == "float16"
        key = (schedule, examples.inputs.shape, task.objective)
        if key not in task._graphs:
            task._graphs[key] = compiled(self._graph(), task.accelerate)
        self.graph = task._graphs[key]

    def epoch(self, carry: Carry, chunks: Iterator[Chunk], seed: int) -> tuple[Carry, float]:
        """Return the carry after one more epoch, and the epoch's mean loss."""
        summed: Tensor = np.float32(0.0)
        for chunk in islice(chunks, self.epochs.pieces):
            given = self._spread(chunk) if self.task.data_parallel else chunk
            images = int(chunk.real) * self.epochs.batch
            with timed("train", images, partial(training_operations, self.task.network)):
                carry, summed = self.graph(carry, summed, tuple(given), np.int32(seed))
        return carry, float(summed) / self.epochs.steps

    def _spread(self, chunk: Chunk) -> Chunk:
        return chunk._replace(
            inputs=spread_over_devices(chunk.inputs, axis=1),
            targets=spread_over_devices(chunk.targets, axis=1),
        )

    def start(self, weights: Weights) -> Carry:
        """Return the carry before the first step."""
        trainable = len(self.shapes)
        vector = flatten(as_tensors(weights[:trainable]))
        state = self.task.objective.initial_state()
        return Carry(
            AdamState(vector, ops.zeros_like(vector), ops.zeros_like(vector)),
            as_tensors(weights[trainable:]),
            {key: ops.convert_to_tensor(np.float32(value)) for key, value in state.items()},
            LossScale.start(self.half_precision),
        )

    def weights(self, carry: Carry) -> Weights:
        """Return the carry's weights as arrays, trainable then non-trainable."""
        tensors = unflatten(carry.adam.weights, self.shapes) + list(carry.non_trainable)
        return [np.asarray(ops.convert_to_numpy(tensor)) for tensor in tensors]

    def _graph(self) -> Callable[..., Any]:
        total, count = self.epochs.steps * self.schedule.epochs, self.count

        def run(carry: Carry, summed: Tensor, chunk: Any, seed: Tensor) -> tuple[Carry, Tensor]:
            inputs, targets, real, first = chunk

            def body(index: Tensor, state: Any) -> Any:
                carry, summed = state
                number = first + index
                step = Step(
                    ops.cast(number, "float32") / total,
                    count,
                    ops.zeros(()),
                    Noise(seed, number, shared=False),
                )
                carry, loss = self._step(carry, inputs[index], targets[index], step, number)
                return carry, summed + loss

            ended: tuple[Carry, Tensor] = ops.fori_loop(0, real, body, (carry, summed))
            return ended

        return run

    def _step(
        self, carry: Carry, inputs: Tensor, targets: Tensor, step: Step, number: Tensor
    ) -> tuple[Carry, Tensor]:
        def loss_of(weights: list[Tensor]) -> tuple[Tensor, Any]:
            with noise_in_network(step.noise), truth_in_network(_as_target(targets)):
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
            return loss * carry.scale.factor, (moved, state, loss)

        weights = unflatten(carry.adam.weights, self.shapes)
        _, (moved, state, loss), gradients = value_and_gradient(loss_of, weights)
        rate = cosine_decay(
            self.schedule.learning_rate,
            step.progress,
            self.schedule.cycles,
            self.schedule.final_rate,
        )
        gradient = flatten(gradients)
        if self.half_precision:
            gradient = gradient / carry.scale.factor
        adam = adam_step(carry.adam, gradient, number, rate)
        following = Carry(adam, list(moved), state, carry.scale)
        if not self.half_precision:
            return following, loss
        finite = ops.all(ops.isfinite(gradient))
        kept = tree.map_structure(lambda new, old: ops.where(finite, new, old), following, carry)
        return kept._replace(scale=carry.scale.after(finite)), loss


def as_float32(outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a network's outputs in float32, whatever it computes in."""
    return {name: ops.cast(value, "float32") for name, value in outputs.items()}


def _as_target(targets: Tensor) -> Tensor:
    kind = keras.backend.standardize_dtype(targets.dtype)
    return targets if kind.startswith("float") else ops.cast(targets, "int32")
