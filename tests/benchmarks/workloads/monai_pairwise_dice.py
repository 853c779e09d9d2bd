"""Pairwise Dice by MONAI's ``compute_dice`` over the pairs of draws."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from monai.metrics import compute_dice
from torch import Tensor

from workloads.maps import drawn_masks

torch.set_num_threads(2)
_kept: dict[str, Any] = {}


def start(images: int) -> None:
    """Make the masks, ``(draws, images, 1, height, width)``, and the pairs."""
    _kept["masks"] = torch.from_numpy(drawn_masks(images).astype(np.float32))[:, :, None]
    draws = len(_kept["masks"])
    _kept["pairs"] = torch.triu_indices(draws, draws, offset=1)


def turn(mode: str) -> float:
    """Compare all draws in a mode; return the seconds."""
    started = time.perf_counter()
    with torch.inference_mode():
        MODES[mode]()
    return time.perf_counter() - started


def answers(mode: str, path: str) -> None:
    """Write the mean Dice of each image."""
    np.savez(path, dice=MODES[mode]().numpy())


def _by_image_and_pair() -> Tensor:
    masks = _kept["masks"].transpose(0, 1)
    rows = [
        torch.cat([_dice(draws[i, None], draws[j, None]) for i, j in _kept["pairs"].T])
        for draws in masks
    ]
    return torch.stack(rows).mean(1)


def _by_pair() -> Tensor:
    masks = _kept["masks"]
    return torch.stack([_dice(masks[i], masks[j]) for i, j in _kept["pairs"].T]).mean(0)


def _by_image() -> Tensor:
    first, second = _kept["pairs"]
    masks = _kept["masks"].transpose(0, 1)
    return torch.stack([_dice(draws[first], draws[second]).mean() for draws in masks])


def _dice(first: Tensor, second: Tensor) -> Tensor:
    return compute_dice(first, second, include_background=True, ignore_empty=False)[:, 0]


MODES = {
    "an image and pair": _by_image_and_pair,
    "a pair, all images": _by_pair,
    "an image, all pairs": _by_image,
}
