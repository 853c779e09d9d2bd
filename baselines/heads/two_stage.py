"""The seed paper's second stage: a network that reads image, mask and uncertainty map."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from dicecast import register_head
from dicecast.errors import DicecastError
from dicecast.heads.contract import Evidence, Examples
from dicecast.networks.backend import Tensor
from dicecast.networks.layers import BatchNormalization
from dicecast.stacks import LazyStack
from dicecast.training.batches import Examples as Arrays
from dicecast.training.initial import initial_weights
from dicecast.training.objective import State, Step
from dicecast.training.schedule import Schedule
from dicecast.training.trainer import Task, Weights, evaluate, train

Inputs = Literal["image+mask+map", "image+mask", "mask+map", "image"]

SMALLEST_SIDE = 16

HELD_BACK = 0.2
"""Share of the patients of the quality role that choose the best epoch."""


@dataclass(frozen=True)
class SquaredError:
    """Mean squared error of the predicted quality."""

    def initial_state(self) -> dict[str, float]:
        """Return no state."""
        return {}

    def __call__(
        self, outputs: dict[str, Tensor], targets: Tensor, step: Step, state: State
    ) -> tuple[Tensor, State]:
        """Return the loss; see ``dicecast.training.objective.Objective``."""
        return ops.mean(ops.square(outputs["quality"] - targets)), state


@dataclass(frozen=True)
class Fitted:
    """A trained second stage."""

    head: TwoStage
    task: Task
    weights: Weights

    def predict(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the predicted quality of each case, ``(cases,)``, in [0, 1]."""
        inputs = InputStack(evidence, self.head.inputs)
        arrays = Arrays(inputs, np.zeros(len(inputs), np.float32))
        return evaluate(self.task, self.weights, arrays).astype(np.float64)


@register_head("two_stage")
@dataclass(frozen=True)
class TwoStage:
    """A small network regresses the Dice from image, predicted mask and uncertainty map.

    DeVries and Taylor 2018 (arXiv 1807.00502), whose second network's architecture is not known;
    this one has four convolutions, batch normalisation and pooling each, then global mean and
    maximum. Inputs that are withheld are zeros, so all variants have the same capacity and differ
    in what they are shown alone. Cost: some seconds for a few hundred cases.

    Attributes:
        inputs: What the network is shown.
        width: Channels of the first convolution.
        epochs: Passes over the quality role.
        learning_rate: Adam's at the first step.
    """

    inputs: Inputs = "image+mask+map"
    width: int = 16
    epochs: int = 40
    learning_rate: float = 3e-3

    def __post_init__(self) -> None:
        if self.width < 1 or self.epochs < 1 or self.learning_rate <= 0.0:
            raise DicecastError(
                "two_stage needs width and epochs of at least 1 and a learning_rate above 0; "
                f"got {self}."
            )

    @property
    def score_name(self) -> str:
        """The name of the head's row."""
        return f"two_stage/{self.inputs}"

    def fit(self, examples: Examples, seed: int) -> Fitted:
        """Train the network; a fifth of the patients chooses the best epoch."""
        inputs = InputStack(examples.evidence, self.inputs)
        height, width, channels = inputs.row_shape
        if min(height, width) < SMALLEST_SIDE:
            raise DicecastError(
                f"two_stage halves the sides of images four times, so it needs at least "
                f"{SMALLEST_SIDE} pixels; got {height} x {width}."
            )
        quality = examples.quality.astype(np.float32)
        held = _held_back(list(examples.groups), seed)
        shape = (height, width, channels)
        task, reading = _tasks(shape, self.width)
        trained = train(
            task,
            initial_weights(lambda: _network(shape, self.width), seed),
            (
                Arrays(inputs.select(~held), quality[~held]),
                Arrays(inputs.select(held), quality[held]),
            ),
            Schedule(self.epochs, 32, self.learning_rate, patience=0),
            seed,
        )
        return Fitted(self, reading, trained.weights)


class InputStack(LazyStack[np.float32]):
    """What the network is shown of cases, computed for those that are asked for; see ``stacked``.

    Args:
        evidence: Of the cases.
        shown: The parts that are not withheld, joined by ``+``.
    """

    def __init__(self, evidence: Evidence, shown: str) -> None:
        cases, height, width, channels = evidence.images.shape
        shape = (cases, height, width, channels + evidence.num_classes + 1)
        super().__init__(shape, np.dtype(np.float32))
        self.evidence, self.shown = evidence, shown

    def read(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the inputs of some cases."""
        return stacked(self.evidence.take(rows), self.shown)


def stacked(evidence: Evidence, inputs: str) -> NDArray[np.float32]:
    """Return ``(cases, height, width, channels)``: image, one-hot mask, map; withheld ones zero."""
    shown = inputs.split("+")
    image = np.asarray(evidence.images, np.float32) / 255.0
    one_hot = np.eye(evidence.num_classes, dtype=np.float32)[np.asarray(evidence.masks)]
    parts = {"image": image, "mask": one_hot, "map": np.asarray(evidence.uncertainty)[..., None]}
    return np.concatenate(
        [part if name in shown else np.zeros_like(part) for name, part in parts.items()], axis=-1
    )


def _held_back(groups: list[str], seed: int) -> NDArray[np.bool_]:
    names = sorted(set(groups))
    if len(names) < 5:
        raise DicecastError(
            f"two_stage needs a quality role of at least 5 patients; got {len(names)}."
        )
    chosen = np.random.default_rng(seed).permutation(names)[: round(HELD_BACK * len(names))]
    return np.isin(groups, chosen)


@functools.cache
def _tasks(shape: tuple[int, int, int], width: int) -> tuple[Task, Task]:
    """Return the tasks of training and of reading; kept, so that all variants share one trace."""
    network = _network(shape, width)
    return (
        Task(network, SquaredError(), lambda out, true: -ops.square(out["quality"] - true)),
        Task(network, SquaredError(), lambda out, true: out["quality"]),
    )


def _network(shape: tuple[int, int, int], width: int) -> Any:
    inputs = keras.Input(shape)
    tensor = inputs
    for factor in (1, 2, 2, 4):
        tensor = layers.Conv2D(width * factor, 3, padding="same", use_bias=False)(tensor)
        tensor = BatchNormalization(momentum=0.9)(tensor)
        tensor = layers.MaxPooling2D()(layers.ReLU()(tensor))
    pooled = [layers.GlobalAveragePooling2D()(tensor), layers.GlobalMaxPooling2D()(tensor)]
    output = layers.Dense(1, activation="sigmoid")(layers.Concatenate()(pooled))
    return keras.Model(inputs, {"quality": layers.Reshape(())(output)})
