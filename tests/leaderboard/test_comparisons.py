import numpy as np
import pytest
from leaderboard_records import BOOTSTRAP, make_cases, make_record
from scipy import stats

from dicecast.errors import DicecastError
from dicecast.leaderboard.build import build_leaderboard
from dicecast.leaderboard.comparisons import (
    ALL_ESTIMATORS,
    answers,
    compare,
)
from dicecast.leaderboard.excerpt import as_excerpt, with_excerpt
from dicecast.leaderboard.files import check_leaderboard, write_leaderboard
from dicecast.metrics.bootstrap import resample_counts
from dicecast.records import write_record
from dicecast.suite import Comparison

ASKED = Comparison(question="Does entropy beat chance?", score="entropy/mean", against="random")


def records(estimators=("softmax", "swag"), seeds=(0, 1)):
    return [make_record(name, seed) for name in estimators for seed in seeds]


def row(table, **keys):
    for name, value in keys.items():
        table = table[table[name] == value]
    [found] = table.to_dict(orient="records")
    return found


def test_difference_and_interval_are_those_of_an_explicit_loop():
    made = records(("softmax",))
    found = row(compare(made, [ASKED]), domain="noise", estimator="softmax")
    cases = [r.cases[r.cases["domain"] == "noise"].sort_values("stem") for r in made]
    counts = resample_counts(cases[0]["group"].tolist(), BOOTSTRAP["resamples"], BOOTSTRAP["seed"])

    def difference(chosen):
        return np.mean(
            [
                stats.spearmanr(c["entropy/mean"].iloc[chosen], c["dice"].iloc[chosen]).statistic
                - stats.spearmanr(c["random"].iloc[chosen], c["dice"].iloc[chosen]).statistic
                for c in cases
            ]
        )

    everyone = np.arange(len(cases[0]))
    samples = [difference(np.repeat(everyone, count)) for count in counts]
    assert found["spearman"] == pytest.approx(difference(everyone), abs=1e-9)
    low, high = np.quantile(samples, [0.025, 0.975])
    assert found["spearman_low"] == pytest.approx(low, abs=1e-9)
    assert found["spearman_high"] == pytest.approx(high, abs=1e-9)


def test_the_mean_of_all_estimators_is_the_mean_of_their_differences():
    table = compare(records(), [ASKED])
    rows = table[table["domain"] == "noise"].set_index("estimator")["spearman"]
    assert rows[ALL_ESTIMATORS] == pytest.approx(rows.drop(ALL_ESTIMATORS).mean(), abs=1e-12)


def test_swapping_the_scores_turns_the_sign():
    swapped = Comparison(question=ASKED.question, score=ASKED.against, against=ASKED.score)
    there = row(compare(records(), [ASKED]), domain="noise", estimator="softmax")
    back = row(compare(records(), [swapped]), domain="noise", estimator="softmax")
    assert there["aurc"] == pytest.approx(-back["aurc"], abs=1e-12)
    assert there["aurc_low"] == pytest.approx(-back["aurc_high"], abs=1e-12)


def test_errors_are_compared_between_estimates_of_dice_alone():
    heads = Comparison(question="Which head errs less?", score="isotonic", against="constant")
    table = compare(records(), [ASKED, heads])
    assert table[table["question"] == ASKED.question]["mae"].isna().all()
    assert table[table["question"] == heads.question]["mae"].notna().all()


def test_an_estimator_that_lacks_a_score_is_left_out():
    cases = make_cases(1).drop(columns="random")
    lacking = make_record(
        "swag",
        0,
        cases=cases,
        scores={"entropy/mean": make_record().sidecar.scores["entropy/mean"]},
    )
    table = compare([make_record("softmax", 0), lacking], [ASKED])
    assert set(table["estimator"]) == {"softmax"}


def test_answers_mark_what_excludes_zero():
    text = answers(compare(records(), [ASKED]))
    assert text.count("## Does entropy beat chance?") == 1
    assert "**" in text
    assert compare(records(), []).empty


def test_answers_are_written_beside_the_leaderboard_and_checked(tmp_path):
    for record in records():
        write_record(tmp_path, record)
    written = {path.name for path in write_leaderboard(tmp_path, "tiny", [ASKED]).paths}
    assert written == {"leaderboard.csv", "leaderboard.md", "comparisons.csv", "comparisons.md"}
    assert check_leaderboard(tmp_path, "tiny", [ASKED]) == ""
    path = tmp_path / "tiny" / "comparisons.csv"
    path.write_text(path.read_text().replace("0.", "1.", 1))
    assert "comparisons.csv" in check_leaderboard(tmp_path, "tiny", [ASKED])


def test_excerpt_is_written_between_its_markers_alone(tmp_path):
    table = build_leaderboard(records())
    path = tmp_path / "README.md"
    path.write_text("a\n<!-- dicecast:begin tiny -->\nold\n<!-- dicecast:end tiny -->\nb\n")
    text = with_excerpt(path, "tiny", as_excerpt(table))
    assert text.startswith("a\n<!-- dicecast:begin tiny -->\n**tiny**")
    assert text.endswith("<!-- dicecast:end tiny -->\nb\n")
    assert "old" not in text
    path.write_text(text)
    assert with_excerpt(path, "tiny", as_excerpt(table)) == text


def test_a_file_without_markers_is_refused(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("nothing here")
    with pytest.raises(DicecastError, match="dicecast:begin tiny"):
        with_excerpt(path, "tiny", "x")


def test_excerpt_shows_the_numbers_of_the_leaderboard():
    table = build_leaderboard(records())
    found = row(table, domain="in_distribution", estimator="softmax", score="isotonic")
    expected = f"{found['spearman']:.2f} / {found['failure_auroc']:.2f}"
    assert expected in as_excerpt(table)


def test_records_of_other_settings_are_refused():
    made = [make_record(seed=s, suite_settings={"training": {"epochs": s}}) for s in (0, 1)]
    with pytest.raises(DicecastError, match="settings of the suite"):
        build_leaderboard(made)
