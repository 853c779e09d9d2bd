"""The area under the risk-coverage curve of some scores, in every resample of a block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.resampling.acceptance import Acceptance
from dicecast.metrics.resampling.block import column_sums

Floats = NDArray[np.float64]

# A resample nearly always has one of the first few cases, so that the rest need not be read.
_FIRST_FEW = 24


def selective_risks(taken: Acceptance) -> Floats:
    """Return the area times twice the number of cases, ``(rows, resamples)``.

    It is the sum, over the cases, of the selective risk before and after the ties of each.
    """
    # Left of its first point the curve goes on level.
    area = _first_risk(taken)
    # In the memory of the summed risk, which nothing else needs.
    selective = np.divide(taken.risk, taken.accepted, out=taken.risk)
    if taken.paths.distinct:
        counts = taken.present[:, :, 1:]
        for side in (selective[:, :-1], selective[:, 1:]):
            area += np.einsum("rnij,rnij->rj", counts, side.reshape(counts.shape))
    else:
        for places in (taken.paths.before, taken.paths.upto):
            side = taken.chosen(selective, places, "selective risk")
            area += column_sums(taken.block.counts, side)
    return area


def _first_risk(taken: Acceptance) -> Floats:
    """Return the summed risk of those cases of each resample that have its highest score."""
    cases = taken.paths.order.shape[1]
    accepted = taken.accepted[:, 1 : cases + 1]
    present = accepted[:, :_FIRST_FEW] >= 1.0
    if not present[:, -1].all():
        present = accepted >= 1.0
    first = np.take_along_axis(taken.paths.order, present.argmax(axis=1), axis=1)
    ends = np.take_along_axis(taken.paths.upto, first, axis=1)
    columns = accepted.shape[2]
    risk: Floats = taken.risk.reshape(-1, columns)[ends, np.arange(columns)]
    return risk
