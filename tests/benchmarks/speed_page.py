"""The tables of ``docs/speed.md``, made from ``results/speed``, and what they must show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FLOORS = {
    "train_float32": 1.4,
    "train_bfloat16": 1.3,
    "predict_float32": 1.15,
    "predict_bfloat16": 1.3,
    "mc_dropout_20": 4.0,
    "mc_dropout_loop": 5.0,
    "scoring": 200.0,
    "aggregations": 3.0,
    "pairwise_dice": 50.0,
}
"""Ratios (peer time / our time) that a comparison must reach."""

CEILINGS = {"memory_200_draws": 1.1}
"""Ratios that must not be exceeded."""


def misses(found: dict[str, Any], share: float = 1.0) -> dict[str, str]:
    """Return, by key, how a measured ratio misses its floor or ceiling.

    Args:
        found: What ``side_by_side.py --json`` prints; what was skipped misses nothing.
        share: Of each floor that is asked for; ceilings stay.
    """
    missed = {}
    for key, result in found.items():
        ratio = result.get("ratio")
        if ratio is None:
            continue
        if ratio < FLOORS.get(key, 0.0) * share:
            missed[key] = f"{ratio:.3g} is below {FLOORS[key] * share:.3g}"
        if ratio > CEILINGS.get(key, ratio):
            missed[key] = f"{ratio:.3g} is above {CEILINGS[key]:.3g}"
    return missed


def table(found: dict[str, Any]) -> str:
    """Return a Markdown table of comparisons by key."""
    rows = [
        "| key | work | peer, in its fastest mode | peer | ours | ratio | must be | n |",
        "|---|---|---|--:|--:|--:|--:|--:|",
    ]
    return "\n".join([*rows, *(_row(key, result) for key, result in found.items())])


def _row(key: str, result: dict[str, Any]) -> str:
    if "skipped" in result:
        return f"| `{key}` | skipped: {result['skipped']} | | | | | {_bound(key)} | |"
    mode = result["peer"].get("mode")
    peer = f"{result['peer_is']}; {mode}" if mode else result["peer_is"]
    cells = [
        f"`{key}`",
        result["work"],
        peer,
        _figure(result["peer"]),
        _figure(result["ours"]),
        f"**{result['ratio']:.3g}**",
        _bound(key),
        str(result["n"]),
    ]
    return f"| {' | '.join(cells)} |"


def _bound(key: str) -> str:
    if key in FLOORS:
        return f"≥ {FLOORS[key]:g}"
    return f"≤ {CEILINGS[key]:g}" if key in CEILINGS else ""


def _figure(side: dict[str, Any]) -> str:
    if "images_per_second" in side:
        return f"{_number(side['images_per_second'])} images/s"
    if "seconds" in side:
        return f"{_number(side['seconds'])} s"
    return ", ".join(f"{value:,.0f} MiB" for value in side.values()) or "not measured"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def provenance(found: dict[str, Any]) -> str:
    """Return a line for each run that the comparisons come from: command, commit, machine."""
    runs: dict[str, list[str]] = {}
    for key, result in found.items():
        machine, versions = result["machine"], result["versions"]
        packages = sorted({f"{name} {v}" for side in versions.values() for name, v in side.items()})
        run = (
            f"`{result['command']}` at {result['commit']}; {machine['processor']}, "
            f"{machine['cores']} cores, {machine['threads']} threads a side; {', '.join(packages)}"
        )
        runs.setdefault(run, []).append(f"`{key}`")
    return "\n".join(f"- {', '.join(keys)}: {run}." for run, keys in runs.items())


def device_table(found: dict[str, Any]) -> str:
    """Return a Markdown table of what ``gpu.py`` measured on a device."""
    head = [
        "| work | size | precision | XLA | batch | draws | images/s | device memory | share |",
        "|---|---|---|---|--:|--:|--:|--:|--:|",
    ]
    rates = ", ".join(f"{rate / 1e12:.3g} ({p})" for p, rate in found["rates"].items())
    caption = (
        f"{found['device']}, {found['backend']} {found['versions'].get(found['backend'], '')}; "
        f"products of matrices: {rates} TFLOP/s. Share: counted operations of convolutions over "
        f"the measured bfloat16 rate. `{found['command']}` at {found['commit']}."
    )
    return "\n".join([caption, "", *head, *map(_device_row, found["rows"])])


def _device_row(row: dict[str, Any]) -> str:
    cells = [
        row["work"],
        f"{row['height']}x{row['width']}",
        row["precision"],
        "yes" if row["accelerate"] == "xla" else "no",
        str(row["batch"]),
        str(row.get("draws", "")),
    ]
    if "failed" in row:
        return f"| {' | '.join([*cells, row['failed']])} | | |"
    memory = row["peak_device_mib"]
    cells += [
        _number(row["images_per_second"]),
        "" if memory is None else f"{memory:,.0f} MiB",
        f"{row['share_of_bfloat16_rate']:.1%}",
    ]
    return f"| {' | '.join(cells)} |"


def tables(results: Path) -> str:
    """Return all tables as Markdown, from the JSON files in a folder."""
    compared, devices = results / "side_by_side.json", sorted(results.glob("gpu-*.json"))
    text = "## Against peers\n\n"
    if compared.exists():
        found = json.loads(compared.read_text())
        text += f"{table(found)}\n\n{provenance(found)}\n"
    else:
        text += "Not measured yet.\n"
    text += "\n## On one GPU\n\n"
    if not devices:
        return text + "No GPU was to be had: `tests/benchmarks/gpu.py` waits for one.\n"
    return text + "\n\n".join(device_table(json.loads(path.read_text())) for path in devices) + "\n"


def page(root: Path) -> str:
    """Return ``docs/speed.md`` with its tables as ``results/speed`` gives them."""
    # Here, because a script has the package on its path only once it runs.
    from dicecast.leaderboard.excerpt import with_excerpt  # noqa: PLC0415

    return with_excerpt(root / "docs" / "speed.md", "speed", tables(root / "results" / "speed"))


def write(root: Path) -> None:
    """Write ``docs/speed.md``."""
    (root / "docs" / "speed.md").write_text(page(root))
