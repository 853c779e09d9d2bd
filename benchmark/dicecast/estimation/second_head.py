"""A head trained after the backbone, which stands still: masks stay those of ``softmax``."""

from __future__ import annotations

from dataclasses import dataclass

from keras import layers

from dicecast.networks.backend import Tensor
from dicecast.networks.contract import Features
from dicecast.networks.layers import BatchNormalization
from dicecast.training.backbone import Backbone, TrainBackbone
from dicecast.training.objective import Objective


@dataclass(frozen=True)
class PixelHead:
    """Convolutions, each with normalisation and ReLU, and a last one to a number a pixel.

    Attributes:
        layers: How many, beside the last.
        channels: Of each.
        kernel_size: Of each, in pixels; the last one is 1x1.
    """

    layers: int
    channels: int
    kernel_size: int

    def build(self, features: Features, name: str) -> Tensor:
        """Return the output, ``(batch, height, width, 1)``; see ``Head``."""
        tensor = features.last
        for number in range(self.layers):
            tensor = layers.Conv2D(
                self.channels,
                self.kernel_size,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                name=f"{name}_conv_{number}",
            )(tensor)
            tensor = BatchNormalization(momentum=0.9, name=f"{name}_norm_{number}")(tensor)
            tensor = layers.ReLU(name=f"{name}_relu_{number}")(tensor)
        return layers.Conv2D(1, 1, name=name)(tensor)


def train_head(
    train_backbone: TrainBackbone, seed: int, name: str, head: PixelHead, objective: Objective
) -> Backbone:
    """Return the softmax backbone with a head that was trained on it.

    The best epoch is chosen by the masks, which do not change here: so the head trains for all
    epochs of the suite's schedule, and its last weights are taken.

    Args:
        train_backbone: See ``TrainBackbone``.
        seed: Decides both trainings.
        name: Of the output; no layer's name begins so.
        head: What is trained.
        objective: Its loss.
    """
    trained = train_backbone(
        seed,
        initial=train_backbone(seed),
        trained=(name,),
        heads={name: head},
        objective=objective,
        snapshots=(train_backbone.schedule.epochs,),
        patience=0,
    )
    return trained.with_weights(trained.snapshots[-1])
