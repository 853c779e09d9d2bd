"""The stream of batches: no batch size and no order changes a number, and nothing fills up."""

import numpy as np
import pandas as pd
import pytest

from dicecast.metrics.pixels import stream
from dicecast.metrics.pixels.catalogue import PIXEL_METRICS, column_of
from dicecast.metrics.pixels.scale import MapScale
from dicecast.metrics.pixels.stream import PixelBatch, PixelMetrics

SCALE = MapScale(0.0, 0.5, 3100)


def measured(batch, size=100, rows=None):
    found = PixelMetrics(batch.probabilities.shape[-1], "smooth", SCALE)
    order = np.arange(len(batch.truth)) if rows is None else rows
    for start in range(0, len(order), size):
        found.update(batch.take(order[start : start + size]))
    return found


@pytest.fixture(scope="module")
def whole(batch):
    return measured(batch)


def test_every_metric_has_a_column_for_each_map_it_is_of(whole, batch):
    expected = set()
    for name, metric in PIXEL_METRICS.items():
        maps = ["smooth"] if metric.of_own_map else batch.maps if metric.of_map else [""]
        expected |= {column_of(name, of_map) for of_map in maps}
    images = whole.images()
    assert set(images.columns) == expected
    assert len(images) == len(batch.truth)
    assert np.isfinite(images.to_numpy()).all()


def test_pooled_names(whole, batch):
    scalars = whole.pooled()[lambda table: table["x"].isna()]
    of_probabilities = set(scalars["name"][scalars["map"] == ""])
    assert of_probabilities == {
        f"{name}_pooled" for name, m in PIXEL_METRICS.items() if m.pooled_from and not m.of_map
    }
    assert set(scalars["map"][scalars["name"] == "error_auroc_pooled"]) == {"smooth"}
    assert set(scalars["map"][scalars["name"] == "rater_variance_ncc_pooled"]) == set(batch.maps)


@pytest.mark.parametrize("size", [1, 4])
def test_the_batch_size_changes_nothing(whole, batch, size):
    parts = measured(batch, size)
    pd.testing.assert_frame_equal(parts.images(), whole.images(), rtol=1e-12)
    pd.testing.assert_frame_equal(parts.pooled(), whole.pooled(), rtol=1e-9)


def test_the_order_changes_nothing(whole, batch):
    rows = np.random.default_rng(0).permutation(len(batch.truth))
    shuffled = measured(batch, 4, rows)
    images = shuffled.images().iloc[np.argsort(rows)].reset_index(drop=True)
    pd.testing.assert_frame_equal(images, whole.images(), rtol=1e-12)
    pd.testing.assert_frame_equal(shuffled.pooled(), whole.pooled(), rtol=1e-9)


def test_many_classes_are_counted_in_parts(batch_of, monkeypatch):
    batch = batch_of(classes=4)
    at_once = measured(batch)
    monkeypatch.setattr(stream, "CELLS_AT_MOST", 2 * 4096 * 16)
    pd.testing.assert_frame_equal(measured(batch).images(), at_once.images(), rtol=1e-12)


def test_what_is_held_does_not_grow_with_the_pixels(batch_of):
    held = []
    for images, size in ((4, 8), (4, 24)):
        found = measured(batch_of(images=images, size=size))
        held.append([part.nbytes for total in found._sums.values() for part in total])
    assert held[0] == held[1]


@pytest.mark.parametrize("right", [True, False])
def test_what_is_undefined_says_why_and_nothing_else_is(batch, right):
    """Images that are right, or wrong, everywhere, with constant maps and raters who agree."""
    truth = batch.predicted if right else 1 - batch.predicted
    constant = {name: np.full_like(values, 0.2) for name, values in batch.maps.items()}
    agreeing = np.repeat(truth[:, np.newaxis], 3, axis=1)
    images = measured(
        PixelBatch(batch.probabilities, batch.predicted, truth, constant, agreeing, batch.draws)
    ).images()
    undefined = {column.split("/")[-1] for column in images if images[column].isna().any()}
    assert undefined == {name for name, metric in PIXEL_METRICS.items() if metric.undefined}
    assert all(images[c].isna().all() or images[c].notna().all() for c in images)


def test_without_raters_there_is_no_column_of_them(batch):
    alone = PixelBatch(batch.probabilities, batch.predicted, batch.truth, batch.maps)
    names = {column.split("/")[-1] for column in measured(alone).images()}
    assert names == {name for name, metric in PIXEL_METRICS.items() if not metric.needs_raters}


def test_curves_end_where_they_must(whole, batch):
    curves = whole.pooled().dropna(subset=["x"])
    retention = curves[curves["name"] == "retention"]
    assert (retention["x"].iloc[0], retention["value"].iloc[0]) == (0.0, 1.0)
    assert retention["x"].iloc[-1] == 1.0
    reliability = curves[curves["name"] == "reliability"]
    share = curves[curves["name"] == "reliability_share"]
    right = (batch.truth == batch.predicted).mean()
    np.testing.assert_allclose(share["value"].sum(), 1.0)
    np.testing.assert_allclose(
        (reliability["value"].to_numpy() * share["value"].to_numpy()).sum(), right
    )
    pavpu = curves[curves["name"] == "pavpu"]
    np.testing.assert_allclose(
        np.trapezoid(pavpu["value"], pavpu["x"]), whole.images()["smooth/pavpu"].mean()
    )
