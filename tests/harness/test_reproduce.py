"""A record is computed again, and what was changed in it is named."""

import json
import shutil
import sys

import pytest

from dicecast.cli import main as command_line
from dicecast.identity import code_version
from dicecast.leaderboard.files import write_leaderboard
from dicecast.leaderboard.render import as_csv
from dicecast.records import Record, read_record, write_record
from dicecast.reproduction.causes import differences, promised, unexplained
from dicecast.reproduction.comparison import deviations
from dicecast.revisions.compare import compare
from dicecast.revisions.snapshot import read_snapshot
from dicecast.verification.verify import verify_results


@pytest.fixture
def sidecar(finished):
    return finished / "results" / "tiny" / "records" / "softmax" / "seed-0.json"


@pytest.fixture
def reproduce(monkeypatch, capfd, finished):
    def run(path, *arguments: str) -> tuple[int, str]:
        given = ["dicecast", "reproduce", str(path), *arguments]
        monkeypatch.setattr(sys, "argv", given)
        with pytest.raises(SystemExit) as stopped:
            command_line.main()
        out, err = capfd.readouterr()
        return int(stopped.value.code or 0), " ".join((out + err).split())

    return run


def edited(sidecar, amount):
    cases = read_record(sidecar).cases.copy()
    cases.loc[3, "dice"] += amount
    return cases


def test_a_record_is_computed_again_to_the_last_bit_from_nothing(reproduce, sidecar):
    status, out = reproduce(sidecar)
    assert (status, "to the last bit" in out) == (0, True)


def test_an_edited_dice_is_named_with_its_case(reproduce, sidecar, finished, tmp_path):
    record = read_record(sidecar)
    path = write_record(tmp_path, Record(record.sidecar, edited(sidecar, 1e-9), record.further))
    status, out = reproduce(path, "--store", str(finished / "store"))
    assert status == 1
    assert f"cases: dice: 1 of {len(record.cases)} differ; most case {record.cases.stem[3]}:" in out
    assert "changed after it was written" in out


def test_other_packages_are_the_likely_cause_and_leave_a_tolerance(
    reproduce, sidecar, finished, tmp_path
):
    record = read_record(sidecar)
    old = record.sidecar.model_copy(update={"packages": record.sidecar.packages | {"keras": "3.1"}})
    for amount, expected in ((1e-6, 0), (0.1, 1)):
        path = write_record(tmp_path, Record(old, edited(sidecar, amount), record.further))
        status, out = reproduce(path, "--store", str(finished / "store"))
        assert status == expected
        assert "package keras: 3.1 then" in out


def test_what_cannot_be_computed_again_is_status_2(reproduce, sidecar, tmp_path):
    other = {"hashes": read_record(sidecar).sidecar.hashes | {"data": "0" * 64}}
    record = read_record(sidecar)
    new = record.sidecar.model_copy(update=other)
    path = write_record(tmp_path, Record(new, record.cases, record.further))
    status, out = reproduce(path)
    assert (status, "data are not those of the record" in out) == (2, True)
    table = path.with_suffix(".parquet")
    table.write_bytes(table.read_bytes()[:-1])
    assert reproduce(path)[0] == 2
    assert reproduce(sidecar, "--results", str(sidecar.parents[3]))[0] == 2


def test_every_kind_of_difference_is_named(sidecar):
    then = read_record(sidecar)
    parts = json.loads(json.dumps(then.sidecar.parts))
    parts["estimator"]["code"] = "other"
    parts["training"]["epochs"] = 7
    now = then.sidecar.model_copy(
        update={
            "parts": parts,
            "machine": then.sidecar.machine | {"cores": 512, "python": "4.0"},
            "hashes": then.sidecar.hashes | {"split": "other"},
        }
    )
    assert differences(then.sidecar, now) == [
        "source of estimator (Softmax)",
        f"setting training.epochs: {then.sidecar.parts['training']['epochs']} then, 7 now",
        "split: another content hash",
        f"machine cores: {then.sidecar.machine['cores']} then, 512 now",
    ]
    assert promised(then.sidecar, then.sidecar)
    assert not promised(then.sidecar, now)


def with_code(record, code, **hashes):
    held = record.sidecar.hashes | {"code": code} | hashes
    return record.sidecar.model_copy(update={"hashes": held})


def test_the_parts_of_dicecast_that_changed_are_named(sidecar):
    record = read_record(sidecar)
    code = record.sidecar.hashes["code"]
    assert {part: code_version(part) for part in code} == code
    assert {"scores", "metrics", "heads", "harness", "networks", "training"} <= set(code)
    old = with_code(record, code | {"scores": "other", "heads": "other"}, weights=["x"])
    assert differences(old, record.sidecar) == [
        "source of dicecast's heads",
        "source of dicecast's scores",
    ]
    assert not promised(old, record.sidecar)


def test_a_record_from_before_sources_were_named_says_so(sidecar):
    record = read_record(sidecar)
    old = with_code(record, None)
    del old.hashes["code"]
    assert promised(old, record.sidecar)
    assert "sources of dicecast itself" in unexplained(old)
    assert "changed after it was written" in unexplained(record.sidecar)
    weights = old.model_copy(update={"hashes": old.hashes | {"weights": ["x"]}})
    assert "networks or training" in differences(weights, record.sidecar)[0]


def test_records_of_several_versions_of_the_sources_are_one_table(finished, sidecar, tmp_path):
    folders = [tmp_path / "one", tmp_path / "several"]
    for folder in folders:
        shutil.copytree(finished / "results", folder)
    record = read_record(sidecar)
    new = with_code(record, {"scores": "other"})
    write_record(folders[1], Record(new, record.cases, record.further))
    written = [write_leaderboard(folder, "tiny") for folder in folders]
    assert as_csv(written[0].table) == as_csv(written[1].table)
    assert [v.faults for v in verify_results(folders[1])] == [[]]
    assert compare(*map(read_snapshot, folders), tolerance=0.0) == []


def test_tables_that_are_not_alike_are_named(sidecar):
    then = read_record(sidecar)
    fewer = Record(then.sidecar, then.cases.iloc[1:], then.further)
    assert "rows then" in deviations(then, fewer)[0].what
    without = Record(then.sidecar, then.cases.drop(columns="dice"), {})
    assert {d.where for d in deviations(then, without)} == {"cases: dice", *then.further}
    more = Record(then.sidecar, then.cases.assign(new=1.0), then.further)
    assert deviations(then, more) == []
    failed = Record(then.sidecar.model_copy(update={"status": "failed", "error": "why"}), None)
    assert "why" in deviations(then, failed)[0].what
    undefined = then.cases.assign(dice=then.cases["dice"].where(then.cases.index > 0))
    assert "undefined" in deviations(then, Record(then.sidecar, undefined, then.further))[0].what
