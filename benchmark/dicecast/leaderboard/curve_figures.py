"""Figures of the curves: one panel an estimator, before the grey of all others.

Panels instead of colours: some thirty estimators could not be told apart in one plot.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dicecast.leaderboard.curves import COVERAGE, Band, Curves
from dicecast.metrics.discrimination import QUALITY_THRESHOLDS

Floats = NDArray[np.float64]

_WIDTH, _HEIGHT = 2.9, 2.35
_INK, _OTHERS, _CHANCE = "#0072B2", "#c4c4c4", "#444444"
"""Blue of Okabe and Ito's palette on greys: told apart by lightness alone."""


class _Line(NamedTuple):
    """A line that is the same kind in every panel."""

    label: str
    values: Callable[[Curves], Floats]
    style: str


class _Kind(NamedTuple):
    """A kind of figure.

    Attributes:
        x: Where the points lie.
        x_label: Of all panels.
        y_label: Likewise.
        limits: Lower and upper end of the vertical axis, from the largest mean risk. Where few
            cases are left a curve may leave it: a single case would else flatten all others.
        band: The estimator's own curve.
        lines: What it is compared with.
    """

    x: Floats
    x_label: str
    y_label: str
    limits: Callable[[float], tuple[float, float]]
    band: Callable[[Curves], Band]
    lines: tuple[_Line, ...]


def _referral(curves: Curves) -> Band:
    """Turn mean risk over coverage into mean quality over the share that is referred."""
    risk = curves.risk
    return Band(1.0 - risk.middle[::-1], 1.0 - risk.high[::-1], 1.0 - risk.low[::-1])


_KINDS = {
    "risk_coverage": _Kind(
        COVERAGE,
        "share of cases accepted (coverage)",
        "mean risk (1 - quality) of accepted cases",
        lambda risk: (0.0, 1.4 * risk),
        lambda curves: curves.risk,
        (
            _Line("accepted at random", lambda c: np.full(101, c.random_risk), "--"),
            _Line("accepted by true quality", lambda c: c.best_risk, ":"),
        ),
    ),
    "referral": _Kind(
        COVERAGE,
        "share of cases referred to a human, least trusted first",
        "mean quality of the cases that are kept",
        lambda risk: (1.0 - 1.4 * risk, 1.0),
        _referral,
        (
            _Line("referred at random", lambda c: np.full(101, 1.0 - c.random_risk), "--"),
            _Line("referred by true quality", lambda c: 1.0 - c.best_risk[::-1], ":"),
        ),
    ),
    "failure_auroc": _Kind(
        np.array(QUALITY_THRESHOLDS),
        "a case fails where its quality is below",
        "AUROC of finding failures",
        lambda _: (0.4, 1.0),
        lambda curves: curves.auroc,
        (_Line("chance", lambda _: np.full(len(QUALITY_THRESHOLDS), 0.5), "--"),),
    ),
}


def draw_curves(curves: Sequence[Curves], mark: str) -> dict[str, bytes]:
    """Return the figures as PNG, by the names of ``dicecast.leaderboard.markdown.FIGURES``.

    The same bytes for the same curves and version of matplotlib.

    Args:
        curves: One an estimator, at least one.
        mark: Kept in each image as its description, so that a stale one can be told.
    """
    return {name: _png(kind, curves, mark) for name, kind in _KINDS.items()}


def _png(kind: _Kind, curves: Sequence[Curves], mark: str) -> bytes:
    columns = min(len(curves), 3 if len(curves) <= 9 else 4)
    rows = -(-len(curves) // columns)
    size = (max(_WIDTH * columns, 6.4) + 0.4, _HEIGHT * rows + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for axis, own in zip(axes, curves, strict=False):
        _panel(axis, kind, own, [other for other in curves if other is not own])
    axes[0].set_ylim(*kind.limits(max(own.random_risk for own in curves)))
    for place, axis in enumerate(axes):
        axis.set_visible(place < len(curves))
        # The panels above an empty place carry the ticks of its column.
        axis.tick_params(labelbottom=place + columns >= len(curves))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    figure.supxlabel(kind.x_label, fontsize=11)
    figure.supylabel(kind.y_label, fontsize=11)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None, "Description": mark})
    return buffer.getvalue()


def _panel(axis: Axes, kind: _Kind, own: Curves, others: Sequence[Curves]) -> None:
    for other in others:
        axis.plot(kind.x, kind.band(other).middle, color=_OTHERS, linewidth=0.8, zorder=1)
    for line in kind.lines:
        axis.plot(
            kind.x, line.values(own), line.style, color=_CHANCE, linewidth=1.3, label=line.label
        )
    band = kind.band(own)
    axis.fill_between(kind.x, band.low, band.high, color=_INK, alpha=0.25, linewidth=0, zorder=2)
    axis.plot(kind.x, band.middle, color=_INK, linewidth=2.0, label="this score", zorder=3)
    if others:
        axis.plot([], [], color=_OTHERS, linewidth=0.8, label="the other estimators")
    axis.set_title(f"{own.estimator}\n{own.score}", fontsize=9.5, parse_math=False)
    axis.tick_params(labelsize=9)
    axis.set_xlim(kind.x[0], kind.x[-1])
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.grid(color="#eeeeee", linewidth=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
