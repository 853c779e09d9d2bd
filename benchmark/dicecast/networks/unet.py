"""The default backbone: a U-Net."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd
from typing import Any, Literal

import keras
from keras import layers

from dicecast.errors import SuiteError
from dicecast.networks.backend import Tensor
from dicecast.networks.contract import Convolution, ConvolutionSpec, Dropping, Features, Head
from dicecast.networks.layers import (
    BatchNormalization,
    Dropout,
    Rectifier,
    UpsamplingConvolution2D,
    he_normal,
)
from dicecast.plugins import register_backbone

Placement = Literal["bottleneck", "decoder", "bottleneck_and_decoder", "everywhere"]


@dataclass(frozen=True)
class PlainConvolution:
    """Ordinary convolutions with He-normal weights."""

    def layer(self, spec: ConvolutionSpec) -> Any:
        """Return a ``keras.layers.Conv2D``; see ``Convolution``."""
        kind = UpsamplingConvolution2D if spec.upsample else layers.Conv2D
        return kind(
            spec.filters,
            spec.kernel_size,
            padding="same",
            use_bias=spec.use_bias,
            kernel_initializer=he_normal(spec),
            name=spec.name,
        )


@dataclass(frozen=True)
class PlainDropout:
    """Drops single values, or whole channels.

    Attributes:
        spatial: Whether a channel is dropped at all its pixels or at none.
    """

    spatial: bool = False

    def layer(self, rate: float, name: str) -> Any:
        """Return a ``Dropout``; see ``Dropping``."""
        return Dropout(rate, name=name, spatial=self.spatial)


@register_backbone("unet")
@dataclass(frozen=True)
class UNet:
    """A U-Net with two convolutions a level and nearest-neighbour upsampling.

    Ronneberger, Fischer and Brox 2015 (arXiv 1505.04597), with "same" padding and normalisation
    after each convolution.

    Attributes:
        width: Channels of the first level; each deeper level has twice as many.
        depth: How often the resolution is halved; height and width must be multiples of 2**depth.
        normalisation: "batch", "group" (8 groups, or as many as divide the channels) or "none".
        dropout_rate: Share of values dropped after a block while noise is active.
        dropout_placement: The blocks that dropout follows.
        dropout: Makes the layers that drop values.
        heads: Extra outputs by name: a number of channels, for a 1x1 convolution of the last block,
            or a ``Head``. "logits" replaces the ordinary ones.
        convolution: Makes the convolutions of all blocks, and of the logits.
    """

    width: int = 16
    depth: int = 3
    normalisation: Literal["batch", "group", "none"] = "batch"
    dropout_rate: float = 0.0
    dropout_placement: Placement = "bottleneck_and_decoder"
    dropout: Dropping = field(default_factory=PlainDropout)
    heads: dict[str, int | Head] = field(default_factory=dict)
    convolution: Convolution = field(default_factory=PlainConvolution)

    def __post_init__(self) -> None:
        if self.width < 1 or self.depth < 1:
            raise SuiteError(
                f"The U-Net needs width and depth of at least 1; got {self.width}, {self.depth}."
            )
        if not 0.0 <= self.dropout_rate < 1.0:
            raise SuiteError(f"dropout_rate must be in [0, 1); got {self.dropout_rate}.")

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> Any:
        """Return the untrained network; see ``BackboneArchitecture``."""
        self._check(image_shape)
        inputs = keras.Input(image_shape, name="images")
        tensor, blocks = inputs, dict[str, Tensor]()
        for level in range(self.depth):
            tensor = blocks[f"encoder_{level}"] = self._block(tensor, level, f"encoder_{level}")
            tensor = layers.MaxPooling2D(name=f"pool_{level}")(tensor)
        tensor = blocks["bottleneck"] = self._block(tensor, self.depth, "bottleneck")
        for level in reversed(range(self.depth)):
            skip = blocks[f"encoder_{level}"]
            tensor = self._block(tensor, level, f"decoder_{level}", skip)
            blocks[f"decoder_{level}"] = tensor
        return keras.Model(inputs, self._outputs(Features(inputs, blocks, num_classes)))

    def _outputs(self, features: Features) -> dict[str, Tensor]:
        outputs = {}
        if "logits" not in self.heads:
            spec = ConvolutionSpec(features.num_classes, 1, True, "logits")
            outputs["logits"] = self.convolution.layer(spec)(features.last)
        for name, head in self.heads.items():
            if isinstance(head, int):
                outputs[name] = layers.Conv2D(head, 1, name=name)(features.last)
            else:
                outputs[name] = head.build(features, name)
        return outputs

    def _check(self, image_shape: tuple[int, int, int]) -> None:
        step = 2**self.depth
        if image_shape[0] % step or image_shape[1] % step:
            raise SuiteError(
                f"A U-Net of depth {self.depth} needs height and width that are multiples of "
                f"{step}; got {image_shape[0]}x{image_shape[1]}. Change the suite's image size."
            )

    def _block(self, tensor: Tensor, level: int, name: str, skip: Tensor = None) -> Tensor:
        for half in (1, 2):
            spec = ConvolutionSpec(
                self.width * 2**level,
                3,
                self.normalisation == "none",
                f"{name}_conv_{half}",
                of_images=level == 0 and skip is None and half == 1,
            )
            if half == 1 and skip is not None:
                tensor = self._join(tensor, skip, spec)
            else:
                tensor = self.convolution.layer(spec)(tensor)
            tensor = self._activate(tensor, name, half)
        return tensor

    def _activate(self, tensor: Tensor, block: str, half: int) -> Tensor:
        """Normalise and rectify; at the end of a block that dropout follows, drop."""
        norm = self._normalisation(tensor.shape[-1], f"{block}_norm_{half}")
        tensor = norm(tensor) if norm else tensor
        dropout = None
        if half == 2 and self.dropout_rate and self._drops(block):
            dropout = self.dropout.layer(self.dropout_rate, f"{block}_dropout")
        # Of this very type: a subclass may drop in another way.
        if type(dropout) is Dropout and isinstance(norm, BatchNormalization):
            return dropout.rectifying(norm)(tensor)
        name = f"{block}_relu_{half}"
        fused = isinstance(norm, BatchNormalization)
        tensor = (Rectifier(norm, name) if fused else layers.ReLU(name=name))(tensor)
        return dropout(tensor) if dropout else tensor

    def _join(self, deep: Tensor, skip: Tensor, spec: ConvolutionSpec) -> Tensor:
        """Convolve the upsampled deep tensor, concatenated with the skip: as a sum of two.

        The same function as one convolution of both, whose kernel is cut in two: the upsampled part
        needs fewer multiplications, and where noise reaches the deep part alone, the skip's part
        is computed once for all draws.
        """
        share = deep.shape[-1] / (deep.shape[-1] + skip.shape[-1])
        of_deep = spec._replace(name=f"{spec.name}_deep", upsample=True, share=share)
        of_skip = spec._replace(name=f"{spec.name}_skip", use_bias=False, share=1.0 - share)
        parts = [self.convolution.layer(of_deep)(deep), self.convolution.layer(of_skip)(skip)]
        return layers.Add(name=spec.name)(parts)

    def _normalisation(self, channels: int, name: str) -> Any:
        if self.normalisation == "batch":
            return BatchNormalization(momentum=0.9, epsilon=1e-3, name=name)
        if self.normalisation == "group":
            return layers.GroupNormalization(gcd(8, channels), name=name)
        return None

    def _drops(self, block: str) -> bool:
        placement = self.dropout_placement
        return placement == "everywhere" or block.split("_", maxsplit=1)[0] in placement.split(
            "_and_"
        )
