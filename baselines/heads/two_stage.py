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
from dicecast.heads.images import InputStack, JoinedStack, check_side, held_back
from dicecast.heads.worse_masks import Kind, with_worse_masks
from dicecast.networks.backend import Tensor
from dicecast.networks.layers import BatchNormalization
from dicecast.training.batches import Examples as Arrays
from dicecast.training.initial import initial_weights
from dicecast.training.objective import State, Step
from dicecast.training.schedule import Schedule
from dicecast.training.trainer import Task, Weights, evaluate, train

Inputs = Literal["image+mask+map", "image+mask", "mask+map", "image"]

SMALLEST_SIDE = 16


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
        worse_masks: Further examples: "moved" (the mask alone is turned, scaled and shifted, and
            its quality measured anew, as Zenk et al. 2025), "under_trained" (masks of a small
            network early in its training), both joined by "+", or "none".
        width: Channels of the first convolution.
        epochs: Passes over the quality role.
        learning_rate: Adam's at the first step.
    """

    inputs: Inputs = "image+mask+map"
    worse_masks: Kind = "none"
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
        more = "" if self.worse_masks == "none" else f"/{self.worse_masks}"
        return f"two_stage/{self.inputs}{more}"

    def fit(self, examples: Examples, seed: int) -> Fitted:
        """Train the network; a fifth of the patients chooses the best epoch."""
        known = InputStack(examples.evidence, self.inputs)
        shape = known.row_shape
        check_side("two_stage", shape, SMALLEST_SIDE)
        held = held_back("two_stage", examples, seed)
        pieces = with_worse_masks(examples, self.worse_masks, seed)
        shown = [InputStack(piece.evidence, self.inputs).select(~held) for piece in pieces]
        quality = [piece.quality.astype(np.float32) for piece in pieces]
        task, reading = _tasks(shape, self.width)
        trained = train(
            task,
            initial_weights(lambda: _network(shape, self.width), seed),
            (
                Arrays(JoinedStack(shown), np.concatenate([part[~held] for part in quality])),
                Arrays(known.select(held), quality[0][held]),
            ),
            Schedule(self.epochs, 32, self.learning_rate, patience=0),
            seed,
        )
        return Fitted(self, reading, trained.weights)


@functools.cache
def _tasks(shape: tuple[int, ...], width: int) -> tuple[Task, Task]:
    """Return the tasks of training and of reading; kept, so that all variants share one trace."""
    network = _network(shape, width)
    return (
        Task(network, SquaredError(), lambda out, true: -ops.square(out["quality"] - true)),
        Task(network, SquaredError(), lambda out, true: out["quality"]),
    )


def _network(shape: tuple[int, ...], width: int) -> Any:
    inputs = keras.Input(shape)
    tensor = inputs
    for factor in (1, 2, 2, 4):
        tensor = layers.Conv2D(width * factor, 3, padding="same", use_bias=False)(tensor)
        tensor = BatchNormalization(momentum=0.9)(tensor)
        tensor = layers.MaxPooling2D()(layers.ReLU()(tensor))
    pooled = [layers.GlobalAveragePooling2D()(tensor), layers.GlobalMaxPooling2D()(tensor)]
    output = layers.Dense(1, activation="sigmoid")(layers.Concatenate()(pooled))
    return keras.Model(inputs, {"quality": layers.Reshape(())(output)})
