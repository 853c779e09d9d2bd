"""Draws that were exported give the numbers that the same draws give on their way through Keras."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from keras import ops
from made_exports import MANIFEST, DrawsOf, noisy_draws, write_export

from dicecast.data.cases import Cases, SegmentationData
from dicecast.estimation.contract import Predictive
from dicecast.estimation.sampling import Sampler
from dicecast.exported.export import open_export
from dicecast.exported.scoring import ExportRun
from dicecast.harness.predicting import predict_roles
from dicecast.harness.reporting import Reporter
from dicecast.networks.noise import Noise
from dicecast.networks.probabilities import softmax
from dicecast.networks.unet import UNet
from dicecast.plugins import datasets, estimators
from dicecast.store import Artifact, Store
from dicecast.suite import load_suite
from dicecast.training.backbone import BackboneTrainer
from dicecast.training.schedule import Schedule
from dicecast.training.trainer import to_network

ROOT = Path(__file__).parent.parent.parent
SEED = 3


class Replay(Predictive):
    """Draws of its own for each case, which it knows by the image's first pixel, not by files."""

    def __init__(self, draws: np.ndarray, logits: bool = False) -> None:
        # (draws, cases, height, width, classes)
        self.state = draws.swapaxes(0, 1)
        self.num_draws = draws.shape[1]
        self.logits = logits

    def prepare(self, state: Any, images: Any) -> Any:
        number = ops.cast(ops.round(images[:, 0, 0, 0] * 255.0), "int32")
        return ops.take(state, number, axis=1)

    def draw(self, state: Any, prepared: Any, noise: Noise) -> Any:
        values = ops.take(prepared, noise.index, axis=0)
        return softmax(values) if self.logits else values


def numbered(data: SegmentationData) -> tuple[SegmentationData, Cases]:
    """Return the data with the number of each case in its image, and all cases in that order."""
    roles = [(role, cases) for role, cases in data.roles() if role != "train"]
    first, parts = 0, {}
    for role, cases in roles:
        numbers = np.arange(first, first + len(cases), dtype=np.uint8)
        images = np.array(cases.images)
        images[:, 0, 0, 0] = numbers
        parts[role] = Cases(cases.table, images, cases.masks)
        first += len(cases)
    tests = {role.removeprefix("test/"): cases for role, cases in parts.items() if "/" in role}
    every = Cases(
        pd.concat([cases.table for cases in parts.values()], ignore_index=True),
        np.concatenate([cases.images for cases in parts.values()]),
        np.concatenate([cases.masks for cases in parts.values()]),
    )
    made = SegmentationData(
        data.name, data.classes, data.train, parts["validation"], parts["quality"], tests
    )
    return made, every


def through_files(
    folder: Path, data: SegmentationData, draws_of: DrawsOf, manifest: str = MANIFEST
) -> Artifact:
    """Export the draws of all roles but training, and return what scoring the files gives."""
    roles = [(role, cases) for role, cases in data.roles() if role != "train"]
    root = write_export(folder / "export", roles, draws_of, manifest)
    return ExportRun(open_export(root), Store(folder / "store")).predict()


def assert_same(found: Artifact, expected: Artifact) -> None:
    """All scores, Dice, facts, shapes and metrics of pixels, the masks and the heads' map."""
    assert found.tables.keys() == expected.tables.keys() == {"cases", "pixels", "pooled_pixels"}
    for name, table in expected.tables.items():
        pd.testing.assert_frame_equal(found.tables[name], table, rtol=1e-6, atol=1e-6)
    assert found.info["undefined"] == expected.info["undefined"]
    assert found.info["thresholds"] == pytest.approx(expected.info["thresholds"], rel=1e-6)
    np.testing.assert_array_equal(found.stacks["mask"][:], expected.stacks["mask"][:])
    np.testing.assert_allclose(
        found.stacks["uncertainty"][:], expected.stacks["uncertainty"][:], atol=1e-6
    )


def test_draws_of_a_keras_estimator(tmp_path):
    suite = load_suite(str(ROOT / "tests" / "suites" / "tiny.toml"))
    settings = suite.dataset.settings | {"train": 16, "validation": 8, "quality": 10, "test": 12}
    loaded = datasets.create(suite.dataset.name, settings).load(None, suite.image_size)
    # An export has one truth a case.
    tests = {name: replace(cases, raters=None) for name, cases in loaded.test.items()}
    data = replace(loaded, test=tests)
    schedule = Schedule(epochs=1, batch_size=16, learning_rate=0.01)
    trainer = BackboneTrainer(
        data.for_fitting(), UNet(width=4, depth=2), schedule, Store(tmp_path / "trained")
    )
    estimator = estimators.create("mc_dropout", {"draws": 4})
    predictive = estimator.fit(data.for_fitting(), trainer, SEED)

    def draws_of(cases: Cases) -> np.ndarray:
        prepared = predictive.prepare(predictive.state, to_network(np.asarray(cases.images)))
        noises = [Noise(np.int32(SEED), np.int32(draw), shared=True) for draw in range(4)]
        draws = [predictive.draw(predictive.state, prepared, noise) for noise in noises]
        return np.stack([ops.convert_to_numpy(draw) for draw in draws], axis=1)

    classes = ", ".join(f'"{name}"' for name in data.classes)
    manifest = MANIFEST.replace('"background", "disc"', classes)
    found = through_files(tmp_path, data, draws_of, manifest)
    expected = predict_roles(data, predictive, Sampler(data.num_classes), SEED, Reporter())
    assert_same(found, expected)


