"""The table of the metrics of pixels: means, intervals, reasons, and the committed files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from leaderboard_records import BOOTSTRAP, make_failed, make_record

from dicecast.errors import DicecastError
from dicecast.leaderboard.files import check_leaderboard, write_leaderboard
from dicecast.leaderboard.pixels import COLUMNS, pixel_table
from dicecast.leaderboard.pixels_page import pixels_as_markdown
from dicecast.metrics.bootstrap import interval, resample_counts
from dicecast.records import PIXELS, POOLED_PIXELS, Record, write_record

MAPS = ("entropy", "own")


def with_pixels(estimator="softmax", seed=0, **sidecar):
    """Return a record whose images 3 and 4 have no wrong pixel, and which has one truth a case."""
    undefined = {"soft_dice": "the cases have one truth"}
    record = make_record(estimator, seed, own_map="own", undefined_pixels=undefined, **sidecar)
    generator = np.random.default_rng(seed)
    images = record.cases[["domain", "stem"]].copy()
    images["nll"] = generator.random(len(images))
    for name in MAPS:
        images[f"{name}/error_auroc"] = generator.random(len(images))
        images.loc[[3, 4], f"{name}/error_auroc"] = np.nan
    images["own/pavpu"] = 0.5
    pooled = pd.DataFrame(
        [
            (domain, *row)
            for domain in ("in_distribution", "noise")
            for row in (
                ("own", "error_auroc_pooled", np.nan, 0.75 + seed / 10),
                ("own", "retention", 0.0, 1.0),
            )
        ],
        columns=["domain", "map", "name", "x", "value"],
    )
    return Record(record.sidecar, record.cases, {PIXELS: images, POOLED_PIXELS: pooled})


def row_of(table, estimator="softmax", of_map="own", domain="in_distribution"):
    chosen = (table["estimator"] == estimator) & (table["map"] == of_map)
    return table[chosen & (table["domain"] == domain)].iloc[0]


def test_means_are_over_images_then_seeds_with_the_clustered_interval():
    runs = [with_pixels(seed=seed) for seed in (0, 1)]
    # The order of the rows is not that of the stems.
    runs[1].further[PIXELS] = runs[1].further[PIXELS].iloc[::-1]
    row = row_of(pixel_table(runs))
    counts, means = None, []
    for run in runs:
        inside = run.cases["domain"] == "in_distribution"
        pixels = run.further[PIXELS].sort_index()[inside.to_numpy()]
        values = pixels["own/error_auroc"].to_numpy()
        counts = resample_counts(
            run.cases["group"][inside].tolist(), BOOTSTRAP["resamples"], BOOTSTRAP["seed"]
        )
        drawn = [np.nanmean(np.repeat(values, times)) for times in counts]
        means.append([np.nanmean(values), *drawn])
    point, *samples = np.mean(means, axis=0)
    low, high, _ = interval(np.array(samples), BOOTSTRAP["level"])
    np.testing.assert_allclose(row["error_auroc"], point)
    np.testing.assert_allclose([row["error_auroc_low"], row["error_auroc_high"]], [low, high])
    assert (row["error_auroc_images"], row["n"], row["seeds"]) == (38, 40, 2)
    np.testing.assert_allclose(row["error_auroc_pooled"], 0.8)
    assert row["pavpu_low"] == row["pavpu_high"] == row["pavpu"] == 0.5


def test_the_order_of_the_records_changes_nothing():
    runs = [with_pixels(name, seed) for name in ("b", "a") for seed in (1, 0)]
    pd.testing.assert_frame_equal(pixel_table(runs), pixel_table(runs[::-1]))


def test_one_row_of_the_probabilities_and_one_a_map_the_own_first():
    table = pixel_table([with_pixels()])
    assert list(table.columns) == list(COLUMNS)
    rows = table[table["domain"] == "noise"]
    assert rows["map"].tolist() == ["", "own", "entropy"]
    assert rows["own_map"].tolist() == [False, True, False]
    assert rows["pavpu"].notna().tolist() == [False, True, False]
    assert rows["nll"].notna().tolist() == [True, False, False]


def test_reasons_and_failures():
    run = with_pixels()
    run.further[PIXELS]["own/error_auroc"] = np.nan
    old = make_record("old")
    table = pixel_table([run, old, make_failed()])
    assert row_of(table, of_map="")["reason"] == "soft_dice: the cases have one truth"
    own = row_of(table)
    assert own["reason"] == "error_auroc: in no image of a seed: no pixel is wrong, or all are"
    assert own["error_auroc_images"] == 0
    assert "before there were metrics of pixels" in row_of(table, "old", "")["reason"]
    failed = row_of(table, "swag", "")
    assert (failed["status"], failed["reason"]) == ("failed", "MemoryError: too large | <b>")
    text = pixels_as_markdown(table)
    assert "[^1]: " in text and "MemoryError: too large \\| &lt;b&gt;" in text


def test_other_cases_are_refused():
    run = with_pixels()
    run.further[PIXELS].loc[0, "stem"] = "another"
    with pytest.raises(DicecastError, match=r"softmax/seed-0 must be of the cases.*Run the suite"):
        pixel_table([run])


def test_records_without_pixels_have_no_table():
    assert len(pixel_table([make_record()])) == 0


@pytest.mark.parametrize("name", ["pixels.csv", "pixels.md"])
def test_the_check_covers_the_page(tmp_path, name):
    for seed in (0, 1):
        write_record(tmp_path, with_pixels(seed=seed))
    assert name in [path.name for path in write_leaderboard(tmp_path, "tiny").paths]
    assert check_leaderboard(tmp_path, "tiny") == ""
    path = tmp_path / "tiny" / name
    path.write_text(path.read_text().replace("0.8", "0.9", 1))
    assert name in check_leaderboard(tmp_path, "tiny")


def test_markdown_shows_what_there_is():
    text = pixels_as_markdown(pixel_table([with_pixels(seed=seed) for seed in (0, 1)]))
    assert "## in_distribution\n\n40 images." in text
    assert "| estimator | NLL |" in text and "Brier |" not in text
    assert "| estimator | map | AUROC | AUROC, pooled | PAvPU |" in text
    assert "| 0.800 | 0.500 [0.500, 0.500] |" in text
