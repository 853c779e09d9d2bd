"""What was written is sound; whatever is changed is named."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from complete_records import complete, write_suite
from leaderboard_records import make_cases, make_failed

from dicecast.errors import DicecastError
from dicecast.leaderboard.files import check_leaderboard
from dicecast.record_seal import sealed
from dicecast.records import Record, ScoreInfo, record_path, table_bytes, write_record
from dicecast.verification.verify import verify_results

FLIPS = 50


@pytest.fixture
def results(written, tmp_path):
    return shutil.copytree(written, tmp_path / "results")


def faults(results, generated=False):
    return [one.text for v in verify_results(results, generated) for one in v.faults]


def path_of(results, estimator="softmax", seed=0):
    return record_path(results, "tiny", estimator, seed)


def reseal(path, change):
    """Change a sidecar as somebody would who knows the format."""
    values = json.loads(path.read_bytes())
    del values["sha256"]
    change(values)
    path.write_bytes(sealed(json.dumps(values, indent=1)))


def test_what_was_written_has_no_fault(written):
    found = list(verify_results(written))
    assert [one.findings for one in found] == [[]]
    assert [one.records for one in found] == [4]
    assert [one.findings for one in verify_results(written / "tiny")] == [[]]


def test_failed_records_are_sound(results):
    write_record(results, make_failed())
    write_suite(results, [complete()])
    assert faults(results, generated=True) == []


def flipped(results, number):
    """Change one byte, chosen at random, of a record's file, also chosen at random."""
    random = np.random.default_rng(number)
    files = sorted(path for path in (results / "tiny/records").rglob("*") if path.is_file())
    # Each kind of file alike: a table is much larger than a sidecar.
    path = files[random.integers(len(files))]
    content = bytearray(path.read_bytes())
    place = random.integers(len(content))
    content[place] ^= random.integers(1, 256)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("number", range(FLIPS))
def test_a_flipped_byte_is_found_and_never_used(results, number):
    path = flipped(results, number)
    found = faults(results)
    assert found, path
    assert any(path.name.partition(".")[0] in text for text in found)
    with pytest.raises(DicecastError, match=path.parent.name):
        check_leaderboard(results, "tiny")


@pytest.mark.parametrize("name", ["leaderboard.csv", "leaderboard.md", "pixels.csv", "pixels.md"])
def test_an_edited_or_missing_table_is_named(results, name):
    path = results / "tiny" / name
    text = path.read_text()
    path.write_text(text[:-3] + ("1" if text[-3] == "0" else "0") + text[-2:])
    (text,) = faults(results, generated=True)
    assert str(path) in text and "must be what the records give" in text and "--write" in text
    path.unlink()
    (text,) = faults(results, generated=True)
    assert str(path) in text and "missing" in text


def test_a_figure_of_other_records_is_named(results):
    figure = results / "tiny" / "figures" / "referral.png"
    figure.write_bytes(b"no image")
    (text,) = faults(results, generated=True)
    assert str(figure) in text and "not an image" in text


@pytest.mark.parametrize("generated", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "records/softmax/seed-0.parquet.bak",
        "records/softmax/seed-7.parquet",
        "records/softmax/seed-00.json",
        "records/softmax/.seed-0.json.123",
        "records/swag/extra/seed-0.json",
    ],
)
def test_what_belongs_to_no_record_is_named(results, name, generated):
    path = results / "tiny" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"{}")
    (text,) = faults(results, generated)
    assert text.startswith(f"{path} must be a part of a record")


def test_a_table_that_the_records_do_not_give_is_named(results):
    path = results / "tiny" / "intervals.csv"
    path.write_text("suite\n")
    assert faults(results) == []
    (text,) = faults(results, generated=True)
    assert str(path) in text


def test_a_link_is_named(results):
    path = path_of(results).with_suffix(".parquet")
    other = path.rename(results / "elsewhere.parquet")
    path.symlink_to(other)
    assert any("symbolic link" in text for text in faults(results))


