"""A network that predicts the quality and, at once, where the segmentation is wrong."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from dicecast import register_head
from dicecast.errors import DicecastError
from dicecast.heads.contract import Evidence, Examples
from dicecast.heads.images import InputStack, JoinedStack, held_back
from dicecast.heads.worse_masks import Kind, with_worse_masks
from dicecast.networks.backend import Tensor
from dicecast.networks.contract import Features
from dicecast.networks.unet import UNet
from dicecast.stacks import LazyStack
from dicecast.training.batches import Examples as Arrays
from dicecast.training.initial import initial_weights
from dicecast.training.objective import State, Step
from dicecast.training.schedule import Schedule
from dicecast.training.trainer import Task, Weights, evaluate, train

SHOWN = "image+mask+map"
ERROR, QUALITY = 0, 1
"""Channels of the targets: whether a pixel is wrong, and (everywhere the same) the quality."""


@dataclass(frozen=True)
class PooledQuality:
    """The quality from means and maxima over the deepest block."""

    def build(self, features: Features, name: str) -> Tensor:
        """Return ``(batch,)``, in [0, 1]."""
        deepest = features.blocks["bottleneck"]
        pooled = layers.Concatenate(name=f"{name}_pooled")(
            [
                layers.GlobalAveragePooling2D(name=f"{name}_mean")(deepest),
                layers.GlobalMaxPooling2D(name=f"{name}_maximum")(deepest),
            ]
        )
        one = layers.Dense(1, activation="sigmoid", name=f"{name}_dense")(pooled)
        return layers.Reshape((), name=name)(one)


@dataclass(frozen=True)
class TwoErrors:
    """Squared error of the quality, plus cross-entropy of the error map.

    Attributes:
        map_weight: Weight of the cross-entropy.
    """

    map_weight: float

    def initial_state(self) -> dict[str, float]:
        """Return no state."""
        return {}

    def __call__(
        self, outputs: dict[str, Tensor], targets: Tensor, step: Step, state: State
    ) -> tuple[Tensor, State]:
        """Return the loss; see ``dicecast.training.objective.Objective``."""
        logit, wrong = outputs["logits"][..., 0], targets[..., ERROR]
        # log(1 + exp(x)) - x y is the cross-entropy of a sigmoid.
        of_map = ops.mean(ops.softplus(logit) - logit * wrong)
        of_quality = ops.mean(ops.square(outputs["quality"] - targets[:, 0, 0, QUALITY]))
        return of_quality + self.map_weight * of_map, state


class TargetStack(LazyStack[np.float32]):
    """Where each example is wrong, and how good it is: ``(cases, height, width, 2)``."""

    def __init__(self, examples: Examples) -> None:
        super().__init__((*examples.evidence.masks.shape, 2), np.dtype(np.float32))
        self.examples = examples

    def read(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the targets of some examples."""
        found = np.empty((len(rows), *self.row_shape), np.float32)
        found[..., ERROR] = self.examples.evidence.masks[rows] != self.examples.truth[rows]
        found[..., QUALITY] = self.examples.quality[rows][:, None, None]
        return found


@dataclass(frozen=True)
class Fitted:
    """A trained network of two tasks."""

    task: Task
    weights: Weights

    def predict(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the predicted quality of each case, ``(cases,)``, in [0, 1]."""
        inputs = InputStack(evidence, SHOWN)
        arrays = Arrays(inputs, np.zeros(len(inputs), np.float32))
        return evaluate(self.task, self.weights, arrays).astype(np.float64)


@register_head("quality_and_error_map")
@dataclass(frozen=True)
class QualityAndErrorMap:
    """A U-Net regresses the Dice and marks the wrong pixels: the map teaches it where to look.

    Qiu et al. 2023 (QCResUNet, MICCAI), with this
    suite's U-Net for the residual one, the uncertainty map as a further input, and their quality
    levels from under-trained networks as the setting ``worse_masks``.
    Cost: some ten seconds for a few hundred cases.

    Attributes:
        width: Channels of the first block.
        epochs: Passes over the examples.
        learning_rate: Adam's at the first step.
        map_weight: Weight of the error map beside the quality.
        worse_masks: Further examples of bad masks; see ``two_stage``.
    """

    width: int = 16
    epochs: int = 40
    learning_rate: float = 3e-3
    map_weight: float = 0.5
    worse_masks: Kind = "none"

    def __post_init__(self) -> None:
        positive = self.learning_rate > 0.0 and self.map_weight >= 0.0
        if self.width < 1 or self.epochs < 1 or not positive:
            raise DicecastError(
                "quality_and_error_map needs width and epochs of at least 1, a learning_rate above "
                f"0 and a map_weight of at least 0; got {self}."
            )

    @property
    def score_name(self) -> str:
        """The name of the head's row."""
        more = "" if self.worse_masks == "none" else f"/{self.worse_masks}"
        return f"quality_and_error_map{more}"

    def fit(self, examples: Examples, seed: int) -> Fitted:
        """Train the network; a fifth of the patients chooses the best epoch."""
        shape = InputStack(examples.evidence, SHOWN).row_shape
        depth = next((d for d in (3, 2, 1) if gcd(*shape[:2]) % 2**d == 0), 0)
        if not depth:
            raise DicecastError(
                "quality_and_error_map needs images with an even height and width; "
                f"got {shape[0]} x {shape[1]}."
            )
        held = held_back("quality_and_error_map", examples, seed)
        pieces = with_worse_masks(examples, self.worse_masks, seed)
        training, reading = _tasks(shape, self.width, depth, self.map_weight)
        trained = train(
            training,
            initial_weights(lambda: _network(shape, self.width, depth), seed),
            (_arrays(pieces, ~held), _arrays([examples], held)),
            Schedule(self.epochs, 32, self.learning_rate, patience=0),
            seed,
        )
        return Fitted(reading, trained.weights)


def _arrays(pieces: list[Examples], chosen: NDArray[np.bool_]) -> Arrays:
    return Arrays(
        JoinedStack([InputStack(piece.evidence, SHOWN).select(chosen) for piece in pieces]),
        JoinedStack([TargetStack(piece).select(chosen) for piece in pieces]),
    )


@functools.cache
def _tasks(shape: tuple[int, ...], width: int, depth: int, map_weight: float) -> tuple[Task, Task]:
    """Return the tasks of training and of reading; kept, so that all estimators share one trace."""
    network = _network(shape, width, depth)

    def score(outputs: dict[str, Tensor], targets: Tensor) -> Tensor:
        return -ops.square(outputs["quality"] - targets[:, 0, 0, QUALITY])

    return (
        Task(network, TwoErrors(map_weight), score),
        Task(network, TwoErrors(map_weight), lambda outputs, targets: outputs["quality"]),
    )


def _network(shape: tuple[int, ...], width: int, depth: int) -> Any:
    architecture = UNet(width, depth, heads={"quality": PooledQuality()})
    height, wide, channels = shape
    return architecture.build((height, wide, channels), 1)
