"""The catalogue of metrics of pixels: what each reads, its direction, and when it is undefined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from dicecast.metrics.pixels import (
    ambiguity,
    calibration,
    detection,
    filtering,
    overlap,
    patches,
    proper,
    retention,
)
from dicecast.metrics.pixels.ambiguity import Correlated, SoftOverlap
from dicecast.metrics.pixels.confusion import Confusion, Counts
from dicecast.metrics.pixels.detection import Steps, steps
from dicecast.metrics.pixels.probabilities import Probabilities
from dicecast.metrics.pixels.ratio import Floats
from dicecast.metrics.pixels.scale import MapScale


class Patches(NamedTuple):
    """Patches of images; see ``patches.count_patches``."""

    counts: Counts


class Energy(NamedTuple):
    """The energy distance of each image, ``(images,)``."""

    distance: Floats


Statistic = Probabilities | Steps | Confusion | Patches | SoftOverlap | Correlated | Energy
"""What is known of images. Sums over images are of all their pixels, but for ``NOT_SUMMED``."""

NOT_SUMMED: tuple[type[Statistic], ...] = (Steps, Energy)


@dataclass(frozen=True)
class PixelMetric:
    """A metric of pixels.

    Attributes:
        reads: The statistic that it is a function of.
        compute: The function: of the statistic, and of the scale of the estimator's own map.
        higher_is_better: Which way to sort by it.
        pooled_from: The statistic, summed over images, that gives it of all pixels of a test set;
            None where that is the mean over images, which are of one size, or does not exist.
        undefined: When an image has none, in words; empty where each has one.
    """

    reads: type[Statistic]
    compute: Callable[[Any, MapScale], Floats]
    higher_is_better: bool
    pooled_from: type[Statistic] | None
    undefined: str = ""

    @property
    def of_map(self) -> bool:
        """Whether there is one number a map, not one for the estimator."""
        return self.reads in (Steps, Confusion, Patches, Correlated)

    @property
    def of_own_map(self) -> bool:
        """Whether it is of the estimator's own map alone."""
        return self.reads in (Confusion, Patches)

    @property
    def needs_raters(self) -> bool:
        """Whether it needs the masks of several raters."""
        return self.reads in (SoftOverlap, Correlated, Energy)


def _of_probabilities(function: Callable[[Probabilities], Floats], pooled: bool) -> PixelMetric:
    return PixelMetric(
        Probabilities, lambda summed, _: function(summed), False, Probabilities if pooled else None
    )


def _of_steps(function: Callable[[Steps], Floats]) -> PixelMetric:
    def compute(found: Steps | Confusion, scale: MapScale) -> Floats:
        return function(found if isinstance(found, Steps) else steps(found.wrong, found.pixels))

    return PixelMetric(Steps, compute, True, Confusion, "no pixel is wrong, or all are")


PIXEL_METRICS: dict[str, PixelMetric] = {
    "nll": _of_probabilities(proper.nll, pooled=False),
    "brier": _of_probabilities(proper.brier, pooled=False),
    "error_rate": _of_probabilities(proper.error_rate, pooled=False),
    "ece": _of_probabilities(calibration.ece, pooled=True),
    "average_calibration_error": _of_probabilities(
        calibration.average_calibration_error, pooled=True
    ),
    "adaptive_calibration_error": _of_probabilities(
        calibration.adaptive_calibration_error, pooled=True
    ),
    "maximum_calibration_error": _of_probabilities(
        calibration.maximum_calibration_error, pooled=True
    ),
    "error_auroc": _of_steps(detection.error_auroc),
    "error_average_precision": _of_steps(detection.error_average_precision),
    "uncertainty_error_overlap": PixelMetric(
        Confusion,
        lambda counted, scale: overlap.uncertainty_error_overlap(counted, scale.edge),
        True,
        Confusion,
    ),
    "retention_area_above_curve": PixelMetric(
        Confusion,
        lambda counted, _: retention.retention_area_above_curve(counted),
        False,
        Confusion,
    ),
    "qu_brats": PixelMetric(
        Confusion, lambda counted, scale: filtering.qu_brats(counted, scale.edges), True, Confusion
    ),
    "pavpu": PixelMetric(Patches, lambda found, _: patches.pavpu(found.counts), True, None),
    "generalised_energy_distance": PixelMetric(
        Energy, lambda energy, _: energy.distance, False, None
    ),
    "soft_dice": PixelMetric(
        SoftOverlap, lambda summed, _: ambiguity.soft_dice(summed), True, SoftOverlap
    ),
    "rater_variance_ncc": PixelMetric(
        Correlated,
        lambda summed, _: ambiguity.rater_variance_ncc(summed),
        True,
        Correlated,
        "the map is constant, or the raters agree",
    ),
}
"""Every metric of pixels by name, in the order of a table's columns."""


def column_of(metric: str, of_map: str) -> str:
    """Return the column of a metric in a table of images: ``<metric>`` or ``<map>/<metric>``."""
    return f"{of_map}/{metric}" if of_map else metric
