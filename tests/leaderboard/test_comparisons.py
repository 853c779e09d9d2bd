import numpy as np
import pytest
from leaderboard_records import BOOTSTRAP, make_cases, make_record
from scipy import stats

from dicecast.errors import DicecastError
from dicecast.leaderboard.answers import answers
from dicecast.leaderboard.build import build_leaderboard
from dicecast.leaderboard.comparisons import ALL_ESTIMATORS, compare, verdict
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
    found = row(compare(made, [ASKED]), domain="noise", estimator="softmax", metric="spearman")
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
    assert found["difference"] == pytest.approx(difference(everyone), abs=1e-9)
    assert found["of_score"] - found["of_against"] == pytest.approx(found["difference"])
    low, high = np.quantile(samples, [0.025, 0.975])
    assert found["low"] == pytest.approx(low, abs=1e-9)
    assert found["high"] == pytest.approx(high, abs=1e-9)


def test_the_mean_of_all_estimators_is_the_mean_of_their_differences():
    table = compare(records(), [ASKED])
    rows = table[(table["domain"] == "noise") & (table["metric"] == "spearman")]
    rows = rows.set_index("estimator")["difference"]
    assert rows[ALL_ESTIMATORS] == pytest.approx(rows.drop(ALL_ESTIMATORS).mean(), abs=1e-12)


def test_swapping_the_scores_turns_the_sign():
    swapped = Comparison(question=ASKED.question, score=ASKED.against, against=ASKED.score)
    keys = {"domain": "noise", "estimator": "softmax", "metric": "aurc"}
    there = row(compare(records(), [ASKED]), **keys)
    back = row(compare(records(), [swapped]), **keys)
    assert there["difference"] == pytest.approx(-back["difference"], abs=1e-12)
    assert there["low"] == pytest.approx(-back["high"], abs=1e-12)


def test_errors_are_compared_between_estimates_of_dice_alone():
    heads = Comparison(question="Which head errs less?", score="isotonic", against="constant")
    table = compare(records(), [ASKED, heads])
    errors = table[table["metric"] == "mae"].set_index("question")["difference"]
    assert errors[ASKED.question].isna().all()
    assert errors[heads.question].notna().all()


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
    text = answers(compare(records(), [ASKED]), [ASKED])
    assert text.count("## Does entropy beat chance?") == 1
    assert "**" in text
    assert compare(records(), []).empty


def test_answers_are_written_beside_the_leaderboard_and_checked(tmp_path):
    for record in records():
        write_record(tmp_path, record)
    written = {path.name for path in write_leaderboard(tmp_path, "tiny", [ASKED]).paths}
    tables = ("leaderboard", "comparisons", "out_of_distribution")
    assert written == {f"{name}.{end}" for name in tables for end in ("csv", "md")}
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


def asked(**changes):
    return Comparison(**(ASKED.model_dump() | {"metrics": ("spearman",)} | changes))


def test_two_estimators_are_compared_on_the_cases_they_share():
    between = asked(score="swag:entropy/mean", against="softmax:random", expect="higher")
    table = compare(records(), [between])
    found = row(table, domain="noise")
    assert found["estimator"] == "swag / softmax"
    within = compare(records(), [asked()])
    mine = row(within, domain="noise", estimator="swag")["of_score"]
    theirs = row(within, domain="noise", estimator="softmax")["of_against"]
    assert found["difference"] == pytest.approx(mine - theirs)
    assert found["verdict"] == "holds"
    assert "holds" in answers(table, [between])


def test_the_change_is_the_difference_of_the_differences_in_resamples_of_both():
    made = records(("softmax",), (0,))
    found = row(compare(made, [asked(change=True)]), estimator="softmax")
    assert found["domain"] == "noise"
    cases = made[0].cases.sort_values(["domain", "stem"])
    inside, shifted = (cases[cases["domain"] == name] for name in ("in_distribution", "noise"))
    groups = [*inside["group"], *shifted["group"]]
    counts = resample_counts(groups, BOOTSTRAP["resamples"], BOOTSTRAP["seed"])

    def difference(part, count):
        drawn = part.loc[part.index.repeat(count)]
        return (
            stats.spearmanr(drawn["entropy/mean"], drawn["dice"]).statistic
            - stats.spearmanr(drawn["random"], drawn["dice"]).statistic
        )

    cut = len(inside)
    samples = [difference(shifted, c[cut:]) - difference(inside, c[:cut]) for c in counts]
    low, high = np.quantile(samples, [0.025, 0.975])
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-9)
    ones = np.ones(len(groups), int)
    expected = difference(shifted, ones[cut:]) - difference(inside, ones[:cut])
    assert found["difference"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("expect", "within", "low", "high", "answer"),
    [
        ("higher", 0.0, 0.01, 0.02, "holds"),
        ("higher", 0.0, -0.01, 0.02, "undecided"),
        ("higher", 0.0, -0.02, -0.01, "does not hold"),
        ("lower", 0.0, -0.02, -0.01, "holds"),
        ("lower", 0.0, 0.01, 0.02, "does not hold"),
        ("lower", 0.0, -0.01, 0.0, "undecided"),
        ("equal", 0.05, -0.04, 0.05, "holds"),
        ("equal", 0.05, -0.06, 0.05, "undecided"),
        ("equal", 0.05, 0.06, 0.09, "does not hold"),
        ("equal", 0.05, -0.09, -0.06, "does not hold"),
        ("higher", 0.0, np.nan, np.nan, ""),
        ("", 0.0, 0.01, 0.02, ""),
    ],
)
def test_a_verdict_says_where_the_interval_lies(expect, within, low, high, answer):
    assert verdict(asked(expect=expect, within=within), low, high) == answer


def test_metrics_that_do_not_exist_are_refused():
    with pytest.raises(DicecastError, match="Did you mean 'aurc'"):
        compare(records(), [asked(metrics=("aurcc",))])
    with pytest.raises(DicecastError, match="Leave out change"):
        compare(records(), [asked(metrics=("ood_auroc",), change=True)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score": "swag:entropy/mean"}, "on both sides or on neither"),
        ({"expect": "higher", "metrics": ()}, "must name its metrics"),
        ({"expect": "equal"}, "how near is equal"),
        ({"within": 0.1}, "how near is equal"),
    ],
)
def test_questions_that_cannot_be_answered_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        asked(**changes)


def test_a_question_without_records_is_said_to_have_none():
    table = compare(records(), [ASKED])
    lost = asked(question="Is a missing score better?", score="missing")
    assert "No record has both scores." in answers(table, [ASKED, lost])
