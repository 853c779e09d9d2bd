"""Stages one at a time, in an order of their own, give what the whole run gives."""

import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dicecast.cluster.stage_graph import StageGraph
from dicecast.harness.matrix import Matrix
from dicecast.harness.outcome import RunKey
from dicecast.harness.reporting import Reporter
from dicecast.harness.run import SuiteRun
from dicecast.harness.stages import (
    Done,
    Failed,
    HeadStage,
    Needs,
    PredictStage,
    RecordStage,
    TrainStage,
)
from dicecast.harness.stepwise import StepwiseRun
from dicecast.harness.stored_records import StoredRecords
from dicecast.harness.work import Work
from dicecast.plugins import add_plugin_file
from dicecast.store import Store
from dicecast.suite import Part, QualityFit

BROKEN = """
from dataclasses import dataclass
from dicecast import register_estimator, register_head

@register_estimator("raises_after_training")
@dataclass(frozen=True)
class Raises:
    def fit(self, data, train_backbone, seed):
        backbones = [train_backbone(seed), train_backbone(seed + 1)]
        backbones[0].weights[0]
        raise RuntimeError("no luck")

@register_head("raising_head")
@dataclass(frozen=True)
class RaisingHead:
    score_name = "raising_head"
    def fit(self, examples, seed):
        raise RuntimeError("no luck either")
"""


def tables(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.parquet")}


def in_random_order(work: Work, computed: list):
    """Return what computes runs by two processes' worth of stages, taken at random."""

    def finished(keys):
        runs = [StepwiseRun(work, Reporter()) for _ in range(2)]
        records = StoredRecords(work.suite, Store(work.store), work.data_root)
        generator = random.Random(0)
        folds = work.suite.quality_fit.folds_used
        graph = StageGraph(keys, len(work.suite.heads), folds)
        ready = graph.first()
        while ready:
            stage = ready.pop(generator.randrange(len(ready)))
            outcome = generator.choice(runs).compute(stage)
            computed.append((stage, outcome))
            ready += graph.after(stage, outcome)
            if isinstance(stage, RecordStage):
                yield records.handed_over(outcome.value)

    return finished


def test_stages_in_any_order_give_the_tables_of_a_whole_run(finished, tiny, tmp_path):
    titles = ["random", "softmax", "deep_ensemble"]
    work = Work(tiny.with_estimators(titles), tmp_path / "store", tmp_path / "results")
    computed = []
    assert Matrix(work).run(in_random_order(work, computed)) == []
    whole = tables(finished / "results")
    assert tables(work.results) == {
        name: table for name, table in whole.items() if Path(name).parts[2] in titles
    }
    trained = [stage.backbone for stage, _ in computed if isinstance(stage, TrainStage)]
    assert len(trained) == len(set(trained)) == 2
    both = next(
        outcome
        for stage, outcome in computed
        if stage == PredictStage(RunKey("deep_ensemble", 0)) and isinstance(outcome, Needs)
    )
    assert len(both.backbones) in (1, 2)


def test_folds_are_stages_too(tiny, run_suite, tmp_path):
    parts = tuple(Part(name=name) for name in ("isotonic", "reverse_classification_accuracy"))
    changes = {
        "training": tiny.training.model_copy(update={"epochs": 1}),
        "quality_fit": QualityFit(protocol="out_of_fold", folds=2),
        "heads": parts,
    }
    suite = tiny.with_estimators(["deep_ensemble"]).model_copy(update=changes)
    work = Work(suite, tmp_path / "store", tmp_path / "results")
    computed = []
    assert Matrix(work).run(in_random_order(work, computed)) == []
    done = [stage for stage, outcome in computed if isinstance(outcome, Done)]
    assert sorted(stage.fold for stage in done if isinstance(stage, PredictStage)) == [0, 1, 2]
    assert sorted(stage.fold for stage in done if isinstance(stage, TrainStage)) == [
        *(0, 0, 1, 1, 2, 2)
    ]
    assert run_suite(suite, tmp_path / "whole")[0] == []
    assert tables(tmp_path / "whole" / "results") == tables(work.results) != {}


def test_a_head_that_reads_features_waits_for_backbones_that_are_gone(finished, tiny, tmp_path):
    suite = tiny.with_estimators(["softmax"])
    suite = suite.model_copy(update={"heads": (Part(name="mahalanobis"),)})
    shutil.copytree(finished / "store" / "prediction", tmp_path / "store" / "prediction")
    work = Work(suite, tmp_path / "store", tmp_path / "results")
    needs = StepwiseRun(work, Reporter()).compute(HeadStage(RunKey("softmax", 0), 0))
    assert isinstance(needs, Needs)
    assert len(needs.backbones) == 1


def test_failures_are_those_of_a_whole_run(finished, tiny, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text(BROKEN)
    add_plugin_file(path)
    suite = tiny.with_estimators(["raises_after_training", "softmax"])
    suite = suite.model_copy(update={"heads": (Part(name="raising_head"), tiny.heads[0])})
    work = Work(suite, finished / "store", tmp_path / "stepwise", plugins=(path,))
    whole = replace(work, results=tmp_path / "whole")
    failures = Matrix(work).run(in_random_order(work, []))
    assert [str(failure) for failure in failures] == [
        "raises_after_training seed 0: RuntimeError: no luck",
        "softmax seed 0, head raising_head: RuntimeError: no luck either",
    ]
    run = SuiteRun(suite, Store(work.store), whole.results)
    assert Matrix(whole).run(run.finished) == failures
    assert tables(whole.results) == tables(work.results)


@pytest.fixture
def run(finished, tiny, tmp_path) -> StepwiseRun:
    work = Work(tiny.with_estimators(["deep_ensemble"]), tmp_path / "store", tmp_path / "results")
    return StepwiseRun(work, Reporter())


def test_all_members_are_asked_for_at_once(run):
    key = RunKey("deep_ensemble", 0)
    needs = run.compute(PredictStage(key))
    assert isinstance(needs, Needs)
    assert len(needs.backbones) == 2
    assert run.compute(TrainStage(key, needs.backbones[1])) == Done()
    assert run.compute(PredictStage(key)) == Needs(needs.backbones[:1])


def test_a_backbone_that_nobody_asks_for_is_a_failure(run):
    outcome = run.compute(TrainStage(RunKey("deep_ensemble", 0), "0" * 64))
    assert isinstance(outcome, Failed)
    assert "workers of one kind" in outcome.message


def test_a_training_that_starts_from_another_waits_for_it(tiny, tmp_path):
    changes = {
        "training": tiny.training.model_copy(update={"epochs": 1}),
        "estimators": (Part(name="true_class_probability"),),
    }
    suite, key = tiny.model_copy(update=changes), RunKey("true_class_probability", 0)
    run = StepwiseRun(Work(suite, tmp_path / "store", tmp_path / "results"), Reporter())
    asked = []
    for _ in range(2):
        needs = run.compute(PredictStage(key))
        assert isinstance(needs, Needs)
        asked += needs.backbones
        assert run.compute(TrainStage(key, needs.backbones[0])) == Done()
    assert len(set(asked)) == len(asked) == 2
    assert run.compute(PredictStage(key)) == Done()
