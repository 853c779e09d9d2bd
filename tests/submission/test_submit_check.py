"""The checklist names what keeps records from being added."""

from __future__ import annotations

import pytest
from complete_records import RUNS, complete, write_suite
from typer.testing import CliRunner

from dicecast.cli.main import app
from dicecast.identity import file_hash
from dicecast.mount import folder_of
from dicecast.records import Record, write_record
from dicecast.revisions.snapshot import RecordKey, Snapshot
from dicecast.submission import checklist
from dicecast.submission.checklist import checked_records, to_add
from dicecast.submission.disclosure import disclosures
from dicecast.suite import Part, load_suite

SUITE = load_suite("quickstart")
SOFTMAX = {
    "class": "Softmax",
    "code": file_hash(folder_of("baselines.estimators") / "softmax.py"),
}


def submitted(estimator="mine", suite=SUITE, **sidecar):
    """Return a record of the shipped suite with one more estimator."""
    ran = suite.model_copy(update={"estimators": (*suite.estimators, Part(name="mine"))})
    settings = {
        "suite": "quickstart",
        "suite_settings": ran.model_dump(mode="json"),
        "parts": {"estimator": SOFTMAX},
    }
    return complete(estimator, 0, **(settings | sidecar))


def failing(tmp_path, record, plugins=()):
    write_record(tmp_path, record)
    key = RecordKey(record.sidecar.suite, record.sidecar.estimator, 0)
    checks = checked_records(tmp_path, {key: record}, plugins)
    return [fault for check in checks for fault in check.faults]


def test_an_honest_record_is_ready(tmp_path):
    assert failing(tmp_path, submitted()) == []


def test_a_question_or_description_is_free(tmp_path):
    suite = SUITE.model_copy(update={"comparisons": (), "description": "mine"})
    assert failing(tmp_path, submitted(suite=suite)) == []


@pytest.mark.parametrize(
    ("sidecar", "message"),
    [
        ({"protocol_version": 99}, "it is of protocol 99"),
        ({"suite_settings": {}}, "its suite_settings are not a suite"),
        ({"suite": "my-suite"}, "there is no shipped suite 'my-suite'"),
        ({"suite": SUITE.model_copy(update={"image_size": (48, 48)})}, "another image_size"),
        ({"suite": SUITE.model_copy(update={"seeds": (7,)})}, "another seeds"),
        ({"parts": {"estimator": {"class": "Mine", "code": "0" * 64}}}, "mine/seed-0: Mine"),
        ({"parts": {"heads": [SOFTMAX, {"class": "H", "code": ""}]}}, "mine/seed-0: H"),
        ({"suite_settings": {"dataset": {"root": "/home/jane/isic"}}}, "/home/jane/isic"),
        ({"machine": {"system": "C:\\Users\\jane"}}, "machine.system: C:\\Users\\jane"),
    ],
)
def test_what_keeps_a_record_from_being_added_is_named(tmp_path, sidecar, message):
    if not isinstance(sidecar.get("suite", ""), str):
        record = submitted(**sidecar)
    else:
        record = submitted()
        record = Record(record.sidecar.model_copy(update=sidecar), record.cases)
    found = failing(tmp_path, record)
    assert any(message in fault for fault in found), found


def test_a_shipped_estimator_has_the_settings_of_the_suite(tmp_path):
    parts = [p.model_copy(update={"settings": {"draws": 99}}) for p in SUITE.estimators]
    suite = SUITE.model_copy(update={"estimators": tuple(parts)})
    (fault,) = failing(tmp_path, submitted("mc_dropout", suite=suite))
    assert "another estimators.mc_dropout" in fault


def test_a_source_from_elsewhere_may_be_named(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("# an estimator\n")
    record = submitted(parts={"estimator": {"class": "Mine", "code": file_hash(path)}})
    assert failing(tmp_path, record) and not failing(tmp_path, record, [path])


def test_failed_records_alone_add_nothing(tmp_path):
    record = submitted(status="failed", error="out of memory")
    assert "1 records, none ok" in failing(tmp_path, Record(record.sidecar, None))


def test_a_large_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(checklist, "MOST_BYTES", 2000)
    assert any("seed-0.parquet" in fault for fault in failing(tmp_path, submitted()))


@pytest.mark.parametrize(
    "text",
    [
        "/home/jane/data",
        "FileNotFoundError: '/tmp/x/y.png'",
        "root=/scratch/jane",
        "~/data",
        "~jane/data",
        "file:///etc/passwd",
        "\\\\server\\share",
        "D:\\data",
    ],
)
def test_paths_are_disclosures(text):
    assert [found.partition(":")[0] for found in disclosures({"a": [{"b": text}]})] == ["a.b"]


@pytest.mark.parametrize(
    "text",
    ["energy/mean", "two_stage/image+mask", "needs at least 2 draws", "1/2", "~0.5", "a: b", ""],
)
def test_names_of_scores_and_reasons_are_none(text):
    assert list(disclosures({text: text})) == []


def test_the_name_of_an_account_is_a_disclosure(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "jane")
    assert list(disclosures({"error": "by jane."})) == ["error: the name of your account, jane"]
    assert list(disclosures({"error": "janet"})) == []


def test_only_what_the_base_lacks_is_added():
    one, other = complete(), complete("mc_dropout")
    keys = [RecordKey("tiny", r.sidecar.estimator, 0) for r in (one, other)]
    new = Snapshot(rows=None, records=dict(zip(keys, (one, other), strict=True)))
    assert set(to_add(new, Snapshot(rows=None, records={keys[0]: one}))) == {keys[1]}
    assert set(to_add(new, None)) == set(keys)


def test_the_command_prints_a_checklist(tmp_path):
    write_suite(tmp_path, [complete(*run) for run in RUNS])
    found = CliRunner().invoke(app, ["submit-check", str(tmp_path)])
    assert found.exit_code == 1
    assert "[ok]   Every record is what was written" in found.stdout
    assert "[FAIL] The suite is a shipped one" in found.stdout
    assert "there is no shipped suite 'tiny'" in found.stdout
    assert "-> Run it again without --set" in found.stdout
    (tmp_path / "tiny" / "notes").touch()
    found = CliRunner().invoke(app, ["submit-check", str(tmp_path)])
    assert "[FAIL] Every record is what was written" in found.stdout
    assert "The suite is a shipped one" not in found.stdout
