"""True class probability: a head that learns what the softmax gives to the truth."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.estimation.second_head import PixelHead, train_head
from dicecast.networks.backend import Tensor
from dicecast.networks.inference import Prepared
from dicecast.networks.probabilities import classes_first, most_likely, one_hot, softmax
from dicecast.training.backbone import TrainBackbone
from dicecast.training.objective import State, Step

HEAD = "true_class_probability"


@dataclass(frozen=True)
class TrueClassLoss:
    """Mean squared error of the head's sigmoid against the probability of the true class.

    Corbiere et al. 2019, eq. 4.

    Attributes:
        error_weight: Factor of the squared error of pixels that the network gets wrong.
    """

    error_weight: float

    def initial_state(self) -> dict[str, float]:
        """Return no state."""
        return {}

    def __call__(
        self, outputs: dict[str, Tensor], targets: Tensor, step: Step, state: State
    ) -> tuple[Tensor, State]:
        """Return the loss; see ``dicecast.training.objective.Objective``."""
        probability = classes_first(softmax(outputs["logits"]))
        of_truth = ops.sum(probability * one_hot(targets, probability.shape[0]), axis=0)
        wrong = ops.not_equal(ops.cast(most_likely(probability), targets.dtype), targets)
        gap = ops.sigmoid(outputs[HEAD][..., 0]) - of_truth
        loss = ops.mean(ops.where(wrong, self.error_weight, 1.0) * ops.square(gap))
        return loss + step.regularisation, state


class _ConfidencePredictive(BackbonePredictive):
    own_map = HEAD

    def maps(self, state: Any, prepared: Prepared) -> dict[str, Tensor]:
        """Return one minus the probability that the head expects of the true class."""
        logit = self.inference.outputs(prepared, None)[HEAD]
        return {self.own_map: 1.0 - ops.sigmoid(logit[..., 0])}


@register_estimator("true_class_probability")
@dataclass(frozen=True)
class TrueClassProbability:
    """A head on the frozen network learns the softmax probability of the true class.

    ConfidNet: Corbiere et al. 2019 (arXiv 1910.04851), eq. 4; uncertainty is 1 minus what the head
    expects. Where the network is wrong this probability is low, however sure the softmax is.
    Departs in that only the head is trained (their second step also tunes a copy of the encoder),
    it has normalisations, and its last epoch is taken. The masks and all measures of draws are
    those of ``softmax``. Cost: the training of a small head beyond ``softmax``, one forward pass.

    Attributes:
        layers: 3x3 convolutions of the head, at least 0.
        channels: Of each, at least 1.
        error_weight: How much more the pixels count that the network gets wrong, above 0: they are
            few on training images.
    """

    layers: int = 3
    channels: int = 32
    error_weight: float = 5.0

    def __post_init__(self) -> None:
        if self.layers < 0 or self.channels < 1 or not self.error_weight > 0.0:
            raise DicecastError(
                "true_class_probability needs layers of at least 0, channels of at least 1 and an "
                f"error_weight above 0; got {self}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train (or find) the softmax backbone, then the head on it."""
        head = PixelHead(self.layers, self.channels, kernel_size=3)
        loss = TrueClassLoss(self.error_weight)
        predictive = _ConfidencePredictive([train_head(train_backbone, seed, HEAD, head, loss)])
        # Only the head is trainable in the network that has it.
        predictive.num_parameters += train_backbone(seed).num_parameters
        return predictive
