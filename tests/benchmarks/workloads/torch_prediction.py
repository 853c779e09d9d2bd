"""One forward pass in PyTorch: masks, probabilities and entropy, as our sampler gives them."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workloads.images import blobs
from workloads.torch_unet import UNet, network_input

BATCH = 32

torch.set_num_threads(2)
_kept: dict[str, Any] = {}


def start(weights: str, images: int) -> None:
    """Read the images; ``mode`` builds a network of these weights."""
    _kept["images"] = torch.from_numpy(blobs(images, seed=2).images)
    _kept["weights"] = weights


def mode(name: str, compiled: str, precision: str) -> None:
    """Prepare a way to predict.

    Args:
        name: What ``turn`` calls it.
        compiled: "eager", "compiled" or "frozen" (compiled with the weights as constants, so that
            the compiler folds normalisation and packs weights).
        precision: "float32", "autocast" (bfloat16 where PyTorch thinks fit) or "bfloat16" (whole).
    """
    network = UNet()
    network.load(_kept["weights"])
    network.eval().to(memory_format=torch.channels_last)
    if precision == "bfloat16":
        network.to(torch.bfloat16)
    torch._dynamo.reset()
    torch._inductor.config.freezing = compiled == "frozen"
    run = network if compiled == "eager" else torch.compile(network)
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    context = torch.autocast("cpu", torch.bfloat16, enabled=precision == "autocast")
    _kept[name] = (run, dtype, context)
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
    np.savez(
        path,
        probability=np.concatenate([part["probability"][:, 1] for part in parts]),
        **{
            measure: np.concatenate([part[measure].mean(axis=(1, 2)) for part in parts])
            for measure in ("max_softmax", "predictive_entropy")
        },
    )


def _predict(name: str, images: Tensor) -> dict[str, np.ndarray]:
    run, dtype, context = _kept[name]
    with context:
        logits = run(network_input(images).to(dtype))
    probability = logits.float().softmax(1)
    entropy = -(probability * probability.clamp(min=1e-10).log()).sum(1) / math.log(2)
    found = {
        "probability": probability,
        "mask": probability.argmax(1).to(torch.uint8),
        "max_softmax": 1 - probability.amax(1),
        "predictive_entropy": entropy,
    }
    return {key: value.numpy() for key, value in found.items()}
