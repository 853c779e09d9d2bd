from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn.metrics import roc_auc_score

from dicecast.data.cases import Cases, FittingData
from dicecast.errors import DicecastError
from dicecast.estimation.sampling import Sampler
from dicecast.networks.noise import Noise
from dicecast.plugins import estimators
from dicecast.training.objective import Step

Estimator: Any = estimators.get("error_map")
MODULE: Any = sys.modules[Estimator.__module__]
RNG = np.random.default_rng(0)
SETTINGS: dict[str, dict[str, Any]] = {
    "features": {"variant": "features", "channels": 8},
    "segmentation": {"variant": "segmentation", "folds": 2},
}


@pytest.mark.parametrize("classes", [2, 4])
def test_the_loss_is_the_cross_entropy_of_the_errors(classes: int) -> None:
    logits = RNG.normal(size=(2, 5, 6, classes)).astype(np.float32)
    head = RNG.normal(0, 3, (2, 5, 6, 1)).astype(np.float32)
    truth = RNG.integers(0, classes, (2, 5, 6)).astype(np.int32)
    step = Step(0.0, 10, 0.25, Noise(np.int32(0), np.int32(0), shared=False))
    loss, _ = MODULE.ErrorLoss()({"logits": logits, "error_map": head}, truth, step, {})
    chance = special.expit(head[..., 0].astype(np.float64))
    expected = -np.log(np.where(logits.argmax(axis=-1) != truth, chance, 1 - chance)).mean()
    assert float(loss) == pytest.approx(expected + 0.25, rel=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_judged_cases_show_the_prediction_and_ask_for_its_errors(
    disc_cases: Callable[..., Cases], classes: int
) -> None:
    cases = disc_cases(6, 0)
    masks = RNG.integers(0, classes, cases.masks.shape).astype(np.uint8)
    found = MODULE.judged(cases, masks, classes)
    images, wrong = np.asarray(found.images), np.asarray(found.masks)
    np.testing.assert_array_equal(images[..., :3], cases.images)
    for label in range(1, classes):
        np.testing.assert_array_equal(images[..., 2 + label], 255 * (masks == label))
    np.testing.assert_array_equal(wrong, masks != cases.masks)
    part = found.take(np.array([4, 1]))
    np.testing.assert_array_equal(part.images, images[[4, 1]])
    np.testing.assert_array_equal(part.masks, wrong[[4, 1]])
    assert part.stems == ["case4", "case1"]


class Recorded:
    """Stands for ``train_backbone``: a backbone's mask is the number of its training.

    What each training saw is kept.
    """

    def __init__(self, data: FittingData, seen: list[FittingData] | None = None) -> None:
        self.data, self.seen = data, [] if seen is None else seen

    def on(self, data: FittingData) -> Recorded:
        return Recorded(data, self.seen)

    def __call__(self, seed: int) -> Any:
        self.seen.append(self.data)
        return Numbered(len(self.seen) - 1)


@dataclasses.dataclass
class Numbered:
    number: int

    def predict(self, images: np.ndarray) -> Any:
        logits = np.zeros((*images.shape[:3], 8), np.float32)
        logits[..., self.number] = 1
        yield slice(0, 3), {"logits": logits[:3]}
        yield slice(3, len(images)), {"logits": logits[3:]}


@pytest.fixture
def grouped(fitting: FittingData) -> FittingData:
    """Eight patients with three images each."""
    table = fitting.train.table.assign(group=[f"patient{n % 8}" for n in range(24)])
    train = dataclasses.replace(fitting.train, table=pd.DataFrame(table))
    return dataclasses.replace(fitting, train=train, classes=tuple("abcdefgh"))


def test_no_training_case_is_judged_by_a_network_that_saw_its_patient(
    grouped: FittingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    monkeypatch.setattr(MODULE, "_JudgedPredictive", lambda *parts: made.extend(parts))
    trainer = Recorded(grouped)
    Estimator(folds=3).fit(grouped, trainer, 0)
    whole, *folds, judge = trainer.seen
    assert whole is grouped
    assert [backbone.number for backbone in made] == [0, 4]
    assert judge.classes == ("correct", "wrong")
    assert judge.train.stems == grouped.train.stems
    # The channel that is lit names the fold's network.
    channels = np.asarray(judge.train.images)[..., 3:].any(axis=(1, 2))
    judges = channels.argmax(axis=1) + 1
    assert set(judges) == {1, 2, 3}
    for group, number in zip(grouped.train.groups, judges, strict=True):
        assert group not in folds[number - 1].train.groups
    for fold in folds:
        assert set(fold.train.stems) < set(grouped.train.stems)
        assert fold.validation is grouped.validation
    # The validation images are predicted by the network that is judged.
    assert not np.asarray(judge.validation.images)[..., 3:].any()
    expected = np.asarray(grouped.validation.masks) != 0
    np.testing.assert_array_equal(np.asarray(judge.validation.masks), expected)


@pytest.mark.parametrize("variant", SETTINGS)
def test_masks_and_probabilities_are_those_of_softmax_to_the_bit(
    fitting: FittingData, trainer: Any, sampler: Any, variant: str
) -> None:
    images = fitting.validation.images
    (plain,) = sampler.predict(estimators.create("softmax", {}).fit(fitting, trainer, 0), images, 0)
    (found,) = sampler.predict(Estimator(**SETTINGS[variant]).fit(fitting, trainer, 0), images, 0)
    np.testing.assert_array_equal(found.mask, plain.mask)
    np.testing.assert_array_equal(found.mean_probabilities, plain.mean_probabilities)


def mislabelled(cases: Cases) -> Cases:
    """Cases with a green square whose true class is a coin's throw."""
    rng = np.random.default_rng(1)
    images, masks = cases.images.copy(), cases.masks.copy()
    for image, mask in zip(images, masks, strict=True):
        top, left = rng.integers(0, 10, 2)
        square = np.s_[top : top + 6, left : left + 6]
        image[square][..., 1] = 255
        mask[square] = rng.integers(0, 2, (6, 6))
    return dataclasses.replace(cases, images=images, masks=masks)


@pytest.mark.parametrize("variant", SETTINGS)
def test_the_map_finds_the_errors_of_new_cases(
    trainer_in: Callable[..., Any],
    disc_cases: Callable[..., Cases],
    tmp_path: Path,
    variant: str,
) -> None:
    train, validation, new = (mislabelled(disc_cases(n, s)) for n, s in ((60, 5), (8, 6), (20, 7)))
    data = FittingData(("background", "disc"), train, validation)
    trainer = trainer_in(tmp_path, data=data)
    trainer.schedule = dataclasses.replace(trainer.schedule, epochs=8)
    predictive = Estimator(**SETTINGS[variant]).fit(data, trainer, 0)
    (found,) = Sampler(2).predict(predictive, new.images, 0)
    wrong = found.mask != new.masks
    errors = found.maps["error_map"]
    assert roc_auc_score(wrong.ravel(), errors.ravel()) > 0.7
    assert predictive.num_parameters >= predictive.backbone.num_parameters
    assert predictive.operations >= trainer(0).inference.operations(1)


def test_more_folds_than_patients_are_refused(grouped: FittingData, trainer: Any) -> None:
    with pytest.raises(DicecastError, match="error_map predicts out of fold in 9 folds"):
        Estimator(folds=9).fit(grouped, trainer, 0)
