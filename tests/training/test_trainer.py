from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from dicecast.data.cases import Cases
from dicecast.errors import DicecastError
from dicecast.networks.backend import compiled
from dicecast.networks.unet import UNet
from dicecast.training import batches
from dicecast.training import trainer as module
from dicecast.training.backbone import _dice_score
from dicecast.training.batches import Examples
from dicecast.training.initial import initial_weights
from dicecast.training.objective import SegmentationLoss
from dicecast.training.schedule import Schedule
from dicecast.training.trainer import Progress, Task, evaluate, to_network, train

SCHEDULE = Schedule(epochs=5, batch_size=8, learning_rate=0.01, patience=0)


def build() -> Any:
    return UNet(width=4, depth=1).build((16, 16, 3), 2)


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(build(), SegmentationLoss(), _dice_score)


@pytest.fixture(scope="module")
def examples(disc_cases: Callable[..., Cases]) -> tuple[Examples, Examples]:
    train_cases, validation = disc_cases(24, 0), disc_cases(8, 1)
    return (
        Examples(train_cases.images, train_cases.masks),
        Examples(validation.images, validation.masks),
    )


@pytest.fixture(scope="module")
def trained(task: Task, examples: tuple[Examples, Examples]) -> Any:
    return train(task, initial_weights(build, 0), examples, SCHEDULE, seed=0)


