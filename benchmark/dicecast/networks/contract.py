"""The contract of a backbone architecture, and of the parts an estimator may give it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from dicecast.networks.backend import Tensor


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
        of_images: Whether it reads the images themselves.
    """

    filters: int
    kernel_size: int
    use_bias: bool
    name: str
    upsample: bool = False
    share: float = 1.0
    of_images: bool = False


class Convolution(Protocol):
    """A frozen dataclass that makes the convolutions of a backbone."""

    def layer(self, spec: ConvolutionSpec) -> Any:
        """Return a Keras layer: ``(batch, height, width, channels)`` to ``(..., filters)``.

        The layer keeps height and width ("same" padding), doubled where ``upsample`` says so, and
        gives any regularisation through ``add_loss``. If it draws noise, it does so from
        ``active_noise`` and its class says ``draws_noise = True``.
        """
        ...


class Dropping(Protocol):
    """A frozen dataclass that makes the layers which drop values after a backbone's blocks."""

    def layer(self, rate: float, name: str) -> Any:
        """Return a Keras layer whose output has the shape of its input.

        It drops values while noise is active and does nothing without noise; its class says
        ``draws_noise = True``.

        Args:
            rate: Share of values to drop, in (0, 1), or where a learned rate starts.
            name: Unique in the network.
        """
        ...


class Features(NamedTuple):
    """What a head may build on: symbolic tensors of the network.

    Attributes:
        images: The network's input, ``(batch, height, width, channels)``.
        blocks: The output of each block by its name, in the order in which they run; the last one
            has the resolution of the images, and is what the logits are made from.
        num_classes: How many classes, background included.
    """

    images: Tensor
    blocks: dict[str, Tensor]
    num_classes: int

    @property
    def last(self) -> Tensor:
        """The output of the last block, ``(batch, height, width, width)``."""
        return list(self.blocks.values())[-1]


class Head(Protocol):
    """A frozen dataclass that makes an output of a backbone.

    It is given to the architecture as ``heads={"name": head}``; the name "logits" replaces the
    ordinary logits.
    """

    def build(self, features: Features, name: str) -> Tensor:
        """Return the output, a symbolic tensor ``(batch, ...)``.

        Args:
            features: What there is to build on.
            name: Of the output; the names of all layers made here start with it.
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
