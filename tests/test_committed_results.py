"""What is in results/ is what was written; all tables follow from the records."""

from pathlib import Path

import pytest

from dicecast.leaderboard.files import check_leaderboard
from dicecast.suite import load_suite, shipped_suites
from dicecast.verification.verify import verify_results

ROOT = Path(__file__).parent.parent
SUITES = [name for name in shipped_suites() if (ROOT / "results" / name).is_dir()]


@pytest.mark.parametrize("suite", SUITES)
def test_the_committed_leaderboard_is_what_its_records_give(suite):
    comparisons = load_suite(suite).comparisons
    readme = ROOT / "README.md"
    page = readme if f"<!-- dicecast:begin {suite} -->" in readme.read_text() else None
    assert check_leaderboard(ROOT / "results", suite, comparisons, page) == ""


def test_the_committed_records_are_what_was_written():
    found = list(verify_results(ROOT / "results", generated=False))
    assert [fault.text for verified in found for fault in verified.faults] == []


def test_every_folder_of_results_belongs_to_a_suite_or_to_speed():
    folders = {path.name for path in (ROOT / "results").iterdir()}
    assert folders - {"speed"} == set(SUITES)
