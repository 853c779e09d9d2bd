"""The nearest plausible pair of image and mask stands in for the truth."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from dicecast import register_head
from dicecast.errors import DicecastError
from dicecast.heads.autoencoder import AutoencoderHead, check_sides, divergence_from_standard
from dicecast.heads.comparison import FittedComparison, fit_comparison
from dicecast.heads.contract import Evidence, Examples
from dicecast.metrics.quality import mean_dice
from dicecast.networks.backend import Tensor, as_tensors, compiled, value_and_gradient
from dicecast.networks.probabilities import classes_first, log_softmax, one_hot
from dicecast.training.adam import AdamState, adam_step
from dicecast.training.batches import padded_batches
from dicecast.training.initial import variables
from dicecast.training.objective import State, Step
from dicecast.training.trainer import Task, Weights

BATCH = 32


def pair_error(decoded: Tensor, images: Tensor, masks: Tensor) -> Tensor:
    """Return squared error of the image plus cross-entropy of the mask, by case, ``(batch,)``.

    Args:
        decoded: ``(batch, height, width, channels + classes)``: the image, then logits.
        images: ``(batch, height, width, channels)``, in [0, 1].
        masks: ``(batch, height, width)``, class indices.
    """
    channels = images.shape[-1]
    of_image = ops.mean(ops.square(decoded[..., :channels] - images), axis=(1, 2, 3))
    logs = log_softmax(classes_first(decoded[..., channels:]))
    of_mask = ops.sum(one_hot(ops.cast(masks, "int32"), logs.shape[0]) * logs, axis=0)
    return of_image - ops.mean(of_mask, axis=(1, 2))


@dataclass(frozen=True)
class PairBound:
    """Reconstruction error of image and mask, plus ``beta`` times the divergence.

    Targets hold both: the channels of the image, then the class index.
    """

    beta: float

    def initial_state(self) -> dict[str, float]:
        """Return no state."""
        return {}

    def of_case(self, outputs: dict[str, Tensor], targets: Tensor) -> Tensor:
        """Return the bound of each case, ``(batch,)``."""
        error = pair_error(outputs["decoded"], targets[..., :-1], targets[..., -1])
        return error + self.beta * divergence_from_standard(outputs["parameters"])

    def __call__(
        self, outputs: dict[str, Tensor], targets: Tensor, step: Step, state: State
    ) -> tuple[Tensor, State]:
        """Return the loss; see ``dicecast.training.objective.Objective``."""
        return ops.mean(self.of_case(outputs, targets)), state


@dataclass(frozen=True)
class Search:
    """Dice of the predicted mask with that of the nearest pair the auto-encoder can make."""

    graph: Callable[..., Tensor]
    weights: Weights

    def __call__(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the Dice of each case with its surrogate, ``(cases,)``."""
        weights, found = as_tensors(self.weights), []
        for rows, count in padded_batches(len(evidence), BATCH):
            part = evidence.take(rows)
            images, masks = _images(part.images), np.asarray(part.masks)
            inputs = _inputs(images, masks, evidence.num_classes)
            surrogate = ops.convert_to_numpy(self.graph(weights, inputs, images, masks))
            found.append(mean_dice(masks, surrogate.astype(np.uint8), evidence.num_classes)[:count])
        return np.concatenate(found)


@register_head("surrogate")
@dataclass(frozen=True)
class Surrogate(AutoencoderHead):
    """Predicts Dice from the nearest pair of image and mask that a generative model can make.

    Wang et al. 2020 (MICCAI, "Deep generative model-based quality control for cardiac MRI
    segmentation"): an auto-encoder learns pairs of images and true masks; from the code of the
    image with the predicted mask, the code is moved by gradient to reconstruct both, and the
    decoded mask is the surrogate of the truth. Its Dice with the predicted mask becomes a Dice
    estimate by isotonic regression on the examples.
    Cost: a training of a small auto-encoder; ``steps`` passes of its decoder a case, both ways.

    Further settings: see ``AutoencoderHead``.

    Attributes:
        steps: Gradient steps of the search, at least 0.
        step_size: Their rate, above 0.
    """

    steps: int = 50
    step_size: float = 0.02

    def __post_init__(self) -> None:
        self.autoencoder.check("surrogate")
        if min(self.beta, self.steps) < 0 or self.step_size <= 0.0:
            raise DicecastError(
                "surrogate needs beta and steps of at least 0 and a step_size above 0; got "
                f"beta = {self.beta}, steps = {self.steps}, step_size = {self.step_size}."
            )

    @property
    def score_name(self) -> str:
        """The name of the head's row."""
        return "surrogate"

    def fit(self, examples: Examples, seed: int) -> FittedComparison:
        """Train the auto-encoder on true pairs, and fit the regression on the examples.

        Raises:
            DicecastError: The sides of the images are not multiples of 8.
        """

        def make(part: Examples) -> Search:
            reference, classes = part.reference, part.evidence.num_classes
            images, masks = _images(reference.images), np.asarray(reference.masks)
            check_sides("surrogate", masks.shape[1:])
            task, search = _prepared(self, images.shape[1:], classes)
            inputs = _inputs(images, masks, classes)
            targets = np.concatenate([images, masks[..., None].astype(np.float32)], axis=-1)
            groups = [str(group) for group in reference.table["group"]]
            weights = self.autoencoder.fitted(task, inputs, targets, groups, seed)
            return Search(search, weights)

        return fit_comparison(examples, make)


@functools.cache
def _prepared(
    head: Surrogate, shape: tuple[int, ...], classes: int
) -> tuple[Task, Callable[..., Tensor]]:
    """Return the task of the training and the search; kept, so that all estimators share them."""
    height, width, channels = shape
    network = head.autoencoder.network((height, width, channels + classes), channels + classes)
    bound = PairBound(head.beta)
    task = Task(network, bound, lambda outputs, targets: -bound.of_case(outputs, targets))
    return task, compiled(_search(network, channels, head))


def _search(network: Any, channels: int, head: Surrogate) -> Callable[..., Tensor]:
    encoder = keras.Model(network.inputs[0], network.output["latent"])
    decoder = keras.Model(network.output["latent"], network.output["decoded"])
    places = {id(variable): place for place, variable in enumerate(variables(network))}

    def run(weights: list[Tensor], inputs: Tensor, images: Tensor, masks: Tensor) -> Tensor:
        def applied(model: Any, tensor: Tensor) -> Tensor:
            own = [weights[places[id(variable)]] for variable in variables(model)]
            return model.stateless_call(own, [], tensor, training=False)[0]

        def error(codes: list[Tensor]) -> tuple[Tensor, Any]:
            # A sum: each case's code moves by its own error, whatever the batch.
            return ops.sum(pair_error(applied(decoder, codes[0]), images, masks)), ()

        def body(number: Tensor, state: AdamState) -> AdamState:
            _, _, (gradient,) = value_and_gradient(error, [state.weights])
            return adam_step(state, gradient, number, ops.convert_to_tensor(head.step_size))

        code = applied(encoder, inputs)
        start = AdamState(code, ops.zeros_like(code), ops.zeros_like(code))
        ended = ops.fori_loop(0, head.steps, body, start)
        return ops.argmax(applied(decoder, ended.weights)[..., channels:], axis=-1)

    return run


def _images(images: Any) -> NDArray[np.float32]:
    return np.asarray(images, np.float32) / np.float32(255.0)


def _inputs(
    images: NDArray[np.float32], masks: NDArray[np.uint8], classes: int
) -> NDArray[np.float32]:
    return np.concatenate([images, np.eye(classes, dtype=np.float32)[masks]], axis=-1)
