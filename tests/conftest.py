from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# For tests that start a process of their own: a bare clone runs without being installed.
SOURCE = str(Path(__file__).parent.parent / "benchmark")
os.environ["PYTHONPATH"] = os.pathsep.join([SOURCE, os.environ.get("PYTHONPATH", "")])

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dicecast.data.cases import Cases, FittingData, SegmentationData
from dicecast.plugins import REGISTRIES


def discs(cases: int, seed: int, prefix: str = "case", size: int = 16) -> Cases:
    """Bright discs on a noisy ground; the mask is the disc."""
    rng = np.random.default_rng(seed)
    place = np.mgrid[:size, :size]
    centre = rng.uniform(0.3, 0.7, (cases, 2, 1, 1)) * size
    radius = rng.uniform(0.15, 0.3, (cases, 1, 1)) * size
    masks = (((place[None] - centre) ** 2).sum(axis=1) < radius**2).astype(np.uint8)
    values = 80 + 90.0 * masks[..., None] + rng.normal(0, 25, (cases, size, size, 3))
    names = [f"{prefix}{number}" for number in range(cases)]
    table = pd.DataFrame({"stem": names, "group": names, "domain": "in_distribution"})
    return Cases(table, np.clip(values, 0, 255).astype(np.uint8), masks)


@pytest.fixture(scope="session")
def disc_cases() -> Callable[..., Cases]:
    return discs


@pytest.fixture(scope="session")
def disc_data() -> SegmentationData:
    return SegmentationData(
        "discs",
        ("background", "disc"),
        discs(24, 0, "train"),
        discs(8, 1, "validation"),
        discs(20, 2, "quality"),
        {"in_distribution": discs(9, 3, "test")},
    )


@pytest.fixture(scope="session")
def fitting(disc_data: SegmentationData) -> FittingData:
    return disc_data.for_fitting()


@pytest.fixture(scope="session")
def trainer_in(fitting: FittingData) -> Callable[..., Any]:
    """Make a trainer of a tiny network with its store in a folder."""

    def make(folder: Path, **fields: Any) -> Any:
        from dicecast.networks.unet import UNet  # noqa: PLC0415  seconds to import
        from dicecast.store import Store  # noqa: PLC0415  seconds to import
        from dicecast.training.backbone import BackboneTrainer  # noqa: PLC0415  seconds to import
        from dicecast.training.schedule import Schedule  # noqa: PLC0415  seconds to import

        settings = {
            "data": fitting,
            "architecture": UNet(width=4, depth=2),
            "schedule": Schedule(epochs=4, batch_size=8, learning_rate=0.01, patience=0),
            "store": Store(folder),
        }
        return BackboneTrainer(**(settings | fields))

    return make


@pytest.fixture(scope="session")
def trainer(trainer_in: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One trainer for all tests, so that each network is trained once."""
    return trainer_in(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def sampler() -> Any:
    from dicecast.estimation.sampling import Sampler  # noqa: PLC0415  seconds to import

    return Sampler(num_classes=2)


@pytest.fixture(scope="session")
def ground(
    disc_data: SegmentationData,
    trainer_in: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """What the contract of estimators is tried on: discs, and a tiny network that learns them."""
    from dicecast.testing.ground import Ground  # noqa: PLC0415  seconds to import
    from dicecast.training.schedule import Schedule  # noqa: PLC0415  seconds to import

    schedule = Schedule(epochs=20, batch_size=8, learning_rate=0.01, patience=0)
    trainer = trainer_in(tmp_path_factory.mktemp("ground"), schedule=schedule)
    return Ground.of(disc_data, trainer)


@pytest.fixture
def in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep all that is made in files, as if it were too large, and go through it in small parts."""
    monkeypatch.setattr("dicecast.scratch.IN_MEMORY", -1)
    monkeypatch.setattr("dicecast.stacks.CHUNK_BYTES", 5000)


@pytest.fixture(autouse=True)
def _added_plugins_go_again() -> Iterator[None]:
    """What a test adds by a plug-in file is not there for the next one."""
    before = {name: dict(registry._files) for name, registry in REGISTRIES.items()}
    yield
    for name, registry in REGISTRIES.items():
        for added in set(registry._files) - set(before[name]):
            del registry._files[added]
            registry._classes.pop(added, None)
