"""An alarm for masks that do not look like any true mask."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from keras import ops
from numpy.typing import NDArray

from dicecast import register_head
from dicecast.errors import DicecastError
from dicecast.heads.autoencoder import (
    Autoencoder,
    AutoencoderHead,
    check_sides,
    divergence_from_standard,
)
from dicecast.heads.comparison import FittedComparison, fit_comparison
from dicecast.heads.contract import Evidence, Examples
from dicecast.networks.backend import Tensor
from dicecast.networks.probabilities import classes_first, log_softmax, one_hot
from dicecast.training.batches import Examples as Arrays
from dicecast.training.objective import State, Step
from dicecast.training.trainer import Task, Weights, evaluate


def reconstruction_error(outputs: dict[str, Tensor], targets: Tensor) -> Tensor:
    """Return the mean cross-entropy over the pixels of each mask, ``(batch,)``."""
    logs = log_softmax(classes_first(outputs["decoded"]))
    of_pixel = ops.sum(one_hot(ops.cast(targets, "int32"), logs.shape[0]) * logs, axis=0)
    return -ops.mean(of_pixel, axis=(1, 2))


@dataclass(frozen=True)
class MaskBound:
    """Negative evidence lower bound: reconstruction error plus ``beta`` times the divergence."""

    beta: float

    def initial_state(self) -> dict[str, float]:
        """Return no state."""
        return {}

    def of_case(self, outputs: dict[str, Tensor], targets: Tensor) -> Tensor:
        """Return the bound of each case, ``(batch,)``, low where the mask is a usual one."""
        divergence = divergence_from_standard(outputs["parameters"])
        return reconstruction_error(outputs, targets) + self.beta * divergence

    def __call__(
        self, outputs: dict[str, Tensor], targets: Tensor, step: Step, state: State
    ) -> tuple[Tensor, State]:
        """Return the loss; see ``dicecast.training.objective.Objective``."""
        return ops.mean(self.of_case(outputs, targets)), state


@dataclass(frozen=True)
class Usualness:
    """Minus the bound of a mask under the auto-encoder of true masks."""

    task: Task
    weights: Weights

    def __call__(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return how usual each predicted mask is, ``(cases,)``."""
        masks = np.asarray(evidence.masks)
        arrays = Arrays(_one_hot(masks, evidence.num_classes), masks)
        return evaluate(self.task, self.weights, arrays).astype(np.float64)


@register_head("vae_alarm")
@dataclass(frozen=True)
class VAEAlarm(AutoencoderHead):
    """Predicts Dice from how usual the predicted mask is under an auto-encoder of true masks.

    Liu et al. 2019 (arXiv 1904.04551): a shape that no annotator draws is likely to be wrong. Sees
    neither image nor uncertainty. Settings after Zenk et al. 2025, with a smaller network; the
    bound becomes a Dice by isotonic regression on the examples.
    Cost: a training of a small auto-encoder on the masks of the training role.

    Settings: see ``AutoencoderHead``.
    """

    def __post_init__(self) -> None:
        self.autoencoder.check("vae_alarm")
        if self.beta < 0.0:
            raise DicecastError(f"vae_alarm needs a beta of at least 0; got {self.beta}.")

    @property
    def score_name(self) -> str:
        """The name of the head's row."""
        return "vae_alarm"

    def fit(self, examples: Examples, seed: int) -> FittedComparison:
        """Train the auto-encoder on true masks, and fit the regression on the examples.

        Raises:
            DicecastError: The sides of the images are not multiples of 8.
        """

        def make(part: Examples) -> Usualness:
            reference, classes = part.reference, part.evidence.num_classes
            masks = np.asarray(reference.masks)
            check_sides("vae_alarm", masks.shape[1:])
            shape = (*masks.shape[1:], classes)
            task = _task(self.autoencoder, shape, self.beta)
            groups = [str(group) for group in reference.table["group"]]
            inputs = _one_hot(masks, classes)
            return Usualness(task, self.autoencoder.fitted(task, inputs, masks, groups, seed))

        return fit_comparison(examples, make)


@functools.cache
def _task(autoencoder: Autoencoder, shape: tuple[int, ...], beta: float) -> Task:
    """Return the task, whose score is minus the bound; kept, so that all estimators share it."""
    bound = MaskBound(beta)
    return Task(
        autoencoder.network(shape, shape[-1]),
        bound,
        lambda outputs, targets: -bound.of_case(outputs, targets),
    )


def _one_hot(masks: NDArray[np.uint8], classes: int) -> NDArray[np.float32]:
    return np.eye(classes, dtype=np.float32)[masks]
