"""Evidential deep learning."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.backend import Tensor, digamma, log_gamma
from dicecast.networks.inference import Prepared
from dicecast.networks.noise import Noise
from dicecast.networks.probabilities import classes_first, one_hot
from dicecast.training.backbone import TrainBackbone
from dicecast.training.objective import State, Step, soft_dice_loss


def concentrations(logits: Tensor) -> Tensor:
    """Return the Dirichlet's parameters ``softplus(logits) + 1``, in the shape of the logits."""
    return ops.softplus(logits) + 1.0


def divergence_from_uniform(alpha: Tensor) -> Tensor:
    """Return KL(Dirichlet(alpha) || Dirichlet(1)) in nats; classes are the first axis."""
    total, classes = ops.sum(alpha, axis=0), ops.full((), float(alpha.shape[0]))
    spread = ops.sum((alpha - 1.0) * (digamma(alpha) - digamma(total)), axis=0)
    return log_gamma(total) - log_gamma(classes) - ops.sum(log_gamma(alpha), axis=0) + spread


@dataclass(frozen=True)
class EvidentialLoss:
    """Expected cross-entropy under the Dirichlet, soft Dice of its mean, and a price of evidence.

    ``sum_c y_c (digamma(S) - digamma(alpha_c)) + Dice(alpha / S) + lambda KL(Dir(e (1 - y) + 1) ||
    Dir(1))``: evidence for wrong classes alone is priced, with ``lambda`` rising from 0 to 1.

    Attributes:
        warm_up: Share of the training over which ``lambda`` rises.
        dice_weight: Weight of the Dice term.
    """

    warm_up: float
    dice_weight: float = 1.0

    def initial_state(self) -> dict[str, float]:
        """Log the mean vacuity, which starts from the whole."""
        return {"mean_vacuity": 1.0}

    def __call__(
        self, outputs: dict[str, Tensor], targets: Tensor, step: Step, state: State
    ) -> tuple[Tensor, State]:
        """Return the loss; see ``dicecast.training.objective.Objective``."""
        alpha = concentrations(classes_first(outputs["logits"]))
        truth, total = one_hot(targets, alpha.shape[0]), ops.sum(alpha, axis=0)
        fit = ops.mean(ops.sum(truth * (digamma(total) - digamma(alpha)), axis=0))
        wrong = (alpha - 1.0) * (1.0 - truth) + 1.0
        weight = ops.minimum(step.progress / max(self.warm_up, 1e-6), 1.0)
        price = weight * ops.mean(divergence_from_uniform(wrong))
        dice = self.dice_weight * soft_dice_loss(alpha / total, truth)
        vacuity = ops.mean(alpha.shape[0] / total)
        return fit + dice + price + step.regularisation, {"mean_vacuity": vacuity}


class _EvidentialPredictive(BackbonePredictive):
    own_map = "evidential"

    def draw(self, state: Any, prepared: Prepared, noise: Noise) -> Tensor:
        """Return the mean of the Dirichlet."""
        alpha = concentrations(self.outputs(state, prepared, noise)["logits"])
        return alpha / ops.sum(alpha, axis=-1, keepdims=True)

    def maps(self, state: Any, prepared: Prepared) -> dict[str, Tensor]:
        """Return the vacuity, classes over the sum of the concentrations."""
        alpha = concentrations(self.inference.outputs(prepared, None)["logits"])
        vacuity = alpha.shape[-1] / ops.sum(alpha, axis=-1)
        return super().maps(state, prepared) | {"evidential": vacuity}


@register_estimator("evidential")
@dataclass(frozen=True)
class Evidential:
    """The network gives a Dirichlet for each pixel; uncertainty is its lack of evidence.

    Sensoy, Kaplan and Kandemir 2018 (arXiv 1806.01768, eq. 3-5); for segmentation TBraTS (Zou et
    al. 2022, arXiv 2206.09309): evidence ``e = softplus(logits)``, ``alpha = e + 1``,
    ``u = classes / sum(alpha)``. Cost: one training, one forward pass.

    Attributes:
        warm_up: Share of the training over which the price of wrong evidence rises, in [0, 1].
    """

    warm_up: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.warm_up <= 1.0:
            raise DicecastError(f"evidential needs a warm_up in [0, 1]; got {self.warm_up}.")

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train one backbone on the evidential loss."""
        return _EvidentialPredictive([train_backbone(seed, objective=EvidentialLoss(self.warm_up))])
