"""A variational auto-encoder of images with few values a pixel, for heads that know the normal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from dicecast.errors import DicecastError
from dicecast.heads.patients import patient_cut
from dicecast.networks.backend import Tensor
from dicecast.networks.noise import active_noise
from dicecast.stacks import Stack
from dicecast.training.batches import Examples as Arrays
from dicecast.training.initial import initial_weights
from dicecast.training.schedule import Schedule
from dicecast.training.trainer import Task, Weights, train

HALVINGS = 3


def divergence_from_standard(parameters: Tensor) -> Tensor:
    """Return KL(N(mean, std) || N(0, 1)) in nats of each case, ``(batch,)``.

    Args:
        parameters: ``(batch, 2 * dimensions)``: means, then logarithms of standard deviations.
    """
    mean, log_std = ops.split(parameters, 2, axis=-1)
    return ops.sum(0.5 * (ops.exp(2.0 * log_std) + ops.square(mean) - 1.0) - log_std, axis=-1)


class Latent(layers.Layer):  # type: ignore[misc]
    """Draws the latent variable while noise is active, and is its mean otherwise."""

    draws_noise = True

    def call(self, parameters: Tensor) -> Tensor:
        """Return ``(batch, dimensions)``."""
        mean, log_std = ops.split(parameters, 2, axis=-1)
        noise = active_noise()
        if noise is None:
            return mean
        return mean + ops.exp(log_std) * noise.normal(self.name, tuple(ops.shape(mean)), mean.dtype)


@dataclass(frozen=True)
class Autoencoder:
    """The settings of an auto-encoder.

    Attributes:
        dimensions: Of the latent variable, at least 1.
        width: Channels of the first of three halvings, at least 1.
        epochs: Passes over the training role, at least 1.
        learning_rate: Adam's at the first step, above 0.
    """

    dimensions: int
    width: int
    epochs: int
    learning_rate: float

    def check(self, head: str) -> None:
        """Check the settings.

        Raises:
            DicecastError: One is too small.
        """
        least = min(self.dimensions, self.width, self.epochs)
        if least < 1 or self.learning_rate <= 0.0:
            raise DicecastError(
                f"{head} needs dimensions, width and epochs of at least 1 and a learning_rate "
                f"above 0; got {self.dimensions}, {self.width}, {self.epochs} and "
                f"{self.learning_rate}."
            )

    def network(self, shape: tuple[int, ...], outputs: int) -> Any:
        """Return the network: ``(batch, *shape)`` to ``parameters``, ``latent`` and ``decoded``.

        Args:
            shape: Height, width and channels of the inputs; the sides are multiples of 8.
            outputs: Channels of what is decoded.
        """
        inputs = tensor = keras.Input(shape, name="inputs")
        for level in range(HALVINGS):
            filters = self.width * 2**level
            tensor = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(tensor)
        side = tensor.shape[1:]
        parameters = layers.Dense(2 * self.dimensions, name="parameters")(layers.Flatten()(tensor))
        latent = Latent(name="latent")(parameters)
        tensor = layers.Dense(int(np.prod(side)), activation="relu")(latent)
        tensor = layers.Reshape(side)(tensor)
        for level in reversed(range(HALVINGS)):
            tensor = layers.UpSampling2D()(tensor)
            filters = self.width * 2 ** max(level - 1, 0)
            tensor = layers.Conv2D(filters, 3, padding="same", activation="relu")(tensor)
        decoded = layers.Conv2D(outputs, 3, padding="same", name="decoded")(tensor)
        named = {"parameters": parameters, "latent": latent, "decoded": decoded}
        return keras.Model(inputs, named)

    def fitted(
        self, task: Task, inputs: Stack[Any], targets: Stack[Any], groups: list[str], seed: int
    ) -> Weights:
        """Return the weights of the epoch that scores best on a tenth of the patients.

        Args:
            task: The network with its objective and score.
            inputs: ``(cases, height, width, channels)``.
            targets: What the objective reads.
            groups: The patient of each case.
            seed: Decides everything random.
        """
        held = patient_cut(groups, 0.1, seed)
        shape, outputs = inputs.shape[1:], task.network.output["decoded"].shape[-1]
        known, kept = np.flatnonzero(~held), np.flatnonzero(held)
        kept = kept if len(kept) else known
        trained = train(
            task,
            initial_weights(lambda: self.network(shape, outputs), seed),
            (Arrays(inputs[known], targets[known]), Arrays(inputs[kept], targets[kept])),
            Schedule(self.epochs, 16, self.learning_rate, patience=0),
            seed,
        )
        return trained.weights


def check_sides(head: str, shape: tuple[int, ...]) -> None:
    """Check that images can be halved three times.

    Raises:
        DicecastError: They cannot.
    """
    step = 2**HALVINGS
    if shape[0] % step or shape[1] % step:
        raise DicecastError(
            f"{head} needs images whose height and width are multiples of {step}; "
            f"got {shape[0]} x {shape[1]}."
        )


@dataclass(frozen=True)
class AutoencoderHead:
    """The settings that heads with an auto-encoder share.

    Attributes:
        dimensions: Of the latent variable.
        width: Channels of the first convolution.
        epochs: Passes over the training role.
        learning_rate: Adam's at the first step of the training.
        beta: Weight of the divergence, at least 0.
    """

    dimensions: int = 32
    width: int = 16
    epochs: int = 30
    learning_rate: float = 2e-3
    beta: float = 1e-3

    @property
    def autoencoder(self) -> Autoencoder:
        """The auto-encoder that the head trains."""
        return Autoencoder(self.dimensions, self.width, self.epochs, self.learning_rate)
