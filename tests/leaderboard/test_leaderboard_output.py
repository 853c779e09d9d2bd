"""The committed files, the command and the table in a terminal."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest
import typer
from leaderboard_records import SCORES, make_cases, make_failed, make_record, make_records
from rich.console import Console
from typer.testing import CliRunner

from dicecast.cli.leaderboard import leaderboard
from dicecast.errors import DicecastError
from dicecast.leaderboard.build import build_leaderboard
from dicecast.leaderboard.files import check_leaderboard, read_leaderboard, write_leaderboard
from dicecast.leaderboard.markdown import as_markdown
from dicecast.leaderboard.render import as_csv, as_json
from dicecast.leaderboard.terminal import print_leaderboard
from dicecast.records import ScoreInfo


@pytest.fixture
def invoke(results):
    """Run the command on the suite ``tiny``."""
    app = typer.Typer()
    app.command()(leaderboard)
    return lambda *words: CliRunner().invoke(app, ["tiny", "--results", str(results), *words])


def printed(table):
    """Return what an 80-column terminal shows."""
    console = Console(width=80, file=io.StringIO(), force_terminal=False)
    print_leaderboard(table, console)
    return console.file.getvalue()


def test_csv_has_six_digits_and_reads_back(results):
    table = read_leaderboard(results, "tiny")
    text = as_csv(table)
    assert "\r" not in text and "-0," not in text
    again = pd.read_csv(io.StringIO(text), keep_default_na=False, na_values={"spearman": [""]})
    np.testing.assert_allclose(again["spearman"], table["spearman"], rtol=1e-5)
    assert again["reason"].tolist() == table["reason"].tolist()


def test_json_has_null_for_what_is_undefined(results):
    rows = json.loads(as_json(read_leaderboard(results, "tiny")))
    failed = next(row for row in rows if row["estimator"] == "swag")
    assert failed["spearman"] is None and failed["status"] == "failed"


def test_markdown_says_why(results):
    text = as_markdown(read_leaderboard(results, "tiny"))
    assert "| `swag` |  | failed[^" in text
    assert "MemoryError: too large \\| &lt;b&gt;" in text
    assert "undefined[^" in text and ": one draw has no spread" in text
    assert "1 + the number of rows that are significantly better" in text
    assert "## in_distribution" in text and "## noise" in text
    assert "Warning: only" in text


def test_no_warning_with_enough_failures():
    cases = make_cases(0, (("in_distribution", 60),))
    cases["dice"] *= 0.7
    assert "Warning" not in as_markdown(build_leaderboard([make_record(cases=cases)]))


def test_written_files_pass_the_check(results, invoke):
    assert "(missing)" in check_leaderboard(results, "tiny")
    paths = write_leaderboard(results, "tiny").paths
    tables = ["leaderboard", "out_of_distribution"]
    assert [p.name for p in paths] == [f"{name}.{end}" for name in tables for end in ("csv", "md")]
    assert check_leaderboard(results, "tiny") == ""
    assert invoke("--check").exit_code == 0


@pytest.mark.parametrize("name", ["leaderboard.csv", "leaderboard.md"])
@pytest.mark.parametrize("damage", ["number", "row", "ends of lines", "missing"])
def test_the_check_finds_what_was_changed(results, invoke, name, damage):
    assert invoke("--write").exit_code == 0
    path = results / "tiny" / name
    lines = path.read_text().split("\n")
    place = next(i for i, line in enumerate(lines) if "softmax" in line and "isotonic" in line)
    if damage == "number":
        lines[place] = lines[place].replace("0.", "0.9", 1)
    elif damage == "row":
        del lines[place]
    path.write_bytes(("\r\n" if damage == "ends of lines" else "\n").join(lines).encode())
    if damage == "missing":
        path.unlink()
    answer = invoke("--check")
    assert answer.exit_code == 1
    assert name in answer.output
    assert "--write" in answer.output


def test_a_long_difference_is_cut(results):
    write_leaderboard(results, "tiny")
    path = results / "tiny" / "leaderboard.csv"
    path.write_text("\n".join(f"wrong {index}" for index in range(500)))
    difference = check_leaderboard(results, "tiny")
    assert len(difference.split("\n")) == 61
    assert "more lines of differences" in difference


@pytest.mark.parametrize("form", ["md", "csv", "json"])
def test_formats_print_the_whole_table(results, invoke, form):
    render = {"md": as_markdown, "csv": as_csv, "json": as_json}[form]
    assert invoke("--format", form).output == render(read_leaderboard(results, "tiny"))


def test_a_suite_file_names_its_results(results, tmp_path):
    path = tmp_path / "somewhere.toml"
    path.write_text(
        'name = "tiny"\n[dataset]\nname = "lesions"\n[[estimators]]\nname = "softmax"\n'
    )
    app = typer.Typer()
    app.command()(leaderboard)
    answer = CliRunner().invoke(app, [str(path), "--results", str(results), "--format", "csv"])
    assert answer.output.startswith("suite,domain,estimator,score")


def test_no_records_is_an_error(invoke, results):
    with pytest.raises(DicecastError, match="no records of 'missing'"):
        read_leaderboard(results, "missing")


def test_eighty_columns_show_names_whole(results, invoke):
    long = "mutual_information/above_threshold"
    info = SCORES | {long: ScoreInfo(kind="aggregation"), "x" * 60: ScoreInfo(kind="aggregation")}
    records = []
    for estimator in ("deep_ensemble", "test_time_augmentation_with_a_long_name"):
        cases = make_record(estimator).cases
        cases[long], cases["x" * 60] = cases["dice"], cases["dice"] ** 2
        records.append(make_record(estimator, cases=cases, scores=info))
    text = printed(build_leaderboard([*make_records(), *records]))
    assert max(map(len, text.split("\n"))) <= 80
    assert "…" not in text and "..." not in text
    assert long in text and "deep_ensemble" in text
    assert "noise" in text and "dicecast leaderboard tiny --format csv" in text


def test_the_terminal_always_shows_controls_and_failures(results, invoke):
    text = invoke().output
    assert text == printed(read_leaderboard(results, "tiny"))
    assert " random " in text and " constant " in text
    assert "Failed: swag: MemoryError: too large | <b>" in text
    assert "Undefined: 2 rows" in text


def test_an_estimator_of_noise_is_a_control():
    cases = make_record().cases.rename(columns={"random": "random/mean"})
    cases["random/mean"] = -cases["dice"]
    scores = {name.replace("random", "random/mean"): info for name, info in SCORES.items()}
    table = build_leaderboard([make_record(cases=cases, scores=scores)])
    console = Console(width=80, file=io.StringIO())
    print_leaderboard(table, console, top=1)
    assert "random/mean" in console.file.getvalue()


def test_top_limits_the_rows():
    console = Console(width=80, file=io.StringIO())
    print_leaderboard(build_leaderboard(make_records()), console, top=1)
    assert "3 of 11 rows" in console.file.getvalue()


def test_a_table_of_failures_alone_prints():
    assert "Failed: swag" in printed(build_leaderboard([make_failed()]))
