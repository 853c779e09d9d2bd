"""Learned confidence estimates, the seed paper's own method."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.backend import Tensor
from dicecast.networks.inference import Prepared
from dicecast.networks.probabilities import classes_first, log, one_hot, softmax
from dicecast.training.backbone import TrainBackbone
from dicecast.training.objective import State, Step, cross_entropy_and_dice

CLAMP = 1e-7
"""Keeps the confidence off 0 and 1; the paper's 1e-12 vanishes beside 1 in float32."""


@dataclass(frozen=True)
class ConfidenceLoss:
    """Segmentation loss on hinted probabilities, plus a price for asking for hints.

    ``p' = c' p + (1 - c') y`` and ``L = L_task(p') + lambda mean(-log c)``. The confidence counts
    at half of the pixels (``c' = c``), at the others the network gets no hint (``c' = 1``). After
    each step ``lambda`` moves so that ``mean(-log c)`` stays at the budget.

    Attributes:
        budget: The mean of ``-log c`` to keep to.
        initial_lambda: The weight of the confidence loss at the first step.
        dice_weight: Weight of the Dice term of the task loss.
    """

    budget: float
    initial_lambda: float
    dice_weight: float = 1.0

    def initial_state(self) -> dict[str, float]:
        """Start with full confidence."""
        return {"lambda": self.initial_lambda, "mean_confidence": 1.0}

    def __call__(
        self, outputs: dict[str, Tensor], targets: Tensor, step: Step, state: State
    ) -> tuple[Tensor, State]:
        """Return the loss; see ``dicecast.training.objective.Objective``."""
        probability = classes_first(softmax(outputs["logits"]))
        truth = one_hot(targets, probability.shape[0])
        confidence = ops.clip(ops.sigmoid(outputs["confidence"]), CLAMP, 1.0 - CLAMP)
        asks = step.noise.uniform("learned_confidence_hint", tuple(ops.shape(confidence))) < 0.5
        counted = ops.where(asks, confidence, 1.0)[..., 0]
        hinted = counted * probability + (1.0 - counted) * truth
        task = cross_entropy_and_dice(log(hinted), truth, self.dice_weight)
        price = -ops.mean(ops.log(confidence))
        weight = state["lambda"]
        moved = ops.where(self.budget > price, weight / 1.01, weight / 0.99)
        loss = task + weight * price + step.regularisation
        return loss, {"lambda": moved, "mean_confidence": ops.mean(confidence)}


class _ConfidencePredictive(BackbonePredictive):
    own_map = "learned_confidence"

    def maps(self, state: Any, prepared: Prepared) -> dict[str, Tensor]:
        """Return one minus the learned confidence, beside the measures of logits."""
        logit = self.backbone.inference.outputs(prepared, None)["confidence"]
        own = {"learned_confidence": 1.0 - ops.sigmoid(logit[..., 0])}
        return own | super().maps(state, prepared)


@register_estimator("learned_confidence")
@dataclass(frozen=True)
class LearnedConfidence:
    """A second head learns where the network would pay for a hint; uncertainty is 1 - confidence.

    DeVries and Taylor 2018 (arXiv 1802.04865, eq. 2-4; for segmentation arXiv 1807.00502), with a
    confidence for each pixel and the hint drawn for each pixel. Departs in the task loss, which is
    this suite's cross-entropy + Dice on the hinted probabilities, and in the optimiser.
    Cost: one training, one forward pass.

    Attributes:
        budget: The mean of ``-log c`` that training keeps to, above 0.
        initial_lambda: The weight of the confidence loss at the start, above 0.
    """

    budget: float = 0.3
    initial_lambda: float = 0.1

    def __post_init__(self) -> None:
        if self.budget <= 0.0 or self.initial_lambda <= 0.0:
            raise DicecastError(
                "learned_confidence needs budget and initial_lambda above 0; "
                f"got {self.budget} and {self.initial_lambda}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train a backbone with a confidence head."""
        loss = ConfidenceLoss(self.budget, self.initial_lambda)
        return _ConfidencePredictive(
            [train_backbone(seed, heads={"confidence": 1}, objective=loss)]
        )