def test_a_deleted_sidecar_or_record_is_missed(results):
    path_of(results).unlink()
    found = faults(results)
    assert len(found) == 3 and all("seed-0.json is not there" in text for text in found)
    for path in path_of(results).parent.glob("seed-0.*"):
        path.unlink()
    assert any("leaderboard.csv" in text for text in faults(results, generated=True))
    shutil.rmtree(results / "tiny" / "records")
    with pytest.raises(DicecastError, match="no folder 'records'"):
        faults(results)


def copy_record(results, estimator, seed, change=lambda values: None):
    """Add a copy of a record under another name, with its sidecar changed."""
    source, target = path_of(results), path_of(results, estimator, seed)
    target.parent.mkdir(parents=True, exist_ok=True)
    for path in source.parent.glob("seed-0.*"):
        shutil.copy(path, target.with_name(path.name.replace("seed-0", f"seed-{seed}")))
    reseal(target, change)


def test_a_copy_under_another_name_is_named(results):
    copy_record(results, "copied", 0)
    (text,) = faults(results)
    assert "copied" in text and "says that it is tiny/records/softmax/seed-0.json" in text


def test_a_copy_that_says_it_is_another_run_is_named(results):
    copy_record(results, "softmax", 5, lambda values: values.update(seed=5))
    (text,) = faults(results)
    assert "seed-5.json must be a run of its own" in text and "byte for byte" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol_version": 7}, "one protocol version"),
        ({"failure_threshold": 0.5}, "one failure threshold"),
        ({"hashes": {"data": "x", "split": "s" * 64}}, "one data hash"),
        ({"hashes": {"data": "d" * 64}}, "must have a hash of its split"),
        ({"suite_settings": {"name": "tiny"}}, "must hold the suite it was run with"),
        ({"status": "failed", "error": " "}, "must say why its run failed"),
    ],
)
def test_records_that_do_not_belong_together_are_named(results, change, message):
    record = complete("late", 3, **change)
    if record.sidecar.status == "failed":
        record = Record(record.sidecar, None)
    write_record(results, record)
    assert any(message in text and "late" in text for text in faults(results))


def test_a_record_of_another_suite_than_it_says_is_named(results):
    suite = {
        "name": "tiny",
        "failure_threshold": 0.7,
        "seeds": [3],
        "dataset": {"name": "lesions"},
        "estimators": [{"name": "late"}],
        "bootstrap": {"resamples": 200, "seed": 3, "level": 0.95},
    }
    write_record(results, complete("late", 3, suite_settings=suite))
    assert faults(results) == []
    wrong = suite | {"seeds": [0], "estimators": [{"name": "other"}], "failure_threshold": 0.9}
    write_record(results, complete("late", 3, suite_settings=wrong))
    found = faults(results)
    for word in ("the seed of its", "the estimator of its", "the failure_threshold of its"):
        assert any(word in text for text in found)


