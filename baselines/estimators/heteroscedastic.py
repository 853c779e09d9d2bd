"""Heteroscedastic classification: Gaussian noise on the logits."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.backend import Tensor
from dicecast.networks.inference import Prepared
from dicecast.networks.noise import Noise
from dicecast.networks.probabilities import (
    classes_first,
    log,
    one_hot,
    softmax,
)
from dicecast.training.backbone import TrainBackbone
from dicecast.training.objective import State, Step, cross_entropy_and_dice


def noisy_logits(outputs: dict[str, Tensor], noise: Noise, name: str) -> Tensor:
    """Return ``logits + softplus(scale) * standard normal noise``, one sample."""
    logits = outputs["logits"]
    normal = noise.normal(f"heteroscedastic_{name}", tuple(ops.shape(logits)), "float32")
    return logits + ops.softplus(outputs["scale"]) * normal


@dataclass(frozen=True)
class SampledLoss:
    """Segmentation loss of the mean softmax of several samples of the logits.

    Attributes:
        samples: Samples a step.
        dice_weight: Weight of the Dice term.
    """

    samples: int
    dice_weight: float = 1.0

    def initial_state(self) -> dict[str, float]:
        """Log the mean standard deviation of the logits."""
        return {"mean_scale": 0.0}

    def __call__(
        self, outputs: dict[str, Tensor], targets: Tensor, step: Step, state: State
    ) -> tuple[Tensor, State]:
        """Return the loss; see ``dicecast.training.objective.Objective``."""
        drawn = [
            softmax(noisy_logits(outputs, step.noise, str(sample)))
            for sample in range(self.samples)
        ]
        mean = classes_first(sum(drawn[1:], drawn[0]) / self.samples)
        truth = one_hot(targets, mean.shape[0])
        loss = cross_entropy_and_dice(log(mean), truth, self.dice_weight)
        scale = ops.mean(ops.softplus(outputs["scale"]))
        return loss + step.regularisation, {"mean_scale": scale}


class _HeteroscedasticPredictive(BackbonePredictive):
    own_map = "heteroscedastic"

    def draw(self, state: Any, prepared: Prepared, noise: Noise) -> Tensor:
        """Return the softmax of one sample of the logits."""
        return softmax(noisy_logits(self.outputs(state, prepared, noise), noise, "draw"))

    def maps(self, state: Any, prepared: Prepared) -> dict[str, Tensor]:
        """Return ``s / (1 + s)`` of the standard deviation of the predicted class's logit."""
        outputs = self.inference.outputs(prepared, None)
        planes = classes_first(outputs["logits"])
        chosen = one_hot(ops.argmax(planes, axis=0), planes.shape[0])
        scale = ops.sum(chosen * classes_first(ops.softplus(outputs["scale"])), axis=0)
        return super().maps(state, prepared) | {"heteroscedastic": scale / (1.0 + scale)}


@register_estimator("heteroscedastic")
@dataclass(frozen=True)
class Heteroscedastic:
    """A second head learns how noisy each pixel's logits are: the aleatoric part.

    Kendall and Gal 2017 (arXiv 1703.04977, eq. 12), the seed paper's HCNN; settings as Jungo and
    Reyes 2019. Departs in the Dice term on the mean probabilities, and in a softplus that keeps the
    standard deviation positive.
    Cost: one training with ``samples`` softmaxes a step, one forward pass and ``draws`` softmaxes.

    Attributes:
        draws: Samples of the logits in prediction, at least 2.
        samples: Samples of the logits a training step, at least 1.
    """

    draws: int = 20
    samples: int = 10

    def __post_init__(self) -> None:
        if self.draws < 2 or self.samples < 1:
            raise DicecastError(
                "heteroscedastic needs at least 2 draws and 1 sample; "
                f"got draws = {self.draws}, samples = {self.samples}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train a backbone with a head for the scale."""
        backbone = train_backbone(
            seed, heads={"scale": data.num_classes}, objective=SampledLoss(self.samples)
        )
        return _HeteroscedasticPredictive([backbone], num_draws=self.draws)
