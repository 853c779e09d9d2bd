"""MC dropout by torch-uncertainty's wrapper, with the measures and agreement that we give."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workloads import torchvision_operators
from workloads.images import blobs
from workloads.torch_unet import UNet, network_input

torchvision_operators.declare()

from torch_uncertainty.methods import mc_dropout  # noqa: E402  needs the operators above

RATE = 0.3
BATCH = 32

torch.set_num_threads(2)
_kept: dict[str, Any] = {}


def start(weights: str, images: int) -> None:
    """Read the images; ``mode`` builds a network of these weights."""
    _kept["images"] = torch.from_numpy(blobs(images, seed=2).images)
    _kept["weights"] = weights


def mode(name: str, on_batch: bool, compiled: bool, precision: str, draws: int) -> None:
    """Prepare a way to draw.

    Args:
        name: What ``turn`` calls it.
        on_batch: Draws in the batch (the wrapper's default), or one after another.
        compiled: Whether the network is compiled.
        precision: "float32", "autocast" (bfloat16 where PyTorch thinks fit) or "bfloat16" (whole).
        draws: Forward passes.
    """
    torch.manual_seed(0)
    torch._dynamo.reset()
    network = UNet(RATE)
    network.load(_kept["weights"])
    network.to(memory_format=torch.channels_last)
    if precision == "bfloat16":
        network.to(torch.bfloat16)
    if compiled:
        network.compile()
    wrapped = mc_dropout(network, draws, on_batch=on_batch, task="segmentation").eval()
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    context = torch.autocast("cpu", torch.bfloat16, enabled=precision == "autocast")
    _kept[name] = (wrapped, dtype, context, draws)
    with torch.inference_mode():
        _predict(name, _kept["images"][:BATCH])


def turn(name: str) -> float:
    """Predict all images in a mode; return the seconds."""
    started = time.perf_counter()
    with torch.inference_mode():
        for batch in _kept["images"].split(BATCH):
            _predict(name, batch)
    return time.perf_counter() - started


def answers(name: str, path: str) -> None:
    """Write what is predicted, one row an image."""
    with torch.inference_mode():
        parts = [_predict(name, batch) for batch in _kept["images"].split(BATCH)]
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    maps = ("predictive_entropy", "expected_entropy", "mutual_information")
    found = {name: joined[name].mean(axis=(1, 2)) for name in maps}
    np.savez(path, **found, pairwise_dice=joined["pairwise_dice"])


def _predict(name: str, images: Tensor) -> dict[str, np.ndarray]:
    wrapped, dtype, context, draws = _kept[name]
    with context:
        logits = wrapped(network_input(images).to(dtype))
    probability = logits.float().unflatten(0, (draws, len(images))).softmax(2)
    mean = probability.mean(0)
    predictive, expected = _entropy(mean, 1), _entropy(probability, 2).mean(0)
    found = {
        "probability": mean,
        "mask": mean.argmax(1).to(torch.uint8),
        "predictive_entropy": predictive,
        "expected_entropy": expected,
        "mutual_information": (predictive - expected).clamp(min=0),
        "pairwise_dice": _pairwise_dice(probability.argmax(2)),
    }
    return {key: value.numpy() for key, value in found.items()}


def _entropy(probability: Tensor, axis: int) -> Tensor:
    return -(probability * probability.clamp(min=1e-10).log()).sum(axis) / math.log(2)


def _pairwise_dice(masks: Tensor) -> Tensor:
    """Return the mean Dice over the pairs of draws, from ``(draws, batch, height, width)``."""
    foreground = masks.flatten(2).float().transpose(0, 1)
    overlap = foreground @ foreground.transpose(1, 2)
    volume = overlap.diagonal(dim1=1, dim2=2)
    total = volume[:, :, None] + volume[:, None, :]
    dice = torch.where(total > 0, 2 * overlap / total.clamp(min=1), 1.0)
    first, second = torch.triu_indices(len(masks), len(masks), offset=1)
    return dice[:, first, second].mean(1)
