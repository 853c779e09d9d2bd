"""Points of the curves of a test set's pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from dicecast.metrics.pixels.calibration import reliability
from dicecast.metrics.pixels.catalogue import Patches, Statistic
from dicecast.metrics.pixels.confusion import Confusion
from dicecast.metrics.pixels.patches import pavpu_curve
from dicecast.metrics.pixels.probabilities import Probabilities
from dicecast.metrics.pixels.ratio import Floats
from dicecast.metrics.pixels.retention import RETAINED, retention_curve

Point = tuple[str, float, float]


def curves(total: Statistic) -> Iterator[Point]:
    """Yield the name, x and y of each point of the curves that a statistic has.

    - ``reliability``: accuracy over the mean confidence of each bin with a pixel, and
      ``reliability_share``: the share of the pixels that are in that bin.
    - ``retention``: Dice over the share of pixels retained.
    - ``pavpu``: over the threshold, whose ends 0 and 1 are those of the range on validation.

    Args:
        total: Of all pixels of a test set.
    """
    if isinstance(total, Probabilities):
        confidence, accuracy = reliability(total)
        filled = total.in_bin[0] > 0
        share = total.in_bin[0] / total.pixels[0]
        yield from _points("reliability", confidence[0][filled], accuracy[0][filled])
        yield from _points("reliability_share", confidence[0][filled], share[filled])
    if isinstance(total, Confusion):
        yield from _points("retention", RETAINED, retention_curve(total)[0])
    if isinstance(total, Patches):
        curve = pavpu_curve(total.counts)[0]
        yield from _points("pavpu", np.linspace(0.0, 1.0, len(curve)), curve)


def _points(name: str, xs: Floats, ys: Floats) -> Iterable[Point]:
    return ((name, x, y) for x, y in zip(xs.tolist(), ys.tolist(), strict=True))
