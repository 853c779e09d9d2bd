"""Intervals that a head predicts travel to the record; a head made of another is known by both."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicecast.harness.stored_records import StoredRecords
from dicecast.identity import file_hash
from dicecast.plugins import add_plugin_file, heads
from dicecast.records import read_record, record_path
from dicecast.store import Store
from dicecast.suite import Part, load_suite

CONFORMAL = {"head": "forest", "settings": {"num_trees": 5}, "level": 0.8}
SCORE = "conformal/split/forest"


@pytest.fixture(scope="module")
def interval_suite(tiny):
    parts = (Part(name="conformal", settings=CONFORMAL), Part(name="constant"))
    return tiny.with_estimators(["softmax"]).model_copy(update={"heads": parts})


def test_ends_follow_the_prediction_in_the_record(finished, interval_suite, run_suite):
    failures, _ = run_suite(interval_suite, finished, "intervals")
    assert failures == []
    record = read_record(record_path(finished / "intervals", "tiny", "softmax", 0))
    columns = record.cases.columns.tolist()
    place = columns.index(SCORE)
    assert columns[place : place + 4] == [SCORE, f"{SCORE}/low", f"{SCORE}/high", "constant"]
    low, middle, high = (record.cases[name] for name in (f"{SCORE}/low", SCORE, f"{SCORE}/high"))
    assert (low <= middle).all() and (middle <= high).all() and (low < high).any()
    assert record.sidecar.scores[SCORE].interval_level == 0.8
    assert record.sidecar.scores["constant"].interval_level is None


HEAD = """
from dataclasses import dataclass
from dicecast import register_head
import numpy as np

@register_head("{name}")
@dataclass(frozen=True)
class Wide:
    score_name = "{name}"
    level = 0.5
    def fit(self, examples, seed):
        return self
    def predict(self, evidence):
        return np.full(len(evidence), 0.5)
    def predict_interval(self, evidence):
        return {ends}
"""


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("interval_shape", "np.zeros((2, len(evidence)))"),
        ("interval_nan", "np.full((len(evidence), 2), np.nan)"),
        ("interval_crossed", "np.tile([1.0, 0.0], (len(evidence), 1))"),
    ],
)
def test_wrong_intervals_fail_the_head(name, ends, finished, interval_suite, run_suite, tmp_path):
    path = tmp_path / f"{name}.py"
    path.write_text(HEAD.format(name=name, ends=ends))
    add_plugin_file(path)
    suite = interval_suite.model_copy(update={"heads": (Part(name=name),)})
    [failure], _ = run_suite(suite, finished, name)
    assert "predict_interval must return a lower and an upper end" in failure.message


def test_a_suite_file_gives_the_inner_head_settings(tmp_path, interval_suite):
    path = tmp_path / "some.toml"
    path.write_text(
        'name = "some"\n[dataset]\nname = "lesions"\n[[estimators]]\nname = "softmax"\n[[heads]]\n'
        'name = "conformal"\nhead = "forest"\nsettings = {num_trees = 5}\nlevel = 0.8\n'
    )
    [part] = load_suite(str(path)).heads
    assert part == interval_suite.heads[0]
    assert Part.model_validate(part.model_dump()) == part


def test_a_stored_record_is_known_by_the_sources_of_both_heads(finished, interval_suite):
    records = StoredRecords(interval_suite, Store(finished / "store"), None)
    source = records._source("heads", interval_suite.heads[0])
    files = [Path(heads.declared()[name].origin) for name in ("conformal", "forest")]
    assert source["code"] == [file_hash(file) for file in files]
