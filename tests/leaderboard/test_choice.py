"""One aggregation stands for each estimator, chosen on the quality role and on nothing else."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from leaderboard_records import CHOSEN, SCORES, make_cases, make_failed, make_record, on_quality
from rich.console import Console

from dicecast.leaderboard.build import build_leaderboard
from dicecast.leaderboard.choice import choose, chosen_rows, has_choice, without_choice
from dicecast.leaderboard.excerpt import as_excerpt
from dicecast.leaderboard.markdown import as_markdown
from dicecast.leaderboard.ranking import rank
from dicecast.leaderboard.terminal import print_leaderboard
from dicecast.records import ScoreInfo, read_record, write_record


def records(scores=CHOSEN, estimators=("softmax", "swag")):
    return [make_record(name, seed, scores=scores) for name in estimators for seed in (0, 1)]


def printed(table, **options):
    console = Console(width=80, file=io.StringIO())
    print_leaderboard(table, console, **options)
    return console.file.getvalue()


def test_the_mean_over_the_seeds_on_quality_decides_and_not_the_test_cases():
    cases = make_cases(3)
    # On the test cases, "random" is perfect and "entropy/mean" is the reverse of it.
    cases["random"], cases["entropy/mean"] = cases["dice"], -cases["dice"]
    made = [
        make_record(
            seed=seed,
            cases=cases,
            scores=SCORES | {"entropy/mean": on_quality(first), "random": on_quality(second)},
        )
        for seed, (first, second) in enumerate([(0.2, 0.5), (0.9, 0.5)])
    ]
    table = build_leaderboard(made)
    for _, rows in table.groupby("domain"):
        [row] = chosen_rows(rows).to_dict(orient="records")
        assert row["score"] == "entropy/mean"
        assert row["spearman_on_quality"] == pytest.approx(0.55)
        assert row["spearman"] == pytest.approx(-1.0)


def test_a_head_is_never_chosen_and_a_score_needs_its_number_in_every_seed():
    head = ScoreInfo(kind="head", predicts_quality=True, on_quality={"spearman": 1.0, "aurc": 0.0})
    undefined = ScoreInfo(kind="aggregation", on_quality={"spearman": None, "aurc": None})
    first = CHOSEN | {"isotonic": head, "entropy/mean": on_quality(0.9)}
    second = CHOSEN | {"isotonic": head, "entropy/mean": undefined}
    made = [make_record(seed=seed, scores=s) for seed, s in enumerate((first, second))]
    table = build_leaderboard(made)
    assert set(table[table["chosen_rank"].notna()]["score"]) == {"random"}
    assert table.set_index("score")["kind"].to_dict()["isotonic"] == "head"


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_of_equal_scores_the_first_by_name_is_chosen(order):
    rows = pd.DataFrame(
        {
            "estimator": "softmax",
            "kind": "aggregation",
            "score": ["b", "a", "c"],
            "spearman_on_quality": [0.5, 0.5 + 1e-13, 0.4],
        }
    ).iloc[order]
    assert rows[choose(rows)]["score"].tolist() == ["a"]


def test_the_rank_of_a_chosen_row_is_among_the_chosen_rows():
    names = ("a", "b", "c")
    made = []
    for estimator, noise in zip(names, (0.01, 0.3, 3.0), strict=True):
        cases = make_cases(9, (("in_distribution", 60),))
        spread = np.random.default_rng(1).normal(size=60)
        cases["entropy/mean"] = cases["dice"] + noise * spread
        made.append(make_record(estimator, cases=cases, scores=CHOSEN))
    rows = chosen_rows(build_leaderboard(made))
    assert rows["estimator"].tolist() == list(names)
    assert rows[["chosen_rank", "chosen_rank_high"]].to_numpy().tolist() == [[1, 1], [2, 2], [3, 3]]
    assert (rows["rank"] >= rows["chosen_rank"]).all()
    assert rank(np.zeros(0), np.zeros((0, 100)), 0.95).best.tolist() == []


def test_the_short_page_shows_one_row_an_estimator_its_heads_and_named_scores():
    table = build_leaderboard([*records(), make_failed("broken")])
    page = as_markdown(table, named=["random", "nobody has this"])
    section = page.split("## in_distribution")[1].split("## noise")[0]
    rows = [line for line in section.split("\n") if line.startswith("| ")]
    assert sum("`entropy/mean`" in line for line in rows) == 2
    assert any("`broken`" in line and "failed[^" in line for line in rows)
    [heads] = [line for line in rows if "`isotonic`" in line]
    assert heads == "| estimator | `constant` | `isotonic` |"
    assert "| estimator | `random` |" in rows
    found = table.set_index(["domain", "estimator", "score"])
    row = found.loc[("in_distribution", "swag", "isotonic")]
    assert f"{row['spearman']:.2f} / {row['failure_auroc']:.2f} |" in section
    assert "figures/risk_coverage.png" in page
    assert "No test case is read for the choice" in page


def test_the_excerpt_shows_the_chosen_score():
    table = build_leaderboard([*records(), *records(SCORES, ["old"])])
    text = as_excerpt(table)
    assert "| estimator | mean Dice | chosen |" in text
    row = (
        chosen_rows(table[table["domain"] == "in_distribution"]).set_index("estimator").loc["swag"]
    )
    assert f"| {row['spearman']:.2f} / {row['failure_auroc']:.2f} |" in text
    assert any(line.startswith("| `old` |") and " | - |" in line for line in text.split("\n"))


def test_the_grid_shows_every_row_and_says_nothing_of_a_choice():
    table = build_leaderboard(records())
    page = as_markdown(table, grid=True)
    assert page.count("| `swag` |") == len(table[table["estimator"] == "swag"])
    assert "chosen" not in page


def test_records_without_numbers_on_quality_are_shown_as_a_grid_with_a_note():
    table = build_leaderboard(records(SCORES))
    assert not has_choice(table)
    assert "No aggregation is chosen for any estimator" in as_markdown(table)
    assert "No aggregation is chosen for any estimator" in printed(table)
    mixed = build_leaderboard([*records(estimators=["swag"]), *records(SCORES, ["old"])])
    assert without_choice(mixed).startswith("No aggregation is chosen for old:")
    assert without_choice(build_leaderboard(records())) == ""


def test_the_terminal_shows_one_row_an_estimator_and_the_means_of_the_heads():
    table = build_leaderboard(records())
    text = printed(table)
    assert "2 of 10 rows" in text
    assert text.count("entropy/mean") == 3  # two estimators, and the best of another domain
    heads = text.split("mean over the estimators:")[1]
    rows = table[(table["domain"] == "in_distribution") & (table["score"] == "isotonic")]
    assert f"2 isotonic {rows['spearman'].mean():>40.3f}".split() == next(
        line.split()[:3] for line in heads.split("\n") if "isotonic" in line
    )
    assert max(map(len, text.split("\n"))) <= 80
    assert " random " in printed(table, grid=True)


def test_what_was_said_on_quality_is_kept_in_a_record(tmp_path):
    path = write_record(tmp_path, make_record(scores=CHOSEN))
    kept = read_record(path).sidecar.scores
    assert kept["entropy/mean"].on_quality == {"spearman": 0.6, "aurc": 0.2}
    assert kept["constant"].on_quality == {}
