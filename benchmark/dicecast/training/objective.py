"""What a training minimises: the default segmentation loss and the contract of any other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from keras import ops

from dicecast.networks.backend import Tensor
from dicecast.networks.noise import Noise
from dicecast.training.softmax_loss import softmax_cross_entropy_and_dice

State = dict[str, Tensor]


class Step(NamedTuple):
    """What an objective may know of the training step it is called in.

    Attributes:
        progress: Share of all planned steps done, scalar in [0, 1).
        examples: Number of training examples.
        regularisation: Sum of the losses that layers added (``add_loss``), scalar.
        noise: Noise of this step, for objectives that draw.
    """

    progress: Tensor
    examples: int
    regularisation: Tensor
    noise: Noise


class Objective(Protocol):
    """A frozen dataclass: the loss of a training."""

    def initial_state(self) -> dict[str, float]:
        """Return scalars that the objective carries from step to step; they are logged."""
        ...

    def __call__(
        self, outputs: dict[str, Tensor], targets: Tensor, step: Step, state: State
    ) -> tuple[Tensor, State]:
        """Return the scalar loss of a batch and the next state.

        Args:
            outputs: The network's outputs for the batch, float32.
            targets: Class indices ``(batch, height, width)``, int32.
            step: See ``Step``.
            state: The state that the last step returned.
        """
        ...


def cross_entropy_and_dice(
    log_probabilities: Tensor, truth: Tensor, dice_weight: float = 1.0
) -> Tensor:
    """Return mean cross-entropy + ``dice_weight`` * (1 - soft Dice of the foreground), scalar.

    Soft Dice (Milletari et al. 2016, eq. of section 3, without squares) is computed over the whole
    batch for each foreground class and then averaged, so an empty mask gives a finite gradient.

    Args:
        log_probabilities: ``(classes, batch, height, width)``.
        truth: The true classes, one-hot in the same shape.
        dice_weight: Weight of the Dice term.
    """
    cross_entropy = -ops.mean(ops.sum(truth * log_probabilities, axis=0))
    return cross_entropy + dice_weight * soft_dice_loss(ops.exp(log_probabilities), truth)


def soft_dice_loss(probabilities: Tensor, truth: Tensor) -> Tensor:
    """Return 1 - soft Dice of the foreground, scalar; see ``cross_entropy_and_dice``.

    Args:
        probabilities: ``(classes, batch, height, width)``.
        truth: The true classes, one-hot in the same shape.
    """
    probabilities, truth = probabilities[1:], truth[1:]
    overlap = ops.sum(probabilities * truth, axis=(1, 2, 3))
    total = ops.sum(probabilities + truth, axis=(1, 2, 3))
    dice = (2.0 * overlap + 1.0) / (total + 1.0)
    return 1.0 - ops.mean(dice)


@dataclass(frozen=True)
class SegmentationLoss:
    """Cross-entropy plus soft Dice on the softmax of the logits.

    Attributes:
        dice_weight: Weight of the Dice term.
    """

    dice_weight: float = 1.0

    def initial_state(self) -> dict[str, float]:
        """Return no state."""
        return {}

    def __call__(
        self, outputs: dict[str, Tensor], targets: Tensor, step: Step, state: State
    ) -> tuple[Tensor, State]:
        """Return the loss; see ``Objective``."""
        loss = softmax_cross_entropy_and_dice(outputs["logits"], targets, self.dice_weight)
        return loss + step.regularisation, state
