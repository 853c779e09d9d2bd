"""Metrics of the pixels of one test set, counted batch by batch: memory does not grow with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.metrics.pixels.ambiguity import (
    generalised_energy_distance,
    rater_variance,
    shares_of_raters,
    sum_correlated,
    sum_overlap,
)
from dicecast.metrics.pixels.bins import BINS
from dicecast.metrics.pixels.catalogue import (
    NOT_SUMMED,
    PIXEL_METRICS,
    Energy,
    Patches,
    Statistic,
    column_of,
)
from dicecast.metrics.pixels.confusion import cells, confusion
from dicecast.metrics.pixels.curves import curves
from dicecast.metrics.pixels.detection import rank_pixels
from dicecast.metrics.pixels.patches import count_patches
from dicecast.metrics.pixels.probabilities import count_probabilities
from dicecast.metrics.pixels.ratio import Floats
from dicecast.metrics.pixels.scale import MapScale

Masks = NDArray[np.uint8]

CELLS_AT_MOST = 2**22
"""Counters of a confusion that are held at once (32 MiB); more images are counted in parts."""

POOLED_COLUMNS = ("map", "name", "x", "value")
"""Columns of a table of pooled numbers: ``x`` is NaN of a metric and a place on a curve."""


@dataclass(frozen=True)
class PixelBatch:
    """What was predicted of some images, and their truth.

    Attributes:
        probabilities: ``(images, height, width, classes)``, float32.
        predicted: ``(images, height, width)``, uint8.
        truth: Same shape, uint8.
        maps: By name, each of that shape, float32, high where unsure.
        raters: ``(images, raters, height, width)``, uint8, or None.
        draws: ``(images, draws, height, width)``, uint8, masks of the draws to be compared with
            those of the raters, or None.
    """

    probabilities: NDArray[np.float32]
    predicted: Masks
    truth: Masks
    maps: Mapping[str, NDArray[np.float32]]
    raters: Masks | None = None
    draws: Masks | None = None

    def take(self, rows: slice) -> PixelBatch:
        """Return some of the images."""
        return PixelBatch(
            self.probabilities[rows],
            self.predicted[rows],
            self.truth[rows],
            {name: values[rows] for name, values in self.maps.items()},
            None if self.raters is None else self.raters[rows],
            None if self.draws is None else self.draws[rows],
        )


@dataclass
class PixelMetrics:
    """Every metric of pixels, of each image and of all images of one test set.

    Attributes:
        num_classes: How many classes, background included.
        own_map: The map that every metric of maps is given for; others have those that cost little.
        scale: Of the own map, from validation.
    """

    num_classes: int
    own_map: str
    scale: MapScale
    _images: list[dict[str, Floats]] = field(default_factory=list, repr=False)
    _sums: dict[tuple[str, type[Statistic]], Any] = field(default_factory=dict, repr=False)

    def update(self, batch: PixelBatch) -> None:
        """Count the pixels of some images."""
        step = max(1, CELLS_AT_MOST // (BINS * self.num_classes**2))
        for start in range(0, len(batch.truth), step):
            self._images.append(self._counted(batch.take(slice(start, start + step))))

    def images(self) -> pd.DataFrame:
        """Return the metrics of each image, one row each, in the order of the updates.

        Columns are ``<metric>`` and ``<map>/<metric>``; NaN is what ``PixelMetric.undefined`` says.
        """
        columns = dict.fromkeys(name for part in self._images for name in part)
        return pd.DataFrame(
            {name: np.concatenate([part[name] for part in self._images]) for name in columns}
        )

    def pooled(self) -> pd.DataFrame:
        """Return the metrics of all pixels together, ``<metric>_pooled``, and the curves.

        Returns:
            One row a number, the columns ``POOLED_COLUMNS``; see ``curves`` for the names.
        """
        rows: list[tuple[str, str, float, float]] = []
        for (of_map, kind), total in self._sums.items():
            for name, metric in PIXEL_METRICS.items():
                if metric.pooled_from is kind:
                    value = metric.compute(total, self.scale)[0]
                    rows.append((of_map, f"{name}_pooled", np.nan, value))
            rows += [(of_map, *point) for point in curves(total)]
        return pd.DataFrame(rows, columns=list(POOLED_COLUMNS))

    def _counted(self, batch: PixelBatch) -> dict[str, Floats]:
        values: dict[str, Floats] = {}
        for of_map, statistic in self._statistics(batch):
            for name, metric in PIXEL_METRICS.items():
                if metric.reads is type(statistic):
                    values[column_of(name, of_map)] = metric.compute(statistic, self.scale)
            if not isinstance(statistic, NOT_SUMMED):
                key = of_map, type(statistic)
                self._sums[key] = _added(self._sums.get(key), statistic)
        return values

    def _statistics(self, batch: PixelBatch) -> Iterator[tuple[str, Statistic]]:
        """Yield what is counted of some images, each with the map it is of (empty for none)."""
        yield "", count_probabilities(batch.probabilities, batch.truth, batch.predicted)
        wrong = batch.truth != batch.predicted
        for name, values in batch.maps.items():
            yield name, rank_pixels(values, wrong)
        own, cell = batch.maps[self.own_map], cells(batch.truth, batch.predicted, self.num_classes)
        yield self.own_map, confusion(own, cell, self.num_classes)
        yield self.own_map, Patches(count_patches(own, wrong, self.scale.levels))
        if batch.raters is not None:
            yield from self._of_raters(batch, batch.raters)

    def _of_raters(self, batch: PixelBatch, raters: Masks) -> Iterator[tuple[str, Statistic]]:
        shares = shares_of_raters(raters, self.num_classes)
        yield "", sum_overlap(batch.probabilities, shares)
        if batch.draws is not None:
            yield "", Energy(generalised_energy_distance(batch.draws, raters, self.num_classes))
        variance = rater_variance(shares)
        for name, values in batch.maps.items():
            yield name, sum_correlated(values, variance)


def _added(total: Any, statistic: Statistic) -> Any:
    """Add up the images of a statistic, and what was added up before."""
    sums = [part.sum(axis=0, keepdims=True) for part in statistic]
    if total is not None:
        sums = [held + more for held, more in zip(total, sums, strict=True)]
    return type(statistic)(*sums)
