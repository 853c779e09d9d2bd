from __future__ import annotations

import shutil

import pytest
from complete_records import RUNS, complete, write_suite
from typer.testing import CliRunner

from dicecast.cli.main import app
from dicecast.errors import DicecastError


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return write_suite(tmp_path_factory.mktemp("written"), [complete(*one) for one in RUNS])


def test_sound_results_end_with_0(results):
    found = run("verify", results)
    assert found.exit_code == 0
    assert "4 records checked" in found.stdout


def test_a_fault_is_printed_and_ends_with_1(results, tmp_path):
    copy = shutil.copytree(results, tmp_path / "copy")
    (copy / "tiny" / "a\x1b[31m.txt").touch()
    found = run("verify", copy, "--records-only")
    assert found.exit_code == 1
    assert "fault: " in found.stdout and "a\\x1b[31m.txt must be" in found.stdout
    assert "1 fault found" in found.stdout


def test_a_store_is_checked(tmp_path):
    assert run("verify", "--store", tmp_path).exit_code == 0
    place = tmp_path / "predict" / ("0" * 64)
    place.mkdir(parents=True)
    found = run("verify", "--store", tmp_path)
    assert found.exit_code == 1
    assert "1 artifacts checked" in found.stdout


def test_what_is_no_folder_of_results_is_an_error(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        assert isinstance(run("verify", path).exception, DicecastError)
