"""Stochastic segmentation networks: a low-rank Gaussian over the logits of a whole image."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.backend import Tensor
from dicecast.networks.inference import Prepared
from dicecast.networks.noise import Noise
from dicecast.networks.probabilities import classes_first, log_softmax, one_hot, softmax
from dicecast.training.backbone import TrainBackbone
from dicecast.training.objective import State, Step, cross_entropy_and_dice, soft_dice_loss

LEAST_VARIANCE = 1e-5


def deviation(outputs: dict[str, Tensor], noise: Noise, name: str) -> Tensor:
    """Return ``P z + sqrt(d) e``: one zero-mean sample, ``(batch, height, width, classes)``.

    Args:
        outputs: ``factor`` holds P, ``(batch, height, width, classes * rank)``; ``diagonal`` the
            logarithm of d, ``(batch, height, width, classes)``.
        noise: Of the step or draw. ``z`` is one for the whole image, so that pixels move together.
        name: Tells samples of one step apart.
    """
    batch, height, width, classes = outputs["diagonal"].shape
    batch = ops.shape(outputs["diagonal"])[0] if batch is None else batch
    rank = outputs["factor"].shape[-1] // classes
    factor = ops.reshape(outputs["factor"], (batch, height, width, classes, rank))
    common = noise.normal(f"ssn_common_{name}", (batch, 1, 1, 1, rank), "float32")
    single = noise.normal(f"ssn_single_{name}", (batch, height, width, classes), "float32")
    spread = ops.sqrt(ops.exp(outputs["diagonal"]) + LEAST_VARIANCE)
    return ops.sum(factor * common, axis=-1) + spread * single


@dataclass(frozen=True)
class SampledLikelihood:
    """Negative log of the mean likelihood of an image's whole mask over samples, by pixel.

    ``-log mean_s exp(sum_pixels log p(y | logits_s))``, divided by the pixels; samples come in
    pairs ``mean +- deviation``. Before that, the mean alone learns by the segmentation loss.

    Attributes:
        samples: Samples a step, even.
        warm_up: Share of the training for the mean alone.
        dice_weight: Weight of a Dice term on the mean's softmax.
    """

    samples: int
    warm_up: float
    dice_weight: float = 1.0

    def initial_state(self) -> dict[str, float]:
        """Return no state."""
        return {}

    def __call__(
        self, outputs: dict[str, Tensor], targets: Tensor, step: Step, state: State
    ) -> tuple[Tensor, State]:
        """Return the loss; see ``dicecast.training.objective.Objective``."""
        mean = outputs["logits"]
        planes = log_softmax(classes_first(mean))
        truth = one_hot(targets, mean.shape[-1])
        plain = cross_entropy_and_dice(planes, truth, self.dice_weight)
        likelihoods = []
        for pair in range(self.samples // 2):
            moved = deviation(outputs, step.noise, str(pair))
            for sample in (mean + moved, mean - moved):
                of_pixel = ops.sum(truth * log_softmax(classes_first(sample)), axis=0)
                likelihoods.append(ops.sum(of_pixel, axis=(1, 2)))
        joint = ops.logsumexp(ops.stack(likelihoods), axis=0) - ops.log(float(self.samples))
        pixels = targets.shape[1] * targets.shape[2]
        sampled = -ops.mean(joint) / pixels + self.dice_weight * soft_dice_loss(
            ops.exp(planes), truth
        )
        loss = ops.where(step.progress < self.warm_up, plain, sampled)
        return loss + step.regularisation, {}


class _LowRankPredictive(BackbonePredictive):
    def draw(self, state: Any, prepared: Prepared, noise: Noise) -> Tensor:
        """Return the softmax of one sample of the logits."""
        outputs = self.outputs(state, prepared, noise)
        return softmax(outputs["logits"] + deviation(outputs, noise, "draw"))


@register_estimator("stochastic_segmentation_network")
@dataclass(frozen=True)
class StochasticSegmentationNetwork:
    """The logits of all pixels together are Gaussian with a low-rank covariance; a draw is a mask.

    Monteiro et al. 2020 (arXiv 2006.06015, eq. 3-5): pixels move together, so draws are whole
    plausible segmentations. Here its mutual information is the aleatoric part (Kahl et al. 2024).
    Departs in Adam for RMSprop, the segmentation loss for the mean at first, and a Dice term on
    the mean. Cost: one training with ``samples`` softmaxes a step, one forward pass, ``draws``
    softmaxes.

    Attributes:
        draws: Sampled segmentations, at least 2.
        rank: Columns of the low-rank factor, at least 1.
        samples: Samples a training step: even, at least 2.
        warm_up: Share of the training for the mean alone, in [0, 1).
    """

    draws: int = 20
    rank: int = 10
    samples: int = 20
    warm_up: float = 0.2

    def __post_init__(self) -> None:
        if self.draws < 2 or self.rank < 1 or self.samples < 2 or self.samples % 2:
            raise DicecastError(
                "stochastic_segmentation_network needs at least 2 draws, a rank of at least 1 and "
                f"an even number of samples; got draws = {self.draws}, rank = {self.rank}, "
                f"samples = {self.samples}."
            )
        if not 0.0 <= self.warm_up < 1.0:
            raise DicecastError(
                f"stochastic_segmentation_network needs a warm_up in [0, 1); got {self.warm_up}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train a backbone with heads for factor and diagonal."""
        heads = {"factor": data.num_classes * self.rank, "diagonal": data.num_classes}
        backbone = train_backbone(
            seed, heads=heads, objective=SampledLikelihood(self.samples, self.warm_up)
        )
        return _LowRankPredictive([backbone], num_draws=self.draws)
