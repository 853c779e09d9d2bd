"""Auxiliary networks that learn where the segmentation is wrong."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from keras import ops
from numpy.typing import NDArray

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import Cases, FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.estimation.second_head import PixelHead, train_head
from dicecast.heads.patients import patient_folds
from dicecast.networks.backend import Tensor
from dicecast.networks.inference import Prepared
from dicecast.networks.probabilities import (
    classes_first,
    classes_last,
    most_likely,
    one_hot,
    softmax,
)
from dicecast.scratch import new_stack
from dicecast.stacks import LazyStack, Stack, nbytes, select
from dicecast.training.backbone import Backbone, TrainBackbone
from dicecast.training.objective import State, Step

HEAD = "error_map"
Variant = Literal["features", "segmentation"]


@dataclass(frozen=True)
class ErrorLoss:
    """Cross-entropy of the head's sigmoid against the errors of the network's own mask."""

    def initial_state(self) -> dict[str, float]:
        """Return no state."""
        return {}

    def __call__(
        self, outputs: dict[str, Tensor], targets: Tensor, step: Step, state: State
    ) -> tuple[Tensor, State]:
        """Return the loss; see ``dicecast.training.objective.Objective``."""
        mask = ops.cast(most_likely(classes_first(outputs["logits"])), targets.dtype)
        wrong = ops.cast(ops.not_equal(mask, targets), "float32")
        logit = outputs[HEAD][..., 0]
        return ops.mean(ops.softplus(logit) - wrong * logit) + step.regularisation, state


class _HeadPredictive(BackbonePredictive):
    """A backbone with a head that was trained on its errors."""

    own_map = HEAD

    def maps(self, state: Any, prepared: Prepared) -> dict[str, Tensor]:
        """Return the probability of an error."""
        logit = self.inference.outputs(prepared, None)[HEAD]
        return {HEAD: ops.sigmoid(logit[..., 0])}


class _JudgedPredictive(BackbonePredictive):
    """A backbone whose masks another network judges."""

    own_map = HEAD

    def __init__(self, backbone: Backbone, judge: Backbone) -> None:
        super().__init__([backbone])
        self.judge = judge
        self.num_parameters += judge.num_parameters
        self.state = (self.state, judge.weights)
        self.graph_key = (self.graph_key, id(judge.network))

    @property
    def operations(self) -> int:
        """Those of both networks."""
        return super().operations + self.judge.inference.operations(1)

    def prepare(self, state: Any, images: Tensor) -> Prepared:
        """Run the backbone."""
        return super().prepare(state[0], images)

    def maps(self, state: Any, prepared: Prepared) -> dict[str, Tensor]:
        """Return the probability of an error."""
        logits = classes_first(self.inference.outputs(prepared, None)["logits"])
        labels = classes_last(one_hot(ops.cast(most_likely(logits), "int32"), logits.shape[0])[1:])
        seen = ops.concatenate([prepared.images, labels], axis=-1)
        return {HEAD: softmax(self.judge.outputs(state[1], seen)["logits"])[..., 1]}


class _Computed(LazyStack[np.uint8]):
    """A stack whose rows a function computes whenever they are asked for."""

    def __init__(
        self, shape: tuple[int, ...], rows: Callable[[NDArray[np.intp]], NDArray[np.uint8]]
    ) -> None:
        super().__init__(shape, np.dtype(np.uint8))
        self._function = rows

    def read(self, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the rows of these numbers."""
        return self._function(rows)


def judged(cases: Cases, masks: Stack[np.uint8], num_classes: int) -> Cases:
    """Return cases whose images have the predicted classes, and whose truth is where these err.

    Args:
        cases: With the truth.
        masks: As they were predicted, ``(cases, height, width)``, uint8.
        num_classes: A class other than the background becomes one more channel, 0 or 255.
    """

    def images(rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        labels = masks[rows][..., None] == np.arange(1, num_classes)
        return np.concatenate([cases.images[rows], labels * np.uint8(255)], axis=-1)

    def wrong(rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        return np.asarray(masks[rows] != cases.masks[rows], dtype=np.uint8)

    *shape, channels = cases.images.shape
    return Cases(
        cases.table,
        _Computed((*shape, channels + num_classes - 1), images),
        _Computed(cases.masks.shape, wrong),
    )


def predict_masks(
    backbones: list[Backbone], parts: list[NDArray[np.intp]], cases: Cases
) -> Stack[np.uint8]:
    """Return the masks of cases, ``(cases, height, width)``, each part's by its own backbone."""
    shape = cases.masks.shape
    masks = new_stack(shape, np.uint8, nbytes(shape, np.dtype(np.uint8)))
    for backbone, part in zip(backbones, parts, strict=True):
        for rows, outputs in backbone.predict(select(cases.images, part)):
            masks[part[rows]] = outputs["logits"].argmax(axis=-1).astype(np.uint8)
    return masks


@register_estimator("error_map")
@dataclass(frozen=True)
class ErrorMap:
    """A network learns where the segmentation network errs; its probability is the map.

    The auxiliary networks of Jungo and Reyes 2019 (arXiv 1907.03338), section 2.3. "features": 1x1
    convolutions on the last features of the frozen network, which learn the errors of its masks of
    the training images. "segmentation": a second backbone sees the image and the predicted classes;
    it learns from masks of the training images by networks that did not see their patients.
    Departs in that the second network has the suite's segmentation loss (cross-entropy and Dice).
    Masks and all measures of draws are those of ``softmax``. Cost, beyond ``softmax``: "features"
    trains a small head; "segmentation" trains ``folds`` + 1 backbones, and runs two.

    Attributes:
        variant: "features" or "segmentation".
        layers: 1x1 convolutions of the head, at least 0.
        channels: Of each, at least 1.
        folds: Into how many parts the patients are cut, at least 2.
    """

    variant: Variant = "segmentation"
    layers: int = 3
    channels: int = 32
    folds: int = 5

    def __post_init__(self) -> None:
        if self.layers < 0 or self.channels < 1 or self.folds < 2:
            raise DicecastError(
                "error_map needs layers of at least 0, channels of at least 1 and at least 2 "
                f"folds; got {self}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train (or find) the softmax backbone and what learns its errors."""
        if self.variant == "features":
            head = PixelHead(self.layers, self.channels, kernel_size=1)
            return _HeadPredictive([train_head(train_backbone, seed, HEAD, head, ErrorLoss())])
        cuts = patient_folds("error_map", data.train.groups, self.folds)
        # All are asked for before any is used: so they can be trained side by side.
        backbone = train_backbone(seed)
        others = [
            train_backbone.on(replace(data, train=data.train.select(kept)))(seed)
            for kept, _ in cuts
        ]
        of_train = predict_masks(others, [held for _, held in cuts], data.train)
        whole = [np.arange(len(data.validation))]
        of_validation = predict_masks([backbone], whole, data.validation)
        errors = FittingData(
            ("correct", "wrong"),
            judged(data.train, of_train, data.num_classes),
            judged(data.validation, of_validation, data.num_classes),
        )
        return _JudgedPredictive(backbone, train_backbone.on(errors)(seed))