def test_the_same_seed_gives_the_same_bits_and_the_same_log(
    task: Task, examples: tuple[Examples, Examples], trained: Any
) -> None:
    keras.utils.set_random_seed(99)
    again = train(task, initial_weights(build, 0), examples, SCHEDULE, seed=0)
    assert again.log == trained.log
    for one, other in zip(trained.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_task_of_its_own_gives_the_same_bits(
    examples: tuple[Examples, Examples], trained: Any
) -> None:
    fresh = Task(build(), SegmentationLoss(), _dice_score)
    again = train(fresh, initial_weights(build, 0), examples, SCHEDULE, seed=0)
    for one, other in zip(trained.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_gives_other_weights_from_the_same_start(
    task: Task, examples: tuple[Examples, Examples], trained: Any
) -> None:
    other = train(task, initial_weights(build, 0), examples, SCHEDULE, seed=1)
    assert any((a != b).any() for a, b in zip(trained.weights, other.weights, strict=True))


def test_the_loss_goes_down_and_the_discs_are_found(
    task: Task, examples: tuple[Examples, Examples]
) -> None:
    longer = Schedule(epochs=16, batch_size=8, learning_rate=0.01, patience=0)
    log = train(task, initial_weights(build, 0), examples, longer, seed=0).log
    assert [entry.epoch for entry in log] == list(range(1, 17))
    assert log[-1].loss < 0.5 * log[0].loss
    assert max(entry.score for entry in log) > 0.8


def test_the_returned_weights_are_those_of_the_best_epoch(
    task: Task, examples: tuple[Examples, Examples], trained: Any
) -> None:
    score = float(np.mean(evaluate(task, trained.weights, examples[1])))
    assert score == pytest.approx(max(entry.score for entry in trained.log), abs=1e-6)


def test_moving_statistics_move_in_training_and_the_network_is_left_as_it_was(
    task: Task, trained: Any
) -> None:
    start = initial_weights(build, 0)
    trainable = len(task.network.trainable_variables)
    moved = zip(start[trainable:], trained.weights[trainable:], strict=True)
    assert all((a != b).any() for a, b in moved)
    before = [ops.convert_to_numpy(v) for v in task.network.variables]
    evaluate(
        task,
        trained.weights,
        Examples(np.zeros((3, 16, 16, 3), np.uint8), np.zeros((3, 16, 16), np.uint8)),
    )
    for old, variable in zip(before, task.network.variables, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(variable))


def test_patience_stops_once_so_many_epochs_were_no_better(
    task: Task, examples: tuple[Examples, Examples], monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.1, 0.5, 0.4, 0.6, 0.6, 0.3, 0.9, 0.9])
    monkeypatch.setattr(module, "evaluate", lambda *_: np.array([next(scores)]))
    seen: list[Progress] = []
    schedule = Schedule(epochs=8, batch_size=8, learning_rate=0.01, patience=2)
    kept: list[list[np.ndarray]] = []
    original = module._Loop.weights

    def remember(self: Any, carry: Any) -> Any:
        kept.append(original(self, carry))
        return kept[-1]

    monkeypatch.setattr(module._Loop, "weights", remember)
    result = train(task, initial_weights(build, 0), examples, schedule, 0, seen.append)
    assert [entry.score for entry in result.log] == [0.1, 0.5, 0.4, 0.6, 0.6, 0.3]
    assert seen == result.log
    for one, other in zip(result.weights, kept[3], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_divergence_names_the_learning_rate(
    task: Task, examples: tuple[Examples, Examples]
) -> None:
    broken = [np.full_like(weight, np.nan) for weight in initial_weights(build, 0)]
    with pytest.raises(DicecastError, match=r"diverged in epoch 1.*learning_rate \(now 0\.01\)"):
        train(task, broken, examples, SCHEDULE, seed=0)


def test_one_trace_serves_all_seeds(
    examples: tuple[Examples, Examples], monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = []

    def counting(function: Callable[..., Any], accelerate: str = "auto") -> Callable[..., Any]:
        def traced(*arguments: Any) -> Any:
            traces.append(function.__qualname__)
            return function(*arguments)

        return compiled(traced, accelerate)

    monkeypatch.setattr(module, "compiled", counting)
    task = Task(build(), SegmentationLoss(), _dice_score)
    short = Schedule(epochs=2, batch_size=8)
    for seed in (0, 1, 5):
        train(task, initial_weights(build, seed), examples, short, seed)
    assert len(traces) == len(set(traces)) == 2


def test_fewer_examples_than_a_batch_are_one_smaller_batch(
    task: Task, examples: tuple[Examples, Examples]
) -> None:
    few = Examples(examples[0].inputs[:3], examples[0].targets[:3])
    result = train(task, initial_weights(build, 0), (few, few), Schedule(2, 8), seed=0)
    assert len(result.log) == 2
    assert np.isfinite(result.log[-1].loss)


def test_evaluation_does_not_depend_on_the_batch(
    task: Task, examples: tuple[Examples, Examples], trained: Any
) -> None:
    whole = evaluate(task, trained.weights, examples[0])
    np.testing.assert_allclose(
        evaluate(task, trained.weights, examples[0], batch=7), whole, atol=1e-6
    )
    assert whole.shape == (24,)


def test_validation_score_is_the_dice_of_each_case() -> None:
    logits = np.zeros((3, 1, 4, 3), np.float32)
    predicted = np.array([[0, 1, 1, 2], [0, 0, 0, 0], [1, 1, 0, 0]])
    truth = np.array([[0, 1, 2, 2], [0, 0, 0, 0], [2, 2, 0, 0]])
    for case, place in np.ndindex(3, 4):
        logits[case, 0, place, predicted[case, place]] = 1.0
    score = ops.convert_to_numpy(_dice_score({"logits": logits}, truth[:, None, :]))
    # Class 1: 2*1/(2+1), class 2: 2*1/(1+2); both empty: 1; one empty: 0.
    np.testing.assert_allclose(score, [2 / 3, 1.0, 0.0], rtol=1e-6)


def test_images_are_divided_by_255_and_floats_are_left() -> None:
    images = np.array([[0, 51, 255]], np.uint8)
    np.testing.assert_allclose(ops.convert_to_numpy(to_network(images)), [[0, 0.2, 1]], rtol=1e-6)
    floats = np.array([[0.5, 255.0]], np.float32)
    np.testing.assert_array_equal(ops.convert_to_numpy(to_network(floats)), floats)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_examples_that_enter_piece_by_piece_train_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, examples: tuple[Examples, Examples], steps: int
) -> None:
    # 24 examples make 6 steps of 4: pieces of 1, 2 and 3 steps, and with 5 the last is short.
    schedule = Schedule(epochs=2, batch_size=4, patience=0)
    whole = train(
        Task(build(), SegmentationLoss(), _dice_score),
        initial_weights(build, 0),
        examples,
        schedule,
        seed=0,
    )
    monkeypatch.setattr(batches, "CHUNK_BYTES", (steps if steps < 3 else 5) * 4 * 16 * 16 * 3)
    task = Task(build(), SegmentationLoss(), _dice_score)
    parts = train(task, initial_weights(build, 0), examples, schedule, seed=0)
    assert parts.log == whole.log
    for one, other in zip(whole.weights, parts.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_initial_weights_depend_on_the_seed_alone() -> None:
    random.seed(1)
    before = random.getstate()
    first = initial_weights(build, 7)
    assert random.getstate() == before
    keras.utils.set_random_seed(5)
    again, other = initial_weights(build, 7), initial_weights(build, 8)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    kernels = [(a, b) for a, b in zip(first, other, strict=True) if a.ndim == 4]
    assert all((a != b).any() for a, b in kernels)
    # Two layers of one shape must not start alike: Keras gives each initialiser its own seed.
    same = [k for k in first if k.shape == (3, 3, 8, 8)]
    assert all((a != b).any() for a, b in itertools.pairwise(same))


PROGRAM = """
import hashlib, numpy as np
from dicecast.networks.unet import UNet
from dicecast.training.backbone import _dice_score
from dicecast.training.initial import initial_weights
from dicecast.training.objective import SegmentationLoss
from dicecast.training.batches import Examples
from dicecast.training.schedule import Schedule
from dicecast.training.trainer import Task, train
build = lambda: UNet(width=4, depth=1).build((16, 16, 3), 2)
rng = np.random.default_rng(0)
data = Examples(
    rng.integers(0, 255, (8, 16, 16, 3)).astype(np.uint8),
    rng.integers(0, 2, (8, 16, 16)).astype(np.uint8),
)
task = Task(build(), SegmentationLoss(), _dice_score)
weights = train(task, initial_weights(build, 0), (data, data), Schedule(2, 4), 0).weights
digest = hashlib.sha256(b"".join(np.ascontiguousarray(w).tobytes() for w in weights)).hexdigest()
"""


def test_a_fresh_process_gives_the_same_bits() -> None:
    here: dict[str, Any] = {}
    exec(PROGRAM, here)
    package = str(Path(module.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + "print(digest)"],
        env=os.environ | {"PYTHONPATH": package, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-1] == here["digest"]


@dataclass(frozen=True)
class Witness:
    """An objective that tells through its state what it was shown."""

    def initial_state(self) -> dict[str, float]:
        return {"steps": 0.0, "mismatch": 0.0, "moved": 0.0, "progress": -1.0, "index": -1.0}

    def __call__(self, outputs: Any, targets: Any, step: Any, state: Any) -> Any:
        shown = ops.round(outputs["shown"][..., 0] * 255.0)
        target = ops.cast(targets, "float32")
        # Image and mask are one ramp, so its first pixel tells whether it was turned.
        return ops.mean(ops.square(outputs["logits"])) + step.regularisation, {
            "steps": state["steps"] + 1.0,
            "mismatch": state["mismatch"] + ops.sum(ops.abs(shown - target)),
            "moved": state["moved"] + ops.sum(ops.cast(target[:, 0, 0] != 0, "float32")),
            "progress": step.progress,
            "index": ops.cast(step.noise.index, "float32"),
        }


@pytest.mark.parametrize("augment", [True, False])
def test_every_step_sees_images_with_their_masks_and_knows_its_number(augment: bool) -> None:
    images = keras.Input((4, 4, 1))
    regularised = keras.layers.Conv2D(1, 1, kernel_regularizer=keras.regularizers.L2(0.5))
    network = keras.Model(images, {"logits": regularised(images), "shown": images})
    ramp = np.repeat(np.arange(16, dtype=np.uint8).reshape(1, 4, 4), 12, axis=0)
    data = Examples(ramp[..., None], ramp)
    task = Task(network, Witness(), lambda out, true: ops.zeros(ops.shape(true)[0]))
    schedule = Schedule(epochs=3, batch_size=4, learning_rate=1e-8, augment=augment, patience=0)
    start = [np.full((1, 1, 1, 1), 2.0, np.float32), np.zeros(1, np.float32)]
    log = train(task, start, (data, data), schedule, seed=0).log
    assert [entry.state["steps"] for entry in log] == [3, 6, 9]
    assert [entry.state["index"] for entry in log] == [2, 5, 8]
    assert log[-1].state["progress"] == pytest.approx(8 / 9)
    assert log[-1].state["mismatch"] == 0
    # Of 36 examples, three quarters lose their first pixel to another place.
    assert 18 <= log[-1].state["moved"] <= 34 if augment else log[-1].state["moved"] == 0
    # The loss is the mean square of twice the image, and the layers' own: 0.5 * 2**2.
    expected = np.mean((2 * np.arange(16) / 255) ** 2) + 2.0
    assert log[0].loss == pytest.approx(expected, rel=1e-5)


def test_training_noise_is_of_each_step_and_each_example(
    examples: tuple[Examples, Examples], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    original = module.Noise
    monkeypatch.setattr(module, "Noise", lambda *a, **k: made.append((a, k)) or original(*a, **k))
    network = UNet(width=2, depth=1, dropout_rate=0.5).build((16, 16, 3), 2)
    task = Task(network, SegmentationLoss(), _dice_score)
    weights = initial_weights(lambda: network, 0)
    train(task, weights, examples, Schedule(1, 8), seed=0)
    assert [keywords for _, keywords in made] == [{"shared": False}]
