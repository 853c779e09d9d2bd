"""The contract of a backbone architecture, and of the convolutions an estimator may give it."""

from __future__ import annotations

from typing import Any, Protocol


class Convolution(Protocol):
    """A frozen dataclass that makes the convolutions of a backbone."""

    def layer(self, filters: int, kernel_size: int, use_bias: bool, name: str) -> Any:
        """Return a Keras layer: ``(batch, height, width, channels)`` to ``(..., filters)``.

        The layer keeps height and width ("same" padding), draws its noise from ``active_noise``
        and gives any regularisation through ``add_loss``.
        """
        ...


class BackboneArchitecture(Protocol):
    """A frozen dataclass whose fields are the settings of a segmentation network."""

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> Any:
        """Return an untrained ``keras.Model``.

        Its input is ``(batch, height, width, channels)``, float32 in [0, 1]; its output a dict with
        ``logits`` ``(batch, height, width, classes)`` and one entry for each extra head.
        """
        ...
