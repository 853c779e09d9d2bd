"""Layer ensembles: a segmentation from every depth of one network."""

from dataclasses import dataclass
from typing import Any

from keras import layers, ops

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.backend import Tensor
from dicecast.networks.contract import Features
from dicecast.networks.inference import Prepared
from dicecast.networks.noise import Noise
from dicecast.networks.probabilities import classes_first, log_softmax, one_hot, softmax
from dicecast.training.backbone import Backbone, TrainBackbone
from dicecast.training.objective import State, Step, cross_entropy_and_dice


@dataclass(frozen=True)
class HeadOnEveryBlock:
    """A 3x3 convolution to logits on each block but the last, brought to the size of the images."""

    def build(self, features: Features, name: str) -> Tensor:
        """Return ``(batch, height, width, heads * classes)``, in the order of the blocks."""
        height = features.images.shape[1]
        found = []
        for block, tensor in list(features.blocks.items())[:-1]:
            logits = layers.Conv2D(features.num_classes, 3, padding="same", name=f"{name}_{block}")(
                tensor
            )
            factor = height // tensor.shape[1]
            if factor > 1:
                logits = layers.UpSampling2D(
                    factor, interpolation="bilinear", name=f"{name}_{block}_up"
                )(logits)
            found.append(logits)
        return layers.Concatenate(name=name)(found)


def logits_of_layers(outputs: dict[str, Tensor]) -> list[Tensor]:
    """Return the logits of all depths, the network's own last."""
    classes = outputs["logits"].shape[-1]
    early = outputs["layers"]
    return [
        *(early[..., i : i + classes] for i in range(0, early.shape[-1], classes)),
        outputs["logits"],
    ]


@dataclass(frozen=True)
class SumOverLayers:
    """The segmentation loss of every depth, summed.

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
        """Return the loss; see ``dicecast.training.objective.Objective``."""
        truth = one_hot(targets, outputs["logits"].shape[-1])
        losses = [
            cross_entropy_and_dice(log_softmax(classes_first(logits)), truth, self.dice_weight)
            for logits in logits_of_layers(outputs)
        ]
        return sum(losses, step.regularisation), {}


class _LayersPredictive(BackbonePredictive):
    ordered_draws = True

    def __init__(self, backbone: Backbone, skip: int, draws: int) -> None:
        super().__init__([backbone], num_draws=draws)
        self.skip = skip
        self.graph_key = (self.graph_key, skip)

    def draw(self, state: Any, prepared: Prepared, noise: Noise) -> Tensor:
        """Return the softmax of one depth; a later draw is of a later one."""
        depths = logits_of_layers(self.outputs(state, prepared, noise))[self.skip :]
        return softmax(ops.take(ops.stack(depths), ops.cast(noise.index, "int32"), axis=0))


@register_estimator("layer_ensemble")
@dataclass(frozen=True)
class LayerEnsemble:
    """Every block of one network has a segmentation head of its own; the heads are the ensemble.

    Kushibar et al. 2022 (arXiv 2203.08878): draws follow the depth, so the area under their
    agreement (AULA, ``area_under_layer_agreement``) says how early the network has made up its
    mind. Cost: one training with a head a block, one forward pass.

    Attributes:
        skip: How many of the first heads give no draw; at least 2 must remain.
    """

    skip: int = 3

    def __post_init__(self) -> None:
        if self.skip < 0:
            raise DicecastError(f"layer_ensemble needs a skip of at least 0; got {self.skip}.")

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train one backbone with a head on every block."""
        backbone = train_backbone(
            seed, heads={"layers": HeadOnEveryBlock()}, objective=SumOverLayers()
        )
        heads = 1 + backbone.network.output["layers"].shape[-1] // data.num_classes
        if heads - self.skip < 2:
            raise DicecastError(
                f"layer_ensemble must keep at least 2 of the backbone's {heads} heads; set its "
                f"skip to at most {heads - 2} (it is {self.skip})."
            )
        return _LayersPredictive(backbone, self.skip, heads - self.skip)
