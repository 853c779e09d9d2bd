"""What moved between two versions of results is named, with both values."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from complete_records import RUNS, complete, write_suite
from typer.testing import CliRunner

from dicecast.cli.main import app
from dicecast.errors import DicecastError
from dicecast.leaderboard.files import write_leaderboard
from dicecast.records import Record, record_path, write_record
from dicecast.revisions.compare import compare
from dicecast.revisions.moves import Kind, Move
from dicecast.revisions.page import as_markdown, as_text
from dicecast.revisions.snapshot import read_snapshot


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    return write_suite(tmp_path_factory.mktemp("old"), [complete(*run) for run in RUNS])


@pytest.fixture
def new(old, tmp_path):
    return shutil.copytree(old, tmp_path / "new")


def moved(old, new, tolerance=1e-6):
    return compare(read_snapshot(old), read_snapshot(new), tolerance)


def edit(path, change):
    """Change the lines of a leaderboard, the first of which names the columns."""
    lines = path.read_text().splitlines()
    path.write_text("\n".join(change(lines)) + "\n")


def cell(lines, row, name, value):
    names, cells = lines[0].split(","), lines[row].split(",")
    cells[names.index(name)] = value
    return [*lines[:row], ",".join(cells), *lines[row + 1 :]]


def test_nothing_moved(old, new):
    assert moved(old, new) == []
    assert as_text([]) == "Nothing moved."


def test_an_edited_number_is_named_with_both_values(old, new):
    path = new / "tiny" / "leaderboard.csv"
    held = path.read_text().splitlines()
    value = held[1].split(",")[held[0].split(",").index("spearman")]
    edit(path, lambda lines: cell(lines, 1, "spearman", "0.999"))
    (move,) = moved(old, new)
    assert move[0] is Kind.CHANGED and move[2:] == ("spearman", value, "0.999")
    assert move.where.startswith("tiny / in_distribution / ")
    assert moved(old, new, tolerance=2.0) == []
    assert moved(old / "tiny" / "leaderboard.csv", path) == [move]


def test_undefined_and_text_are_no_numbers(old, new):
    path = new / "tiny" / "leaderboard.csv"
    edit(path, lambda lines: cell(lines, 1, "status", "fine"))
    edit(path, lambda lines: cell(lines, 1, "spearman", ""))
    (move,) = moved(old, new, tolerance=9.0)
    assert (move.what, move.new) == ("spearman and 1 more columns", "")


def test_ranks_may_move(old, new):
    edit(new / "tiny" / "leaderboard.csv", lambda lines: cell(lines, 1, "rank_high", "99"))
    assert moved(old, new) == []


def test_a_dropped_and_a_doubled_row_are_named(old, new):
    edit(new / "tiny" / "leaderboard.csv", lambda lines: [*lines[:2], lines[1], *lines[3:]])
    found = moved(old, new)
    assert [move.kind for move in found] == [Kind.DUPLICATE, Kind.REMOVED]
    assert found[0].new == "2 times"


def rewritten(new, change, **sidecar):
    """Write a record anew with its table of cases, or its sidecar, changed, and its hashes."""
    held = complete()
    cases = held.cases.copy()
    change(cases)
    facts = held.sidecar.model_copy(update=sidecar)
    write_record(new, Record(facts, cases, held.further))


def test_a_changed_dice_is_named_however_well_it_is_hidden(old, new):
    def change(cases):
        cases.loc[3, "dice"] = 0.5

    rewritten(new, change)
    write_leaderboard(new, "tiny")
    found = moved(old, new)
    assert found[0] == Move(
        Kind.CHANGED,
        "tiny/softmax/seed-0",
        "cases: dice of 1 of 65 rows, most of in_distribution / in_distribution-003",
        str(complete().cases.loc[3, "dice"]),
        "0.5",
    )
    assert any(move.where.startswith("tiny / in_distribution / softmax") for move in found[1:])


def test_other_cases_and_columns_are_named(old, new):
    def change(cases):
        cases.loc[3, "stem"] = "other"

    rewritten(new, change)
    assert {(move.kind, move.what) for move in moved(old, new)} >= {
        (Kind.REMOVED, "1 rows of cases, such as in_distribution / in_distribution-003"),
        (Kind.CHANGED, "1 new rows of cases, such as in_distribution / other"),
    }


def test_a_value_that_becomes_undefined_has_changed(old, new):
    def change(cases):
        cases.loc[3, "random"] = float("nan")

    rewritten(new, change)
    (move, *_) = moved(old, new)
    assert move.what.startswith("cases: random of 1 of 65 rows") and move.new == "nan"


@pytest.mark.parametrize(
    ("sidecar", "what", "values"),
    [
        ({"protocol_version": 2}, "protocol version", ("1", "2")),
        ({"hashes": {"data": "x", "split": "s" * 64}}, "data hash", ("d" * 64, "x")),
        ({"parts": {"estimator": {"draws": 5}}}, "parts", ("estimator: None",)),
    ],
)
def test_what_a_sidecar_says_otherwise_is_named(old, new, sidecar, what, values):
    held = complete(**sidecar)
    write_record(new, held)
    (move,) = moved(old, new)
    assert (move.where, move.what) == ("tiny/softmax/seed-0", what)
    assert move[3:][: len(values)] == values


def test_what_another_run_says_otherwise_has_not_moved(old, new):
    write_record(new, complete(seconds={"train": 99.0}, machine={"cores": 64}))
    assert moved(old, new) == []


def test_records_come_and_go(old, new):
    write_suite(new, [complete("swag")])
    found = moved(old, new)
    assert {move.kind for move in found} == {Kind.ADDED}
    assert found[0] == Move(Kind.ADDED, "tiny/swag/seed-0", "record")
    back = moved(new, old)
    assert {move.kind for move in back} == {Kind.REMOVED}
    assert len(back) == len(found)


def test_an_empty_folder_is_the_time_before_the_first_record(old, tmp_path):
    assert {move.kind for move in moved(tmp_path, old)} == {Kind.ADDED}
    assert {move.kind for move in moved(old, tmp_path)} == {Kind.REMOVED}


def test_markdown_shows_names_as_they_are():
    name = "<b>a|b</b> `c` [x](y)\n\x1b[31m"
    text = as_markdown([Move(Kind.CHANGED, name, "dice", "0", "1")], "main", "results")
    (row,) = (line for line in text.splitlines() if "dice" in line)
    assert row == "| `<b>a\\|b</b> c [x](y)\\n\\x1b[31m` | `dice` | `0` | `1` |"
    assert "**1 changed.**" in text


def test_long_lists_are_cut():
    found = [Move(Kind.ADDED, f"row {number}") for number in range(100)]
    for text in (as_markdown(found, "a", "b"), as_text(found)):
        assert "row 39" in text and "row 40" not in text and "... and 60 more." in text
        assert "100 added: only additions." in text


def run(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def test_the_command_ends_with_1_unless_only_something_was_added(old, new):
    assert run(old, new).exit_code == 0
    write_suite(new, [complete("swag")])
    assert run(old, new).exit_code == 0
    found = run(new, old, "--markdown")
    assert found.exit_code == 1
    assert "### Removed" in found.stdout


@pytest.fixture
def repository(old, tmp_path, monkeypatch):
    """A repository with the results at its only commit, and as the current folder."""
    shutil.copytree(old, tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "results"], [*who, "commit", "-q", "-m", "results"]):
        subprocess.run(["git", *command], check=True)
    return tmp_path


def test_a_revision_is_read_from_git(repository):
    assert "Nothing moved." in run("HEAD:results").stdout
    assert run("HEAD:results/tiny", "results/tiny").exit_code == 0
    path = repository / "results" / "tiny" / "leaderboard.csv"
    edit(path, lambda lines: lines[:-1])
    for one, other in (("HEAD:results", "results"), (f"HEAD:{path.relative_to(repository)}", path)):
        found = run(one, other)
        assert found.exit_code == 1 and "1 removed" in found.stdout


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("absent", "There is no absent. Name a folder"),
        ("absent:results", "There is no revision 'absent'.*git fetch"),
        ("HEAD:absent", "There is no absent at the revision 'HEAD'"),
        ("--output=x:results", "A revision must be one such as origin/main"),
    ],
)
def test_what_cannot_be_read_is_an_error(repository, source, message):
    with pytest.raises(DicecastError, match=message):
        raise run("--", source).exception


def test_without_git_a_revision_is_an_error(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DicecastError, match="needs git, which is not installed"):
        raise run("HEAD:results").exception


def test_a_damaged_record_is_an_error(old, new):
    record_path(new, "tiny", "softmax", 0).write_text("{")
    assert isinstance(run(old, new).exception, DicecastError)


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "", "\x00"])
def test_what_is_no_leaderboard_is_an_error(old, tmp_path, content):
    path = tmp_path / "leaderboard.csv"
    path.write_text(content)
    with pytest.raises(DicecastError, match=r"must be a leaderboard\.csv"):
        moved(old, path)
