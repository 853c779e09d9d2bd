from pathlib import Path

import numpy as np
import pytest

from dicecast.errors import PluginError
from dicecast.harness.run import SuiteRun
from dicecast.metrics.evaluate import evaluate
from dicecast.plugins import add_plugin_file
from dicecast.records import CASE_COLUMNS, read_record, read_records, record_path
from dicecast.store import Store
from dicecast.suite import Part

PLUGINS = Path(__file__).parent.parent / "plugins"


def tables(folder: Path, results: str = "results") -> dict[str, bytes]:
    root = folder / results
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*.parquet"))}


def test_every_estimator_leaves_a_whole_record(finished, tiny):
    records = {r.sidecar.estimator: r for r in read_records(finished / "results", "tiny")}
    assert set(records) == {part.title for part in tiny.estimators}
    for record in records.values():
        assert record.sidecar.status == "ok"
        assert record.cases is not None
        assert set(CASE_COLUMNS) <= set(record.cases.columns)
        assert len(record.cases) == 40 + 16
        defined = {n for n, info in record.sidecar.scores.items() if info.undefined is None}
        assert defined <= set(record.cases.columns)
        assert {"constant", "volume", "isotonic", "forest", "two_stage/image+mask"} <= defined


def test_single_draws_say_which_scores_are_undefined(finished):
    path = record_path(finished / "results", "tiny", "softmax", 0)
    scores = read_record(path).sidecar.scores
    for name in ("mutual_information", "variance", "expected_pairwise_kl", "pairwise_dice"):
        assert scores[name].undefined == "needs at least 2 draws"
    assert scores["predictive_entropy/mean"].undefined is None


def test_two_stores_give_byte_identical_tables(finished, tiny, run_suite, tmp_path):
    run_suite(tiny, tmp_path)
    assert tables(tmp_path) == tables(finished)


def test_a_second_run_computes_nothing_and_writes_the_same(finished, tiny, run_suite):
    _, recording = run_suite(tiny, finished, "again")
    assert not {"train", "predict"} & set(recording.stages)
    assert tables(finished, "again") == tables(finished)


def test_a_new_estimator_trains_itself_alone(finished, tiny, run_suite):
    added = Part(name="mc_dropout", label="mc_dropout_05", settings={"rate": 0.5, "draws": 2})
    suite = tiny.model_copy(update={"estimators": (*tiny.estimators, added)})
    _, recording = run_suite(suite, finished, "more")
    assert recording.stages.count("train") == 1
    assert recording.stages.count("predict") == 1


def test_another_seed_gives_other_weights(finished, tiny, run_suite, tmp_path):
    suite = tiny.model_copy(update={"seeds": (1,)}).with_estimators(["softmax"])
    run_suite(suite, tmp_path)
    one = read_record(record_path(tmp_path / "results", "tiny", "softmax", 1)).cases
    zero = read_record(record_path(finished / "results", "tiny", "softmax", 0)).cases
    assert not np.array_equal(one["dice"], zero["dice"])


def test_controls_stand_where_they_must(finished):
    cases = read_record(record_path(finished / "results", "tiny", "random", 0)).cases
    threshold = cases["dice"].median()
    constant = evaluate(cases["constant"], cases["dice"], threshold, predicts_quality=True)
    assert np.isnan(constant.values["spearman"])
    assert constant.reasons["spearman"] == "the score is constant"
    assert constant.values["failure_auroc"] == 0.5
    random = evaluate(cases["random/mean"], cases["dice"], threshold, predicts_quality=False)
    # Three standard errors of Spearman's correlation between unrelated columns.
    assert abs(random.values["spearman"]) < 3 / np.sqrt(len(cases) - 1)


def test_test_truth_reaches_nothing_but_the_dice(finished, tiny, tmp_path):
    """A canary: other test masks must leave every score and every head as they were."""
    suite = tiny.with_estimators(["mc_dropout"])
    run = SuiteRun(suite, Store(finished / "store"), tmp_path / "results")
    for cases in run.data.test.values():
        cases.masks[:] = np.roll(cases.masks, 7, axis=2)
    run.run()
    changed = read_record(record_path(tmp_path / "results", "tiny", "mc_dropout", 0))
    before = read_record(record_path(finished / "results", "tiny", "mc_dropout", 0))
    assert not np.array_equal(changed.cases["dice"], before.cases["dice"])
    for name, info in before.sidecar.scores.items():
        if info.undefined is None:
            np.testing.assert_array_equal(changed.cases[name], before.cases[name], err_msg=name)


