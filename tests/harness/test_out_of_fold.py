"""Heads fitted on out-of-fold predictions of the training role."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dicecast.data.cases import Cases
from dicecast.errors import DatasetError, DicecastError
from dicecast.harness.cuts import Cut
from dicecast.harness.outcome import RunKey
from dicecast.harness.run import SuiteRun
from dicecast.metrics.quality import dice
from dicecast.plugins import add_plugin_file, datasets, heads
from dicecast.store import Store
from dicecast.suite import Part, QualityFit, Suite

PLUGINS = Path(__file__).parent.parent / "plugins"
KEY = RunKey("softmax", 0)
HEADS = ("constant", "isotonic", "mahalanobis", "reverse_classification_accuracy")


def in_pairs(cases: Cases) -> Cases:
    """Two cases a patient, apart from each other."""
    half = len(cases) // 2
    groups = [f"patient{number % half}" for number in range(len(cases))]
    return replace(cases, table=cases.table.assign(group=groups))


def suite_of(tiny: Suite, estimator: str, *names: str, folds: int = 2) -> Suite:
    """One estimator, hardly trained, and heads fitted out of fold."""
    changes = {
        "training": tiny.training.model_copy(update={"epochs": 1}),
        "quality_fit": QualityFit(protocol="out_of_fold", folds=folds),
        "heads": tuple(Part(name=name) for name in names),
    }
    return tiny.with_estimators([estimator]).model_copy(update=changes)


@pytest.fixture
def change_data(monkeypatch):
    """Have the embedded dataset changed on its way out."""

    def change(function):
        dataset = type(datasets.create("lesions", {}))
        load = dataset.load
        monkeypatch.setattr(dataset, "load", lambda self, *args: function(load(self, *args)))

    return change


@pytest.fixture
def spies():
    add_plugin_file(PLUGINS / "spies.py")
    module = sys.modules[type(heads.create("spy_head", {})).__module__]
    module.FITTED.clear()
    module.EXAMPLES.clear()
    return module


def test_folds_are_of_patients_and_hold_each_training_case_once(disc_data, trainer):
    data = replace(disc_data, train=in_pairs(disc_data.train))
    cuts = list(Cut(data, replace(trainer, data=data.for_fitting())).without_folds(5))
    rows = np.concatenate([cut.rows for cut in cuts])
    np.testing.assert_array_equal(np.sort(rows), np.arange(24))
    assert max(len(cut.rows) for cut in cuts) <= 6
    for cut in cuts:
        assert cut.data.quality.stems == [data.train.stems[row] for row in cut.rows]
        assert not set(cut.data.quality.groups) & set(cut.data.train.groups)
        assert set(cut.data.quality.stems) | set(cut.data.train.stems) == set(data.train.stems)
        assert cut.data.validation is data.validation
        assert cut.data.test == {}
        assert cut.trainer.data.train is cut.data.train
    assert len({cut.data.content_hash for cut in cuts}) == 5


def test_more_folds_than_patients_are_refused(disc_data, trainer):
    with pytest.raises(DicecastError, match="quality_fit predicts out of fold in 25 folds"):
        list(Cut(disc_data, trainer).without_folds(25))


def test_each_training_case_is_predicted_by_an_estimator_that_never_saw_its_patient(
    spies, tiny, tmp_path, change_data
):
    change_data(lambda data: replace(data, train=in_pairs(data.train)))
    suite = suite_of(tiny, "spy", "spy_head", folds=3)
    run = SuiteRun(suite, Store(tmp_path / "store"), tmp_path / "results", debug=True)
    assert run.run() == []

    all_of_it, *folds = spies.FITTED
    assert all_of_it.train.stems == run.data.train.stems
    [examples] = spies.EXAMPLES
    assert examples.reference.stems == run.data.train.stems
    assert examples.groups == run.data.train.groups
    np.testing.assert_array_equal(examples.evidence.images, run.data.train.images)
    expected = dice(np.asarray(examples.evidence.masks), run.data.train.masks, 2)[:, 0]
    np.testing.assert_allclose(examples.quality, expected)
    seen = []
    for part, fitted in zip(examples.parts, folds, strict=True):
        assert part.reference.stems == fitted.train.stems
        assert not set(part.groups) & set(fitted.train.groups)
        assert len(part.reference_features) == len(fitted.train)
        rows = [row for row, group in enumerate(examples.groups) if group in set(part.groups)]
        whole = examples.evidence.take(np.array(rows))
        np.testing.assert_array_equal(part.evidence.masks, whole.masks)
        np.testing.assert_array_equal(part.evidence.uncertainty, whole.uncertainty)
        assert part.evidence.scores.equals(whole.scores)
        assert part.evidence.mask_shape.equals(whole.mask_shape)
        predictive = run.estimator(RunKey("spy", 0)).fit(
            fitted, replace(run.trainer, data=fitted), 0
        )
        predictions = run.sampler.predict(predictive, part.evidence.images, 0)
        alone = np.concatenate([prediction.mask for prediction in predictions])
        np.testing.assert_array_equal(part.evidence.masks, alone)
        seen += rows
    assert sorted(seen) == list(range(64))


def tables(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.parquet")}


def test_two_stores_give_equal_tables_and_a_second_run_computes_nothing(
    tiny, run_suite, tmp_path, request
):
    suite = suite_of(tiny, "softmax", *HEADS)
    for folder in ("one", "two"):
        if folder == "two":  # the other store is filled by data that do not fit into memory
            request.getfixturevalue("in_files")
        failures, recording = run_suite(suite, tmp_path / folder)
        assert failures == []
        assert recording.stages.count("train") == recording.stages.count("predict") == 3
    assert tables(tmp_path / "one" / "results") == tables(tmp_path / "two" / "results") != {}
    _, recording = run_suite(suite, tmp_path / "one", "again")
    assert not {"train", "predict"} & set(recording.stages)
    # Only a fold that is lost is computed again.
    fold = SuiteRun(suite, Store(tmp_path / "one" / "store"), tmp_path).cuts[1]
    lost = [
        path
        for path in (tmp_path / "one" / "store" / "prediction").glob("*/info.json")
        if fold.data.content_hash in path.read_text()
    ]
    lost[0].unlink()
    failures, recording = run_suite(suite, tmp_path / "one", "again")
    assert failures == []
    assert (recording.stages.count("train"), recording.stages.count("predict")) == (0, 1)
    assert tables(tmp_path / "one" / "again") == tables(tmp_path / "one" / "results")


def test_the_protocol_changes_heads_and_nothing_else(finished, tiny, run_suite, tmp_path):
    suite = suite_of(tiny, "softmax", "constant", "isotonic")
    suite = suite.model_copy(update={"training": tiny.training})
    held_out = suite.model_copy(update={"quality_fit": QualityFit()})
    records = {}
    for name, chosen in (("held_out", held_out), ("out_of_fold", suite)):
        run = SuiteRun(chosen, Store(finished / "store"), tmp_path / "results", debug=True)
        [finished_run] = run.finished([KEY])
        records[name] = finished_run.record
    before, after = records["held_out"].cases, records["out_of_fold"].cases
    same = [column for column in before.columns if column not in ("constant", "isotonic")]
    assert before[same].equals(after[same])
    assert before["constant"].iloc[0] != after["constant"].iloc[0]
    examples = run.predicted(KEY).examples
    assert after["constant"].iloc[0] == pytest.approx(examples.quality.mean())
    assert len(examples.evidence) == len(run.data.train)
    assert records["out_of_fold"].sidecar.hashes == records["held_out"].sidecar.hashes
    assert records["out_of_fold"].sidecar.seconds["folds"] > 0
    assert "folds" not in records["held_out"].sidecar.seconds


def test_without_heads_no_fold_is_made(tiny, tmp_path):
    run = SuiteRun(suite_of(tiny, "softmax"), Store(tmp_path / "store"), tmp_path / "results")
    assert len(run.cuts) == 1


def test_features_are_computed_when_a_head_reads_them(finished, tiny, tmp_path):
    store = Store(tmp_path / "store")
    run = SuiteRun(tiny.with_estimators(["softmax"]), store, tmp_path / "results")
    predicted = run.predicted(KEY)
    assert not (store.root / "features").exists()
    known = predicted.examples
    assert np.asarray(known.reference_features).shape == (64, 16)
    assert (store.root / "features").exists()
    backbone = run.fit(KEY).feature_backbone
    for role, cases, features in (
        ("train", run.data.train, known.reference_features),
        ("quality", run.data.quality, known.evidence.features),
        ("test", run.data.test["blur_2"], predicted.tests[1].evidence.features),
    ):
        expected = run.reader.read(backbone, cases.images)
        np.testing.assert_array_equal(features, expected, err_msg=role)
        np.testing.assert_array_equal(features[3:5], expected[3:5])


def test_an_estimator_without_one_network_has_no_features(finished, tiny, tmp_path):
    suite = suite_of(tiny, "random", "mahalanobis").model_copy(update={"quality_fit": QualityFit()})
    run = SuiteRun(suite, Store(finished / "store"), tmp_path / "results")
    run.fit = lambda *which: replace_feature_backbone(SuiteRun.fit(run, *which))
    [record] = run.finished([RunKey("random", 1)])
    info = record.record.sidecar.scores["mahalanobis"]
    assert "no single network" in info.undefined
    assert not info.failed


def replace_feature_backbone(predictive):
    predictive.feature_backbone = None
    return predictive


def test_a_dataset_that_leaks_is_refused_before_anything_is_trained(tiny, tmp_path, change_data):
    def leaking(data):
        data.test["in_distribution"].images[5] = data.quality.images[7]
        return data

    change_data(leaking)
    said = r"lesion_test_00005 .*lesion_quality_00007 .*same pixels"
    with pytest.raises(DatasetError, match=said):
        SuiteRun(tiny, Store(tmp_path / "store"), tmp_path / "results")
