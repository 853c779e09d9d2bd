"""The page of ``scale.py``: a table and a figure, made from its JSON."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

Result = dict[str, Any]


def grown(axis: Result) -> list[float]:
    """Return by how much each point's size exceeds the first, in what the work is linear in."""
    power = 2 if axis["field"] == "side" else 1
    sizes = [point["size"] ** power for point in axis["points"]]
    return [size - sizes[0] for size in sizes[1:]]


def exponent(axis: Result) -> float:
    """Return p where the time beyond the smallest run grows like (size beyond it) ** p.

    The least-squares slope of log(seconds - first seconds) on log(size - first size): 1 is linear.
    The smallest run is what a run costs before there is anything to do.
    """
    seconds = [point["seconds"] - axis["points"][0]["seconds"] for point in axis["points"][1:]]
    return float(np.polyfit(np.log(grown(axis)), np.log(seconds), 1)[0])


def summary(result: Result) -> str:
    """Return the tables as Markdown."""
    return "\n\n".join(_section(name, axis) for name, axis in result["axes"].items())


def _section(name: str, axis: Result) -> str:
    rows = [
        f"| {axis['field']} | seconds | ms each beyond the first | data, MiB | peak memory, MiB |",
        "|---:|---:|---:|---:|---:|",
    ]
    first = axis["points"][0]
    for point, more in zip(axis["points"], [0.0, *grown(axis)], strict=True):
        each = 1000 * (point["seconds"] - first["seconds"]) / more if more else math.nan
        rows.append(
            f"| {point['size']:,} | {point['seconds']:.1f} | {_number(each)} | "
            f"{point['data_mb']:,.0f} | {point['peak_mb']:,.0f} |"
        )
    return "\n".join(
        [
            f"### {name[0].upper()}{name[1:]}",
            "",
            *rows,
            "",
            f"Exponent {exponent(axis):.2f}. Once each, {axis['machine']['cores']} cores, "
            f"`{axis['command']}` at {axis['commit']}.",
        ]
    )


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def write_page(result: Result, folder: Path) -> None:
    """Write ``scale.md`` and ``scale.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scale.md").write_text(page(result))
    draw(result, folder / "scale.png")


def page(result: Result) -> str:
    """Return the page as Markdown."""
    return _HEAD + summary(result) + "\n"


_HEAD = """# Time and memory against size

<!-- Written by tests/benchmarks/scale.py --write from results/speed/scale.json; do not edit. -->

![Seconds and peak memory against size, both axes logarithmic](scale.png)

Each run is a small suite of made-up lesions in a process of its own, from an empty store: U-Net of
width 4, `mc_dropout`, heads `isotonic`, `forest` and `two_stage`. Seconds are from its start to its
end. Images, masks and what an estimator says of them are kept in files beyond 64 MiB. They lie in
the folder `$DICECAST_SCRATCH`, or where Python puts temporary files (`$TMPDIR`, else `/tmp`: name a
folder on a disk where that one is kept in memory), and are gone with the process.

The exponent is the slope of log(seconds beyond the first run) on log(size beyond it): 1 is linear.

"""


def draw(result: Result, path: Path) -> None:
    """Write the figure: seconds above, peak memory below, a column an axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  slow
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(3.1 * len(result["axes"]), 6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, len(result["axes"]), squeeze=False)
    for column, (name, axis) in enumerate(result["axes"].items()):
        _draw_seconds(panels[0][column], name, axis)
        _draw_memory(panels[1][column], axis)
    panels[0][0].set_ylabel("seconds")
    panels[1][0].set_ylabel("MiB")
    figure.savefig(path, dpi=100, metadata={"Software": None})


def _draw_seconds(panel: Any, name: str, axis: Result) -> None:
    sizes = np.array([point["size"] for point in axis["points"]], float)
    seconds = np.array([point["seconds"] for point in axis["points"]])
    power = 2 if axis["field"] == "side" else 1
    panel.loglog(sizes, seconds, "o-", color="#1f5fa8", label="a run")
    fit = np.polyfit(sizes**power, seconds, 1, w=1 / seconds)
    fine = np.geomspace(sizes[0], sizes[-1], 100)
    label = "a + b size" + ("$^2$" if power == 2 else "")
    panel.loglog(fine, np.polyval(fit, fine**power), ":", color="#444444", label=label)
    panel.set_title(f"{name}\nexponent {exponent(axis):.2f}", fontsize=10)
    panel.legend(fontsize=8)
    panel.grid(which="both", alpha=0.25)


def _draw_memory(panel: Any, axis: Result) -> None:
    sizes = [point["size"] for point in axis["points"]]
    panel.loglog(sizes, [p["peak_mb"] for p in axis["points"]], "o-", color="#b3452c", label="peak")
    panel.loglog(
        sizes, [p["data_mb"] for p in axis["points"]], "s--", color="#777777", label="data"
    )
    panel.set_xlabel(axis["field"])
    panel.legend(fontsize=8)
    panel.grid(which="both", alpha=0.25)
