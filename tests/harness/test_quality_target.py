"""The suite's quality target: which it is, and that heads and records are of it."""

from __future__ import annotations

import numpy as np
import pytest

from dicecast.errors import DicecastError, SuiteError
from dicecast.harness.head_stage import ChosenHead
from dicecast.harness.run import SuiteRun
from dicecast.harness.target import quality_target
from dicecast.metrics.surface import normalised_surface_dice
from dicecast.metrics.targets import QualityTarget
from dicecast.records import read_record, record_path, true_quality
from dicecast.store import Store
from dicecast.suite import Part, Quality

CLASSES = ("background", "disc", "cup")


def test_a_class_is_found_by_its_name():
    settings = Quality(target="jaccard", class_name="cup", tolerance=1.0)
    assert quality_target(settings, CLASSES) == QualityTarget("jaccard", 2, 1.0)
    assert quality_target(Quality(), CLASSES).is_mean_dice


def test_one_structure_is_the_mean_of_one():
    assert quality_target(Quality(class_name="lesion"), ("background", "lesion")).is_mean_dice


@pytest.mark.parametrize("name", ["cupp", "background"])
def test_an_unknown_class_is_refused(name):
    with pytest.raises(SuiteError, match="must be one of disc, cup"):
        quality_target(Quality(class_name=name), CLASSES)


HEADS = ("constant", "isotonic")


@pytest.fixture(scope="module")
def surface_suite(tiny):
    quality = Quality(target="normalised_surface_dice", tolerance=1.0)
    parts = tuple(Part(name=name) for name in HEADS)
    suite = tiny.with_estimators(["mc_dropout"])
    return suite.model_copy(update={"quality": quality, "heads": parts})


def test_heads_and_record_are_of_the_target_and_nothing_is_predicted_anew(
    finished, surface_suite, run_suite
):
    _, recording = run_suite(surface_suite, finished, "surface")
    assert "predict" not in recording.stages
    record = read_record(record_path(finished / "surface", "tiny", "mc_dropout", 0))
    before = read_record(record_path(finished / "results", "tiny", "mc_dropout", 0))
    assert "quality" not in before.cases.columns
    np.testing.assert_array_equal(record.cases["dice"], before.cases["dice"])
    quality = true_quality(record.cases)
    np.testing.assert_array_equal(true_quality(before.cases), before.cases["dice"])
    assert not np.allclose(quality, record.cases["dice"])
    assert not record.sidecar.scores["pairwise_dice"].predicts_quality
    assert before.sidecar.scores["pairwise_dice"].predicts_quality

    run = SuiteRun(surface_suite, Store(finished / "store"), finished / "surface")
    [key] = run.run_keys()
    predicted = run.predicted(key)
    roles = zip(predicted.tests, run.data.test.values(), strict=True)
    measured = np.concatenate([_plain(role, truth) for role, truth in roles])
    np.testing.assert_array_equal(measured, quality)
    mean = _plain(predicted.quality, run.data.quality).mean()
    np.testing.assert_allclose(record.cases["constant"], mean)


def _plain(role, truth):
    masks = np.asarray(role.evidence.masks)
    return normalised_surface_dice(masks, np.asarray(truth.masks), 2, 1.0).mean(axis=1)


@pytest.mark.parametrize("label", ["quality", "dice"])
def test_no_head_takes_the_place_of_the_truth(label):
    with pytest.raises(DicecastError, match=f"label '{label}' of the head 'constant'"):
        ChosenHead.of(Part(name="constant", label=label))
