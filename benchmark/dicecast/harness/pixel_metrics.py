"""Metrics of the pixels of every test set, taken while its predictions stream by."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.data.cases import Cases, SegmentationData
from dicecast.estimation.contract import Predictive
from dicecast.estimation.prediction import Prediction
from dicecast.metrics.pixels.ambiguity import ENERGY_DRAWS
from dicecast.metrics.pixels.catalogue import PIXEL_METRICS
from dicecast.metrics.pixels.scale import ScaleCalibration
from dicecast.metrics.pixels.stream import PixelBatch, PixelMetrics
from dicecast.records import PIXELS, POOLED_PIXELS
from dicecast.stopwatch import timed

NOT_ITS_OWN = "the estimator's draws say nothing about uncertainty"
ONE_TRUTH = "the cases have one truth, not that of several raters"
_ENERGY = "generalised_energy_distance"


class PixelScoring:
    """The metrics of pixels of all test sets; the scale of the map comes from validation.

    Args:
        data: Whose test sets.
        predictive: What predicts them.
    """

    def __init__(self, data: SegmentationData, predictive: Predictive) -> None:
        self.num_classes, self.own_map = data.num_classes, predictive.own_map
        self.undefined = _undefined(data, predictive)
        self._tested = bool(data.test)
        self._calibration = ScaleCalibration(self.num_classes)
        self._sets: dict[str, PixelMetrics] = {}
        self._stems: dict[str, list[str]] = {}

    def draws_wanted(self, cases: Cases) -> int:
        """Return of how many draws the masks are needed for cases of a test set."""
        return ENERGY_DRAWS if cases.raters is not None and _ENERGY not in self.undefined else 0

    def calibrate(
        self,
        uncertainty: NDArray[np.float32],
        truth: NDArray[np.uint8],
        predicted: NDArray[np.uint8],
    ) -> None:
        """Take own maps of the validation role into account, before any case of a test set."""
        if self._tested:
            with timed("pixels", len(truth)):
                self._calibration.update(uncertainty, truth, predicted)

    def update(self, prediction: Prediction, cases: Cases, rows: slice) -> None:
        """Take predictions of a test set into account."""
        domain = str(cases.table["domain"].iloc[0])
        if domain not in self._sets:
            scale = self._calibration.scale()
            self._sets[domain] = PixelMetrics(self.num_classes, self.own_map, scale)
        with timed("pixels", len(prediction.mask)):
            self._sets[domain].update(
                PixelBatch(
                    prediction.mean_probabilities,
                    prediction.mask,
                    cases.masks[rows],
                    prediction.maps,
                    None if cases.raters is None else cases.raters[rows],
                    prediction.draw_masks,
                )
            )
        self._stems.setdefault(domain, []).extend(cases.stems[rows])

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return what a record holds of pixels; nothing where there is no test set."""
        if not self._sets:
            return {}
        return {
            PIXELS: pd.concat([self._images(domain) for domain in self._sets], ignore_index=True),
            POOLED_PIXELS: pd.concat(
                [_of(domain, pixels.pooled()) for domain, pixels in self._sets.items()],
                ignore_index=True,
            ),
        }

    def _images(self, domain: str) -> pd.DataFrame:
        # Half the bytes: seven digits are more than a table shows.
        images = self._sets[domain].images().astype(np.float32)
        images.insert(0, "stem", self._stems[domain])
        return _of(domain, images)


def _of(domain: str, table: pd.DataFrame) -> pd.DataFrame:
    table.insert(0, "domain", domain)
    return table


def _undefined(data: SegmentationData, predictive: Predictive) -> dict[str, str]:
    """Return the metrics that no test case has, with the reason."""
    if all(cases.raters is None for cases in data.test.values()):
        return {name: ONE_TRUTH for name, metric in PIXEL_METRICS.items() if metric.needs_raters}
    if not predictive.measures_from_draws:
        return {_ENERGY: NOT_ITS_OWN}
    too_few = predictive.num_draws < ENERGY_DRAWS
    return {_ENERGY: f"needs at least {ENERGY_DRAWS} draws"} if too_few else {}
