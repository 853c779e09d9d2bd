"""What is in results/ is what was written; all tables follow from the records."""

from pathlib import Path

import pandas as pd
import pytest

from dicecast.leaderboard.files import check_leaderboard
from dicecast.plugins import estimators
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


def test_every_folder_of_results_belongs_to_a_suite_or_is_named_here():
    folders = {path.name for path in (ROOT / "results").iterdir()}
    assert folders - {"speed", "faults"} == set(SUITES)


def test_the_own_map_of_every_estimator_finds_errors_and_noise_does_not():
    # The contract measures this after a short training; here all are trained to their end.
    pixels = pd.read_csv(ROOT / "results" / "quickstart-all" / "pixels.csv")
    own = pixels[pixels.own_map & (pixels.domain == "in_distribution")].set_index("estimator")
    assert {label.removesuffix("_spatial") for label in own.index} == set(estimators.declared())
    found = own.error_auroc
    assert 0.45 < found["random"] < 0.55
    assert found.drop("random").min() > 0.7
