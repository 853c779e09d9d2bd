"""The tables in results/ and in the README are what the committed records give."""

from pathlib import Path

import pytest

from dicecast.leaderboard.files import check_leaderboard
from dicecast.suite import load_suite, shipped_suites

ROOT = Path(__file__).parent.parent
SUITES = [name for name in shipped_suites() if (ROOT / "results" / name).is_dir()]


@pytest.mark.parametrize("suite", SUITES)
def test_the_committed_leaderboard_is_what_its_records_give(suite):
    comparisons = load_suite(suite).comparisons
    assert check_leaderboard(ROOT / "results", suite, comparisons, ROOT / "README.md") == ""


def test_every_folder_of_results_belongs_to_a_suite_or_to_speed():
    folders = {path.name for path in (ROOT / "results").iterdir()}
    assert folders - {"speed"} == set(SUITES)
