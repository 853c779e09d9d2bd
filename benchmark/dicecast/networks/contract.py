"""The contract of a backbone architecture, and of the convolutions an estimator may give it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class ConvolutionSpec(NamedTuple):
    """What a backbone asks of one of its convolutions.

    Attributes:
        filters: Output channels.
        kernel_size: Side of the kernel, in pixels.
        use_bias: Whether to add a bias.
        name: Unique in the network.
        upsample: Whether the input is first doubled in size by nearest neighbours; see
            ``dicecast.networks.layers.upsampled_convolution``.
        share: Where the outputs of several convolutions are added, the share of the channels that
            this one reads. With weights of the variance ``2 share / fan_in`` their sum is like one
            He-normal convolution of them all.
    """

    filters: int
    kernel_size: int
    use_bias: bool
    name: str
    upsample: bool = False
    share: float = 1.0


class Convolution(Protocol):
    """A frozen dataclass that makes the convolutions of a backbone."""

    def layer(self, spec: ConvolutionSpec) -> Any:
        """Return a Keras layer: ``(batch, height, width, channels)`` to ``(..., filters)``.

        The layer keeps height and width ("same" padding), doubled where ``upsample`` says so, and
        gives any regularisation through ``add_loss``. If it draws noise, it does so from
        ``active_noise`` and its class says ``draws_noise = True``.
        """
        ...


class BackboneArchitecture(Protocol):
    """A frozen dataclass whose fields are the settings of a segmentation network."""

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> Any:
        """Return an untrained ``keras.Model``.

        Its input is ``(batch, height, width, channels)``, float32 in [0, 1]; its output a dict with
        ``logits`` ``(batch, height, width, classes)`` and one entry for each extra head. Each layer
        is called once.
        """
        ...
