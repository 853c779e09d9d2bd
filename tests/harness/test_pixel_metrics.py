"""Metrics of pixels in a run: of the test sets, in the record, with a reason where undefined."""

import numpy as np
import pandas as pd
import pytest
from keras import ops

from dicecast.data.cases import Cases, SegmentationData
from dicecast.estimation.contract import Predictive
from dicecast.estimation.sampling import Sampler
from dicecast.harness.pixel_metrics import NOT_ITS_OWN, ONE_TRUTH
from dicecast.harness.predicting import predict_roles
from dicecast.harness.reporting import Reporter
from dicecast.metrics.pixels.ambiguity import generalised_energy_distance
from dicecast.metrics.pixels.catalogue import PIXEL_METRICS
from dicecast.records import PIXELS, POOLED_PIXELS, read_records

ENERGY = "generalised_energy_distance"


class Brightness(Predictive):
    """Class 1 where the image is brighter than a threshold, which differs from draw to draw."""

    def __init__(self, draws: int, says: bool = True) -> None:
        self.num_draws, self.measures_from_draws = draws, says
        if not says:
            self.own_map = "darkness"

    def draw(self, state, prepared, noise):
        threshold = 0.35 + 0.01 * ops.cast(noise.index, "float32")
        probability = ops.sigmoid(20 * (ops.mean(prepared, axis=-1) - threshold))
        return ops.stack([1 - probability, probability], axis=-1)

    def maps(self, state, prepared):
        return {"darkness": 1 - ops.mean(prepared, axis=-1)}


def rated(cases: Cases) -> Cases:
    raters = np.stack([cases.masks, np.roll(cases.masks, 1, axis=1)], axis=1)
    return Cases(cases.table, cases.images, cases.masks, raters)


@pytest.fixture(params=["one truth", "raters"])
def data(request, disc_data) -> SegmentationData:
    if request.param == "one truth":
        return disc_data
    test = {name: rated(cases) for name, cases in disc_data.test.items()}
    return SegmentationData(
        *("discs", disc_data.classes, disc_data.train, disc_data.validation, disc_data.quality),
        test,
    )


def predict(data, predictive, batch_size=32):
    return predict_roles(data, predictive, Sampler(2, batch_size=batch_size), 0, Reporter())


@pytest.mark.parametrize(
    ("draws", "says", "reason"),
    [
        (16, True, None),
        (18, True, None),
        (3, True, "needs at least 16 draws"),
        (16, False, NOT_ITS_OWN),
    ],
)
def test_what_is_defined_has_a_column_and_what_is_not_a_reason(data, draws, says, reason):
    artifact = predict(data, Brightness(draws, says))
    columns = {name.rpartition("/")[2] for name in artifact.tables[PIXELS]}
    undefined = artifact.info["undefined_pixels"]
    assert columns - {"domain", "stem"} == set(PIXEL_METRICS) - set(undefined)
    if data.test["in_distribution"].raters is None:
        needing = {name for name, metric in PIXEL_METRICS.items() if metric.needs_raters}
        assert undefined == dict.fromkeys(needing, ONE_TRUTH)
    else:
        assert undefined == ({ENERGY: reason} if reason else {})


def test_the_energy_distance_is_of_the_first_16_draws_and_all_raters(data):
    cases = data.test["in_distribution"]
    if cases.raters is None:
        return
    found = predict(data, Brightness(18), batch_size=4).tables[PIXELS][ENERGY]
    # As the draws say: brighter than the threshold, in float32.
    bright = (cases.images.astype(np.float32) / 255).mean(axis=-1)
    thresholds = (0.35 + 0.01 * np.arange(16, dtype=np.float32))[:, np.newaxis, np.newaxis]
    draws = (bright[:, np.newaxis] > thresholds).astype(np.uint8)
    expected = generalised_energy_distance(draws, cases.raters, 2)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rows_are_the_test_cases_in_order_whatever_the_batches(data):
    tables = [predict(data, Brightness(16), size).tables for size in (4, 32)]
    assert tables[0][PIXELS]["stem"].tolist() == data.test["in_distribution"].stems
    pd.testing.assert_frame_equal(tables[0][PIXELS], tables[1][PIXELS], rtol=1e-4)
    pd.testing.assert_frame_equal(tables[0][POOLED_PIXELS], tables[1][POOLED_PIXELS], rtol=1e-4)


def test_without_test_sets_there_is_nothing_to_measure(disc_data):
    roles = (disc_data.train, disc_data.validation, disc_data.quality)
    fold = SegmentationData("discs", disc_data.classes, *roles, {})
    assert set(predict(fold, Brightness(2)).tables) == {"cases"}


def test_the_records_of_a_run_hold_the_metrics_of_pixels(finished, tiny):
    for record in read_records(finished / "results", "tiny"):
        pixels = record.further[PIXELS]
        assert pixels["stem"].tolist() == record.cases["stem"].tolist()
        own = record.sidecar.own_map
        assert {"nll", "ece", f"{own}/error_auroc", f"{own}/pavpu"} <= set(pixels)
        assert set(record.further[POOLED_PIXELS]["domain"]) == set(record.cases["domain"])
    random = next(
        r for r in read_records(finished / "results", "tiny") if r.sidecar.own_map == "random"
    )
    assert abs(random.further[PIXELS]["random/error_auroc"].mean() - 0.5) < 0.05
