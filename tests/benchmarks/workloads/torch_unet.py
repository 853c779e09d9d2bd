"""The shipped U-Net in PyTorch, as its users would write it; channels last."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


class Block(nn.Sequential):
    """Two 3x3 convolutions, each with batch normalisation and ReLU; then dropout, if any."""

    def __init__(self, channels: int, filters: int, rate: float) -> None:
        layers: list[nn.Module] = []
        for inputs in (channels, filters):
            layers += [
                nn.Conv2d(inputs, filters, 3, padding=1, bias=False),
                nn.BatchNorm2d(filters, eps=1e-3, momentum=0.1),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers, *([nn.Dropout(rate)] if rate else []))


class UNet(nn.Module):
    """``(batch, 3, height, width)`` to logits ``(batch, classes, height, width)``.

    Args:
        rate: Dropout after the bottleneck and each decoder block.
    """

    def __init__(
        self, rate: float = 0.0, width: int = 16, depth: int = 3, classes: int = 2
    ) -> None:
        super().__init__()
        filters = [width * 2**level for level in range(depth + 1)]
        self.encoder = nn.ModuleList(
            Block(inputs, outputs, 0.0)
            for inputs, outputs in zip([3, *filters], filters[:-1], strict=False)
        )
        self.bottleneck = Block(filters[-2], filters[-1], rate)
        self.decoder = nn.ModuleList(
            Block(filters[level + 1] + filters[level], filters[level], rate)
            for level in reversed(range(depth))
        )
        self.pool = nn.MaxPool2d(2)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.logits = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        skips = []
        for block in self.encoder:
            images = block(images)
            skips.append(images)
            images = self.pool(images)
        images = self.bottleneck(images)
        for block in self.decoder:
            images = block(torch.cat([self.up(images), skips.pop()], dim=1))
        return self.logits(images)

    def load(self, path: str) -> None:
        """Take the weights of a trained ``dicecast`` U-Net, named ``block_layer/variable``."""
        depth = len(self.encoder)
        blocks = {f"encoder_{level}": block for level, block in enumerate(self.encoder)}
        blocks |= {f"decoder_{depth - 1 - i}": block for i, block in enumerate(self.decoder)}
        blocks["bottleneck"] = self.bottleneck
        with np.load(path) as weights, torch.no_grad():
            for name, block in blocks.items():
                for half in (1, 2):
                    convolution, norm = block[3 * half - 3], block[3 * half - 2]
                    _copy(convolution.weight, weights[f"{name}_conv_{half}/kernel"])
                    _copy(norm.weight, weights[f"{name}_norm_{half}/gamma"])
                    _copy(norm.bias, weights[f"{name}_norm_{half}/beta"])
                    _copy(norm.running_mean, weights[f"{name}_norm_{half}/moving_mean"])
                    _copy(norm.running_var, weights[f"{name}_norm_{half}/moving_variance"])
            _copy(self.logits.weight, weights["logits/kernel"])
            _copy(self.logits.bias, weights["logits/bias"])


def _copy(target: Tensor, values: np.ndarray) -> None:
    tensor = torch.from_numpy(np.asarray(values, np.float32))
    target.copy_(tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor)


def network_input(images: Tensor) -> Tensor:
    """Return uint8 ``(batch, height, width, 3)`` as float32 in [0, 1], channels first in name."""
    return images.permute(0, 3, 1, 2).float().div_(255)
