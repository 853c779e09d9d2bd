from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from dicecast.data.cases import Cases, FittingData
from dicecast.errors import PluginError
from dicecast.networks.unet import UNet
from dicecast.training import backbone as module
from dicecast.training.objective import SegmentationLoss
from dicecast.training.schedule import Schedule

SHORT = Schedule(epochs=1, batch_size=8, learning_rate=0.01, patience=0)


@dataclass(frozen=True)
class Heavier(SegmentationLoss):
    dice_weight: float = 3.0


@pytest.fixture(scope="module")
def shared_tasks() -> dict[str, Any]:
    return {}


@pytest.fixture
def counted(
    trainer_in: Callable[..., Any], shared_tasks: dict[str, Any], tmp_path: Path
) -> Callable[..., Any]:
    """A trainer in a fresh folder that counts its trainings; graphs are kept between tests."""

    def make(folder: Path = tmp_path, **fields: Any) -> Any:
        trainer = trainer_in(folder, **({"schedule": SHORT} | fields))
        starts: list[int] = []
        trainer.on_start = starts.append
        trainer.starts = starts
        trainer._tasks = shared_tasks
        return trainer

    return make


def test_the_second_call_trains_nothing(counted: Callable[..., Any]) -> None:
    trainer = counted()
    first, second = trainer(0), trainer(0)
    assert trainer.starts == [24]
    assert first.key == second.key
    assert list(trainer.used) == [first.key]
    assert trainer.used[first.key] > 0
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    again = counted()
    assert again(0).log == first.log
    assert again.starts == []


def test_progress_is_told_and_logged(counted: Callable[..., Any]) -> None:
    trainer, told = counted(), []
    trainer.on_epoch = lambda progress, images: told.append((progress.epoch, images))
    backbone = trainer(0, epochs=3)
    assert told == [(1, 24), (2, 24), (3, 24)]
    assert [entry["epoch"] for entry in backbone.log] == [1, 2, 3]


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 2},
        {"learning_rate": 0.02},
        {"batch_size": 4},
        {"augment": False},
        {"patience": 3},
        {"width": 2},
        {"dropout_rate": 0.5},
        {"normalisation": "group"},
        {"heads": {"extra": 1}},
        {"objective": Heavier()},
        {"objective": SegmentationLoss(2.0)},
    ],
    ids="-".join,
)
def test_every_change_is_another_identity(
    counted: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    # What is trained does not matter here, and a training would only take time.
    def untrained(task: Any, weights: Any, *_: Any) -> Any:
        return module.Trained(weights, [], [])

    monkeypatch.setattr(module, "train", untrained)
    trainer = counted()
    keys = {trainer(0).key, trainer(1).key, trainer(0, **changes).key}
    assert len(keys) == 3
    assert len(trainer.starts) == 3
    assert trainer(0, **changes).key in keys
    assert len(trainer.starts) == 3


def test_other_data_is_another_identity(
    counted: Callable[..., Any], fitting: FittingData, disc_cases: Callable[..., Cases]
) -> None:
    other = dataclasses.replace(fitting, validation=disc_cases(8, 77, "validation"))
    assert counted(data=other)(0).key != counted()(0).key


def test_an_unknown_change_is_refused_with_the_nearest_name(counted: Callable[..., Any]) -> None:
    with pytest.raises(PluginError, match=r"'dropout_rat'.*Did you mean 'dropout_rate'"):
        counted()(0, dropout_rat=0.5)


def test_a_damaged_file_is_never_used(counted: Callable[..., Any], tmp_path: Path) -> None:
    original = counted()(0)
    (place,) = [path for path in (tmp_path / "backbone").iterdir() if path.is_dir()]
    files = sorted(place.iterdir())
    assert [file.name for file in files] == ["arrays.npz", "info.json", "manifest.json"]
    for file in files:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0x04
        file.write_bytes(content)
        trainer = counted()
        again = trainer(0)
        assert trainer.starts == [24], file.name
        for one, other in zip(original.weights, again.weights, strict=True):
            np.testing.assert_array_equal(one, other)
    found = {path.name for path in (tmp_path / "backbone").iterdir() if path.is_dir()}
    # What was damaged is set aside, once for each file that was.
    assert len(found) == 1 + len(files)
    assert {name for name in found if not name.startswith(f"{place.name}.damaged-")} == {place.name}


def test_a_half_written_folder_is_ignored(counted: Callable[..., Any], tmp_path: Path) -> None:
    key = counted()(0).key
    place = tmp_path / "backbone" / key
    place.rename(place.with_name(f"{key}.half-abc"))
    trainer = counted()
    trainer(0)
    assert trainer.starts == [24]
    shutil.copy(place / "manifest.json", tmp_path / "manifest.json")
    for file in place.iterdir():
        file.unlink()
    trainer(0)
    assert trainer.starts == [24, 24]


def test_outputs_without_noise_are_the_mean_network_and_leave_the_statistics(trainer: Any) -> None:
    backbone = trainer(0)
    before = [ops.convert_to_numpy(v) for v in backbone.network.variables]
    images = np.random.default_rng(0).random((2, 16, 16, 3)).astype(np.float32)
    first = backbone.outputs(backbone.weights, images)["logits"]
    second = backbone.outputs(backbone.weights, images)["logits"]
    np.testing.assert_array_equal(ops.convert_to_numpy(first), ops.convert_to_numpy(second))
    for old, variable in zip(before, backbone.network.variables, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(variable))


def test_number_of_parameters_counts_trainable_weights_alone(trainer: Any) -> None:
    backbone = trainer(0)
    moving = sum(weight.size for weight in backbone.weights) - backbone.num_parameters
    # Two convolutions a block: moving mean and variance of each of their channels.
    normalised = sum(2 * 4 * 2**level for level in (0, 1, 2, 1, 0))
    assert moving == 2 * normalised


def test_bfloat16_computes_in_bfloat16_and_keeps_float32_weights(
    trainer_in: Callable[..., Any], tmp_path: Path
) -> None:
    before = keras.config.dtype_policy().name
    trainer = trainer_in(
        tmp_path, schedule=SHORT, precision="bfloat16", architecture=UNet(width=2, depth=1)
    )
    backbone = trainer(0)
    assert keras.config.dtype_policy().name == before
    assert {weight.dtype for weight in backbone.weights} == {np.dtype("float32")}
    assert backbone.network.get_layer("encoder_0_conv_1").compute_dtype == "bfloat16"
    images = np.zeros((1, 16, 16, 3), np.float32)
    assert backbone.outputs(backbone.weights, images)["logits"].dtype == "float32"
