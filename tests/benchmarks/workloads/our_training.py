"""Training the shipped U-Net with ``dicecast``'s own trainer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd

from dicecast.data.cases import Cases, FittingData
from dicecast.networks.unet import UNet
from dicecast.store import Store
from dicecast.training.backbone import Backbone, BackboneTrainer
from dicecast.training.schedule import Schedule
from dicecast.training.trainer import Progress
from workloads.images import blobs

SETTINGS: dict[str, Any] = {"examples": 512, "validation": 64, "height": 64, "width": 64}

_kept: dict[str, Any] = {}


def trainer(
    store: str, precision: str, accelerate: str = "auto", **changes: int
) -> BackboneTrainer:
    """Return a trainer of the shipped U-Net on blobs.

    Args:
        store: A folder that keeps what is trained.
        precision: "float32" or "bfloat16".
        accelerate: "auto", "xla" or "none".
        **changes: Other numbers of examples or validation images, or images of another size.
    """
    settings = SETTINGS | changes
    train, validation = (
        cases(settings[role], seed, settings["height"], settings["width"])
        for seed, role in enumerate(("examples", "validation"))
    )
    data = FittingData(("background", "blob"), train, validation)
    schedule = Schedule(epochs=2, batch_size=16, patience=0)
    return BackboneTrainer(data, UNet(), schedule, Store(Path(store)), precision, accelerate)


def cases(count: int, seed: int, height: int, width: int) -> Cases:
    """Return blobs as cases."""
    names = [f"{seed}-{number}" for number in range(count)]
    table = pd.DataFrame({"stem": names, "group": names, "domain": "in_distribution"})
    return Cases(table, *blobs(count, seed, height, width))


def timed(
    trainer: BackboneTrainer, seed: int, epochs: int, **changes: Any
) -> tuple[Backbone, float]:
    """Train for one epoch and then ``epochs`` more; return the backbone and these' seconds."""
    moments: list[float] = []

    def note(progress: Progress, images: int) -> None:
        moments.append(time.perf_counter())

    trainer.on_epoch = note
    backbone = trainer(seed, epochs=epochs + 1, **changes)
    return backbone, moments[-1] - moments[0]


def start(store: str, precision: str, **changes: int) -> None:
    """Build the network and take the data into memory."""
    _kept["trainer"] = trainer(store, precision, **changes)
    _kept["seed"] = 0


def turn(epochs: int, rate: float) -> dict[str, float]:
    """Train at a dropout rate for one epoch and then ``epochs`` more, which are timed."""
    _kept["seed"] += 1
    backbone, seconds = timed(_kept["trainer"], _kept["seed"], epochs, dropout_rate=rate)
    images = len(_kept["trainer"].data.train) * epochs
    return {"seconds": seconds, "images": images, "score": backbone.log[-1]["score"]}