def wrong_cases(kind):
    cases = make_cases(9)
    if kind == "dice":
        cases.loc[3, "dice"] = 1.5
    elif kind == "no dice":
        cases.loc[3, "dice"] = np.nan
    elif kind == "twice":
        cases.loc[1, "stem"] = cases.loc[0, "stem"]
    elif kind == "missing":
        del cases["isotonic"]
    elif kind == "unknown":
        cases["surprise"] = 1.0
    elif kind == "text":
        cases["random"] = "x"
    elif kind == "infinite":
        cases.loc[2, "random"] = -np.inf
    elif kind == "mean":
        cases["dice/lesion"] = cases["dice"] / 2
    elif kind == "control":
        cases.loc[0, "stem"] = "a\x1b[31m"
    elif kind == "empty":
        cases.loc[0, "group"] = ""
    elif kind == "fewer":
        return cases.iloc[1:]
    elif kind == "truth":
        cases.loc[0, "empty_truth"] = True
    return cases


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("dice", "numbers from 0 to 1 as dice, but 1 are not, such as 1.5 for in_distribution-003"),
        ("no dice", "numbers from 0 to 1 as dice"),
        ("twice", "each case once, but it has in_distribution-000 of in_distribution twice"),
        ("missing", "it lacks isotonic"),
        ("unknown", "it has surprise"),
        ("text", "floating-point numbers in its column random"),
        ("infinite", "random has an infinite one"),
        ("mean", "the mean of the Dice of all classes"),
        ("control", "no control character in its column stem"),
        ("empty", "a group for every case"),
        ("fewer", "1 are in one of them alone, such as in_distribution-000"),
        ("truth", "1 differ, such as in_distribution-000"),
    ],
)
def test_a_table_that_its_sidecar_does_not_describe_is_named(results, kind, message):
    record = complete("late", 3)
    cases = wrong_cases(kind)
    write_record(results, Record(record.sidecar, cases))
    found = faults(results)
    assert any(message in text and "late" in text for text in found), found


@pytest.mark.parametrize("name", ["pixels", "pooled_pixels"])
def test_pixels_of_other_cases_are_named(results, name):
    record = complete("late", 3)
    table = record.further[name].assign(domain="elsewhere")
    write_record(results, Record(record.sidecar, record.cases, record.further | {name: table}))
    (text,) = faults(results)
    assert f"late/seed-3.{name}.parquet must" in text


def test_ends_of_an_interval_are_in_order(results):
    scores = complete().sidecar.scores
    scores = scores | {"isotonic": ScoreInfo(kind="head", interval_level=0.9)}
    record = complete("late", 3, scores=scores)
    cases = record.cases.assign(**{"isotonic/low": 0.9, "isotonic/high": 0.1})
    write_record(results, Record(record.sidecar, cases))
    (text,) = faults(results)
    assert "must have isotonic/low below isotonic/high" in text


def test_all_faults_are_listed(results):
    path = path_of(results)
    path.write_bytes(path.read_bytes().replace(b"1.5", b"1.6"))
    table = path_of(results, "mc_dropout", 1).with_suffix(".pixels.parquet")
    table.write_bytes(b"")
    (results / "tiny" / "leftover").touch()
    found = faults(results)
    assert len(found) == 3
    assert len(faults(results, generated=True)) == 3


def test_a_recomputed_hash_is_left_to_the_record_that_was_there_before(results):
    """Whoever changes a table and its hash has written another record; compare finds that."""
    path = path_of(results)
    cases = complete().cases
    cases.loc[0, "dice"] = 0.123
    content = table_bytes(cases)
    path.with_suffix(".parquet").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    reseal(path, lambda values: values["hashes"].update(cases=digest))
    assert faults(results) == []
    assert any("leaderboard.csv" in text for text in faults(results, generated=True))


def test_records_of_the_first_version_are_sound_and_said_to_be_unsealed(results):
    path = path_of(results)
    values = json.loads(path.read_bytes()) | {"schema_version": 1}
    del values["sha256"]
    path.write_text(json.dumps(values, indent=1))
    (verified,) = verify_results(results)
    assert verified.faults == []
    (note,) = verified.findings
    assert note.note and "1 of 4 records are from before version 2" in note.text


def test_a_leaderboard_without_records_is_named(results):
    (results / "other").mkdir()
    shutil.copy(results / "tiny" / "leaderboard.csv", results / "other")
    (text,) = faults(results)
    assert "other/leaderboard.csv must stand beside the records" in text


def test_verify_imports_no_tensorflow(written):
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; "
        "from pathlib import Path; import dicecast.cli.verify, dicecast.store_check; "
        "from dicecast.verification.verify import verify_results; "
        f"assert not [f for v in verify_results(Path({str(written)!r})) for f in v.findings]; "
        "found = {'tensorflow', 'keras', 'sklearn', 'skimage'} & set(sys.modules); "
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