BROKEN = """
from dataclasses import dataclass
from dicecast import register_estimator
from dicecast.estimation.contract import BackbonePredictive
from keras import ops
import numpy as np

class Wrong(BackbonePredictive):
    def draw(self, state, prepared, noise):
        {draw}

@register_estimator("{name}")
@dataclass(frozen=True)
class Broken:
    def fit(self, data, train_backbone, seed):
        {fit}
        return Wrong([train_backbone(seed)])
"""


@pytest.mark.parametrize(
    ("name", "fit", "draw", "said"),
    [
        ("raises", "raise RuntimeError('no luck')", "pass", "RuntimeError: no luck"),
        ("nan", "pass", "return super().draw(state, prepared, noise) * np.nan", "NaN"),
        ("shape", "pass", "return super().draw(state, prepared, noise)[..., :1]", "shape"),
        ("logits", "pass", "return self.outputs(state, prepared, noise)['logits']", "softmax"),
        ("change", "train_backbone(seed, widht=3)", "pass", "Did you mean 'width'?"),
    ],
)
def test_a_broken_estimator_fails_alone(name, fit, draw, said, finished, tiny, run_suite, tmp_path):
    path = tmp_path / f"broken_{name}.py"
    path.write_text(BROKEN.format(name=f"broken_{name}", fit=fit, draw=draw))
    add_plugin_file(path)
    suite = tiny.with_estimators([f"broken_{name}", "softmax"])
    failures, _ = run_suite(suite, finished, f"broken_{name}")
    [(estimator, _, head, message)] = failures
    assert (estimator, head) == (f"broken_{name}", "")
    assert said in message
    statuses = {
        r.sidecar.estimator: r.sidecar.status
        for r in read_records(finished / f"broken_{name}", "tiny")
    }
    assert statuses == {f"broken_{name}": "failed", "softmax": "ok"}


def test_an_estimator_that_raises_while_it_is_set_up_fails_alone(
    finished, tiny, run_suite, tmp_path
):
    path = tmp_path / "not_set_up.py"
    code = BROKEN.format(name="not_set_up", fit="pass", draw="pass")
    path.write_text(code + "    def __post_init__(self):\n        raise ValueError('no luck')\n")
    add_plugin_file(path)
    suite = tiny.with_estimators(["not_set_up", "softmax"])
    [failure], _ = run_suite(suite, finished, "not_set_up")
    assert failure.estimator == "not_set_up"
    assert "ValueError: no luck" in failure.message


BROKEN_HEAD = """
from dataclasses import dataclass
from dicecast import register_head
import numpy as np

@register_head("{name}")
@dataclass(frozen=True)
class Broken:
    score_name = "{name}"
    def fit(self, examples, seed):
        {fit}
        return self
    def predict(self, evidence):
        return {predict}
"""


@pytest.mark.parametrize(
    ("name", "fit", "predict", "said"),
    [
        ("head_raises", "1 / 0", "None", "ZeroDivisionError"),
        ("head_nan", "pass", "np.full(len(evidence), np.nan)", "finite"),
        ("head_shape", "pass", "np.zeros(3)", "one finite number a case"),
    ],
)
def test_a_broken_head_fails_alone(name, fit, predict, said, finished, tiny, run_suite, tmp_path):
    path = tmp_path / f"{name}.py"
    path.write_text(BROKEN_HEAD.format(name=name, fit=fit, predict=predict))
    add_plugin_file(path)
    suite = tiny.with_estimators(["softmax"])
    suite = suite.model_copy(update={"heads": (Part(name=name), Part(name="constant"))})
    failures, _ = run_suite(suite, finished, name)
    [(_, _, head, message)] = failures
    assert head == name
    assert said in message
    scores = read_record(record_path(finished / name, "tiny", "softmax", 0)).sidecar.scores
    assert scores[name].failed
    assert scores["constant"].undefined is None


def test_a_plugin_in_one_short_file_joins_the_suite(finished, tiny, run_suite):
    path = PLUGINS / "tempered.py"
    assert len(path.read_text().splitlines()) <= 40
    assert add_plugin_file(path) == {"estimators": ["tempered"]}
    suite = tiny.with_estimators(["tempered"])
    failures, _ = run_suite(suite, finished, "plugin")
    assert failures == []
    record = read_record(record_path(finished / "plugin", "tiny", "tempered", 0))
    assert "predictive_entropy/mean" in record.cases


def test_images_that_do_not_fit_the_backbone_fail_before_training(tiny, tmp_path):
    suite = tiny.model_copy(update={"image_size": (30, 32)})
    with pytest.raises(Exception, match="multiples of 4"):
        SuiteRun(suite, Store(tmp_path / "store"), tmp_path / "results")


def test_a_file_that_registers_nothing_is_refused(tmp_path):
    path = tmp_path / "empty.py"
    path.write_text("x = 1\n")
    with pytest.raises(PluginError, match="registers nothing"):
        add_plugin_file(path)
