"""The contract of an estimator: how trained backbones become a predictive distribution."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Protocol

import numpy as np
from keras import ops

from dicecast.data.cases import FittingData
from dicecast.estimation.measures import LOGIT_MEASURES
from dicecast.networks.backend import Tensor
from dicecast.networks.inference import InferenceNetwork, Prepared
from dicecast.networks.noise import Noise
from dicecast.networks.probabilities import classes_first, softmax
from dicecast.training.backbone import Backbone, TrainBackbone


class Predictive:
    """A predictive distribution over segmentations. Override ``draw`` and set ``num_draws``.

    A draw is one realisation of the network or of the noise, shared by all cases: it is decided by
    the noise's seed and index alone, whatever the batch it is asked for. All methods are traced
    into one compiled graph, so they use ``keras.ops`` and take arrays through ``state``.

    Attributes:
        num_draws: How many draws a prediction accumulates.
        state: Arrays (in lists, tuples or dicts) that the methods receive as tensors.
        own_map: The name of the map in ``maps`` that quality heads read, or the measure they read.
        measures_from_draws: False for an estimator whose maps are all its own, and whose draws say
            nothing about uncertainty.
        ordered_draws: Whether the order of the draws means something, as that of the depths of one
            network does.
        num_parameters: Trainable weights in all networks, for the record.
        graph_key: Predictives of one class with equal keys share one compiled graph, so ``self``
            must matter through the key and ``state`` alone; None shares nothing.
        feature_backbone: The backbone whose deepest block describes an image to the quality heads
            that compare cases; None where no single network does.
    """

    num_draws: int = 1
    state: Any = ()
    own_map: str = "predictive_entropy"
    measures_from_draws: bool = True
    ordered_draws: bool = False
    num_parameters: int = 0
    graph_key: Hashable | None = None
    feature_backbone: Backbone | None = None

    @property
    def operations(self) -> int:
        """Floating-point operations of all draws of one image, for the profile; 0 if unknown."""
        return 0

    def prepare(self, state: Any, images: Tensor) -> Any:
        """Return what all draws of a batch have in common; by default the images themselves.

        Args:
            state: ``self.state`` as tensors.
            images: ``(batch, height, width, channels)``, float32 in [0, 1].
        """
        return images

    def draw(self, state: Any, prepared: Any, noise: Noise) -> Tensor:
        """Return the class probabilities of one draw, ``(batch, height, width, classes)``.

        Args:
            state: ``self.state`` as tensors.
            prepared: What ``prepare`` returned.
            noise: The draw's seed and index, and random numbers made from them.
        """
        raise NotImplementedError(f"{type(self).__name__} must define draw(state, prepared, noise)")

    def maps(self, state: Any, prepared: Any) -> dict[str, Tensor]:
        """Return uncertainty maps of its own by name, each ``(batch, height, width)``.

        High where unsure, in [0, 1].
        """
        return {}


class Estimator(Protocol):
    """A frozen dataclass whose fields are hyper-parameters, registered with @register_estimator."""

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Return the predictive distribution of this estimator under ``seed``.

        Args:
            data: The training and validation roles.
            train_backbone: Trains the common backbone; see ``TrainBackbone``.
            seed: Decides everything random.
        """
        ...


class BackbonePredictive(Predictive):
    """The softmax of one or several backbones, with or without noise in their layers.

    Draw ``i`` comes from member ``i`` modulo the number of members.

    Args:
        members: Trained backbones of one architecture.
        num_draws: How many draws; by default one a member.
        noisy: Whether the layers draw noise, a new realisation for each draw.
        varying: Where the members differ in some layers alone, how the names of these begin: the
            layers in front of them then run once for all draws.
    """

    def __init__(
        self,
        members: Sequence[Backbone],
        num_draws: int | None = None,
        noisy: bool = False,
        varying: tuple[str, ...] = (),
    ) -> None:
        self.backbone = self.feature_backbone = members[0]
        self.count = len(members)
        self.num_draws = num_draws or self.count
        self.noisy = noisy
        self.num_parameters = sum(member.num_parameters for member in members)
        # Members' weights are stacked and given as arguments: one trace serves them all.
        stacked = zip(*(member.weights for member in members), strict=True)
        # By NumPy: TensorFlow takes a list of arrays number by number.
        self.state = [np.stack(weights) for weights in stacked]
        self.graph_key = (id(self.backbone.network), self.count, self.num_draws, noisy, varying)
        self.shares = self.count == 1 or bool(varying)
        self.inference = (
            InferenceNetwork(self.backbone.network, varying) if varying else self.backbone.inference
        )

    @property
    def operations(self) -> int:
        """Those of the networks' convolutions; what all draws have in common counts once."""
        if self.shares:
            return self.inference.operations(self.num_draws)
        return self.num_draws * self.inference.operations(1)

    def prepare(self, state: Any, images: Tensor) -> Prepared:
        """Run what is the same in every draw."""
        if not self.shares:
            return Prepared(images, [], {}, {})
        return self.inference.prepare(_member(state, 0), images)

    def outputs(self, state: Any, prepared: Prepared, noise: Noise) -> dict[str, Tensor]:
        """Return all outputs of the draw's member, float32, by name."""
        if self.count > 1:
            weights = _member(state, ops.mod(ops.cast(noise.index, "int32"), self.count))
            prepared = (
                self.inference.reweighted(prepared, weights)
                if self.shares
                else self.inference.prepare(weights, prepared.images)
            )
        return self.inference.outputs(prepared, noise if self.noisy else None)

    def draw(self, state: Any, prepared: Prepared, noise: Noise) -> Tensor:
        """Return the softmax of the logits."""
        return softmax(self.outputs(state, prepared, noise)["logits"])

    def maps(self, state: Any, prepared: Prepared) -> dict[str, Tensor]:
        """Return the measures of logits, which a single network without noise has."""
        if self.noisy or not self.count == self.num_draws == 1:
            return {}
        logits = classes_first(self.inference.outputs(prepared, None)["logits"])
        return {name: measured(logits) for name, measured in LOGIT_MEASURES.items()}


def _member(state: list[Tensor], index: int | Tensor) -> list[Tensor]:
    return [ops.take(stack, index, axis=0) for stack in state]
