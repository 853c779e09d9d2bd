"""Curves of the chosen scores: against the metrics they are the areas of, and as figures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from leaderboard_records import BOOTSTRAP, CHOSEN, SCORES, make_cases, make_record
from PIL import Image

from dicecast.leaderboard.build import build_leaderboard
from dicecast.leaderboard.curve_figures import draw_curves
from dicecast.leaderboard.curves import COVERAGE, chosen_curves, risks_at_coverage
from dicecast.leaderboard.files import check_leaderboard, write_leaderboard
from dicecast.leaderboard.markdown import FIGURES
from dicecast.metrics.bootstrap import resample_counts
from dicecast.metrics.discrimination import QUALITY_THRESHOLDS, failure_auroc
from dicecast.metrics.risk_coverage import risk_coverage_curve
from dicecast.records import write_record


def records(estimators=("softmax", "swag"), scores=CHOSEN):
    return [make_record(name, seed, scores=scores) for name in estimators for seed in (0, 1)]


def inside(record):
    cases = record.cases[record.cases["domain"] == "in_distribution"]
    return cases["entropy/mean"].to_numpy(), cases["dice"].to_numpy()


@pytest.mark.parametrize("decimals", [1, 9], ids=["tied", "distinct"])
def test_risks_are_those_of_the_curve_of_the_cases_written_out(decimals):
    generator = np.random.default_rng(0)
    quality, score = generator.random(40), generator.random(40).round(decimals)
    counts = resample_counts([str(case // 2) for case in range(40)], 20, seed=0)
    found = risks_at_coverage(score, quality, counts)
    for count, risks in zip(counts, found, strict=True):
        curve = risk_coverage_curve(score.repeat(count), quality.repeat(count))
        expected = np.interp(COVERAGE, curve.coverage, curve.selective_risk)
        np.testing.assert_allclose(risks, expected, atol=1e-12)


def test_curves_are_means_over_the_seeds_of_the_chosen_score():
    made = records()
    curves = chosen_curves(made, build_leaderboard(made))
    assert {(one.estimator, one.score) for one in curves} == {
        ("softmax", "entropy/mean"),
        ("swag", "entropy/mean"),
    }
    [softmax] = (one for one in curves if one.estimator == "softmax")
    samples = [inside(record) for record in made[:2]]
    aurocs = [[failure_auroc(*sample, t) for t in QUALITY_THRESHOLDS] for sample in samples]
    np.testing.assert_allclose(softmax.auroc.middle, np.mean(aurocs, axis=0), atol=1e-9)
    mean_risk = np.mean([1 - quality.mean() for _, quality in samples])
    ends = (softmax.risk.middle[-1], softmax.best_risk[-1], softmax.random_risk)
    assert ends == pytest.approx((mean_risk,) * 3)
    assert (softmax.best_risk <= softmax.risk.middle + 1e-12).all()
    defined = ~np.isnan(softmax.risk.low)
    assert defined.all()
    assert (softmax.risk.low <= softmax.risk.high).all()
    assert len(softmax.risk.low) == len(COVERAGE)
    assert BOOTSTRAP["resamples"] == 200


def test_estimators_without_a_chosen_score_and_suites_without_a_test_set_have_no_curve():
    made = [*records(["swag"]), *records(["old"], SCORES)]
    assert [one.estimator for one in chosen_curves(made, build_leaderboard(made))] == ["swag"]
    gaps = make_cases(0)
    gaps.loc[3, "entropy/mean"] = np.nan
    made = [make_record(cases=gaps, scores=CHOSEN)]
    assert chosen_curves(made, build_leaderboard(made)) == []
    made = [make_record(cases=make_cases(0, (("elsewhere", 30),)), scores=CHOSEN)]
    assert chosen_curves(made, build_leaderboard(made)) == []


def test_figures_are_the_same_bytes_again_and_large_enough_to_read():
    made = records()
    curves = chosen_curves(made, build_leaderboard(made))
    first, second = draw_curves(curves, "mark"), draw_curves(curves[::-1][::-1], "mark")
    assert first == second
    assert list(first) == list(FIGURES)
    for png in first.values():
        with Image.open(io.BytesIO(png)) as image:
            assert image.width > 600
            assert image.info["Description"] == "mark"


def test_written_figures_are_checked_by_what_they_were_drawn_from(tmp_path):
    for record in records():
        write_record(tmp_path, record)
    figures = tmp_path / "tiny" / "figures"
    paths = write_leaderboard(tmp_path, "tiny").paths
    assert [path for path in paths if path.suffix == ".png"] == [
        figures / f"{name}.png" for name in FIGURES
    ]
    page = (tmp_path / "tiny" / "leaderboard.md").read_text()
    assert all(f"(figures/{name}.png)" in page for name in FIGURES)
    assert check_leaderboard(tmp_path, "tiny") == ""
    Image.new("L", (8, 8)).save(figures / "referral.png")
    (figures / "risk_coverage.png").unlink()
    (figures / "failure_auroc.png").write_text("no image")
    lines = check_leaderboard(tmp_path, "tiny").split("\n")
    endings = ["(missing)", "(drawn from other records)", "(not an image)"]
    assert [line.partition(".png ")[2] for line in lines] == endings
