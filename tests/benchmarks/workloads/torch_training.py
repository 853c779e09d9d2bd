"""Training the U-Net in PyTorch: channels last, data resident in memory, fused Adam."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workloads.images import Images, blobs
from workloads.torch_unet import UNet, network_input

BATCH = 16
LEARNING_RATE = 2e-3

torch.set_num_threads(2)
_kept: dict[str, Any] = {}


def start(mode: str, precision: str, rate: float, examples: int, validation: int) -> None:
    """Build a network of a dropout rate in a mode: "eager" or "compiled", each channels last."""
    torch.manual_seed(0)
    network = UNet(rate).to(memory_format=torch.channels_last)
    _kept["data"] = tuple(
        Images(*map(torch.from_numpy, blobs(count, seed)))
        for seed, count in enumerate((examples, validation))
    )
    run = torch.compile(network) if mode == "compiled" else network
    _kept[mode] = (network, run, _context(precision))


def turn(mode: str, epochs: int) -> dict[str, float]:
    """Train for one epoch and then for ``epochs`` more, which are timed."""
    network, run, context = _kept[mode]
    data, validation = _kept["data"]
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, eps=1e-7, fused=True)
    steps = len(data.images) // BATCH * (epochs + 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(epochs + 1):
        if epoch == 1:
            started = time.perf_counter()
        network.train()
        for rows in torch.randperm(len(data.images)).split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            images, masks = augmented(data.images[rows], data.masks[rows])
            with context:
                logits = run(network_input(images))
            loss = segmentation_loss(logits.float(), masks.long())
            loss.backward()
            optimizer.step()
            schedule.step()
        score = _score(network, run, validation, context)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "images": epochs * len(data.images), "score": score}


def augmented(images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Flip and transpose each image and its mask at random: the 8 symmetries of the square."""
    turns = torch.rand(3, len(images)) < 0.5
    for kind, which in enumerate(turns):
        moved = [t.transpose(1, 2) if kind == 2 else t.flip(kind + 1) for t in (images, masks)]
        images = torch.where(which[:, None, None, None], moved[0], images)
        masks = torch.where(which[:, None, None], moved[1], masks)
    return images, masks


def segmentation_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return mean cross-entropy plus 1 minus the soft Dice of the foreground."""
    truth = functional.one_hot(targets, logits.shape[1]).permute(0, 3, 1, 2)[:, 1:]
    probabilities = logits.softmax(1)[:, 1:]
    overlap = (probabilities * truth).sum((0, 2, 3))
    total = probabilities.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    dice = (2 * overlap + 1) / (total + 1)
    return functional.cross_entropy(logits, targets) + 1 - dice.mean()


def _score(network: UNet, run: Any, data: Images, context: AbstractContextManager[Any]) -> float:
    """Return the mean Dice of the validation images, as our trainer does after each epoch."""
    network.eval()
    with torch.inference_mode(), context:
        masks = run(network_input(data.images)).argmax(1)
    overlap = (masks * data.masks).sum((1, 2))
    total = (masks.sum((1, 2)) + data.masks.sum((1, 2))).clamp(min=1)
    return float((2 * overlap / total).mean())


def _context(precision: str) -> AbstractContextManager[Any]:
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")