@pytest.mark.parametrize("values", ["probabilities", "logits"])
def test_draws_from_memory(tmp_path, disc_data, values):
    def draws_of(cases: Cases) -> np.ndarray:
        draws = noisy_draws(cases)
        return np.log(draws) + np.float32(0.5) if values == "logits" else draws

    data, every = numbered(disc_data)
    found = through_files(tmp_path, data, draws_of, f'values = "{values}"\n{MANIFEST}')
    replay = Replay(draws_of(every), values == "logits")
    assert_same(found, predict_roles(data, replay, Sampler(2, batch_size=5), 0, Reporter()))


def torch_unet(torch: Any, images: Any, masks: Any) -> Any:
    """Return a small U-Net with dropout, trained a little."""

    class UNet(torch.nn.Module):
        """One level down and up, with a skip and dropout at the bottom."""

        def __init__(self) -> None:
            super().__init__()
            self.down = torch.nn.Conv2d(3, 6, 3, padding=1)
            self.bottom = torch.nn.Sequential(
                torch.nn.MaxPool2d(2),
                torch.nn.Conv2d(6, 12, 3, padding=1),
                torch.nn.BatchNorm2d(12),
                torch.nn.ReLU(),
                torch.nn.Dropout2d(0.3),
                torch.nn.Upsample(scale_factor=2),
            )
            self.up = torch.nn.Conv2d(18, 2, 3, padding=1)

        def forward(self, image: Any) -> Any:
            skip = torch.relu(self.down(image))
            return self.up(torch.cat([skip, self.bottom(skip)], dim=1))

    torch.manual_seed(0)
    model = UNet()
    adam = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(30):
        adam.zero_grad()
        torch.nn.functional.cross_entropy(model(images), masks).backward()
        adam.step()
    return model


def test_draws_of_a_unet_in_pytorch_by_the_example_of_the_guide(tmp_path, disc_data):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: peers)")
    guide = (ROOT / "docs" / "bring-your-own-predictions.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    exec(compile(example, "guide", "exec"), names := {})

    def tensors(cases: Cases) -> tuple[Any, Any]:
        images = torch.from_numpy(np.asarray(cases.images)).permute(0, 3, 1, 2).float() / 255
        return images, torch.from_numpy(np.asarray(cases.masks)).long()

    model = torch_unet(torch, *tensors(disc_data.train))
    data, every = numbered(disc_data)
    roles = {stem: role.split("/")[0] for role, cases in data.roles() for stem in cases.stems}
    cases = [
        (stem, roles[stem], image, mask)
        for stem, image, mask in zip(every.stems, *tensors(every), strict=True)
    ]
    folder = tmp_path / "export"
    names["export"](model, cases, folder, num_draws=5)
    (folder / "export.toml").write_text(MANIFEST)
    finished = ExportRun(open_export(folder), Store(tmp_path / "store")).finished()
    assert finished.failures == []
    draws = np.stack([np.load(folder / "draws" / f"{s}.npz")["draws"] for s in every.stems])
    assert draws.shape == (len(every), 5, 16, 16, 2)
    expected = predict_roles(data, Replay(draws), Sampler(2), 0, Reporter())
    found = ExportRun(open_export(folder), Store(tmp_path / "store")).predict()
    assert_same(found, expected)
    # And against PyTorch's own arithmetic, on the test cases of the record.
    tested = [row for row, stem in enumerate(every.stems) if roles[stem] == "test"]
    mean = torch.from_numpy(draws[tested]).double().mean(1)
    entropy = -(mean * mean.clamp_min(1e-10).log()).sum(-1).mean((1, 2)) / np.log(2)
    truth, mask = torch.from_numpy(every.masks[tested]).bool(), mean.argmax(-1).bool()
    dice = 2 * (mask & truth).sum((1, 2)) / (mask.sum((1, 2)) + truth.sum((1, 2)))
    record = finished.record.cases
    assert record is not None and dice.mean() > 0.5
    np.testing.assert_allclose(record["predictive_entropy/mean"], -entropy.numpy(), atol=1e-6)
    np.testing.assert_allclose(record["dice"], dice.numpy(), atol=1e-6)
