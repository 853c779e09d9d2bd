"""The metrics of pixels, as Markdown."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dicecast.leaderboard.render import (
    Notes,
    Row,
    cell,
    code,
    escape,
    fixed,
    interval_cell,
    pipe_table,
)

OF_PROBABILITIES = {
    "nll": "NLL",
    "brier": "Brier",
    "ece": "ECE",
    "ece_pooled": "ECE, pooled",
    "adaptive_calibration_error": "adaptive error",
    "average_calibration_error_pooled": "average error, pooled",
    "maximum_calibration_error_pooled": "maximum error, pooled",
    "error_rate": "wrong pixels",
    "soft_dice": "soft Dice",
    "generalised_energy_distance": "energy distance",
}
OF_OWN_MAP = {
    "error_auroc": "AUROC",
    "error_auroc_pooled": "AUROC, pooled",
    "error_average_precision": "AP",
    "uncertainty_error_overlap": "overlap",
    "retention_area_above_curve": "R-AAC",
    "qu_brats": "QU-BraTS",
    "pavpu": "PAvPU",
    "rater_variance_ncc": "NCC",
}
"""Columns of the two tables of a domain, with their titles; one that no row has is left out."""

OF_EVERY_MAP = {
    "error_auroc": "AUROC of finding wrong pixels",
    "rater_variance_ncc": "Normalised cross-correlation with the variance of the raters",
}
"""Metrics that are shown for every map that two estimators have."""


def pixels_as_markdown(table: pd.DataFrame) -> str:
    """Return the most useful columns by domain; all are in the CSV.

    Args:
        table: As of ``dicecast.leaderboard.pixels.pixel_table``.
    """
    notes = Notes()
    parts = [f"# Pixels: {escape(str(table['suite'].iloc[0]))}", _legend(table)]
    for domain in table["domain"].unique():
        rows = table[table["domain"] == domain]
        parts += [f"## {escape(str(domain))}", f"{rows['n'].iloc[0]} images."]
        of_maps = rows["map"] != ""
        parts += ["Probabilities:", _table(rows[~of_maps], OF_PROBABILITIES, notes)]
        own = rows[of_maps & rows["own_map"].astype(bool)]
        if len(own):
            parts += ["Each estimator's own map:", _table(own, OF_OWN_MAP, notes)]
        parts += [
            f"{title}, every map:\n\n{_pivot(rows[of_maps], name)}"
            for name, title in OF_EVERY_MAP.items()
            if rows[name].notna().any()
        ]
    return "\n\n".join([*parts, *notes.lines()]) + "\n"


def _table(rows: pd.DataFrame, titles: dict[str, str], notes: Notes) -> str:
    """Return one row an estimator, with the map where the rows are of maps."""
    shown = {name: title for name, title in titles.items() if rows[name].notna().any()}
    texts = ["estimator", *(["map"] if (rows["map"] != "").any() else [])]
    lines = [
        [*(code(str(row[text])) for text in texts), *(_cell(row, name, notes) for name in shown)]
        for row in rows.to_dict(orient="records")
    ]
    return pipe_table([*texts, *shown.values()], lines, texts=len(texts))


def _cell(row: Row, name: str, notes: Notes) -> str:
    return cell(row, name, notes) if f"{name}_low" not in row else interval_cell(row, name, notes)


def _pivot(rows: pd.DataFrame, name: str) -> str:
    """Return one row an estimator and one column a map that several estimators have."""
    defined = rows[rows[name].notna()]
    values = defined.pivot_table(index="estimator", columns="map", values=name)
    shared = [column for column in values.columns if values[column].notna().sum() > 1]
    kept = shared or list(values.columns)
    values = values[kept].dropna(how="all")
    lines = [
        [code(str(name)), *("-" if np.isnan(value) else fixed(value) for value in row)]
        for name, row in zip(values.index, values.to_numpy(), strict=True)
    ]
    return pipe_table(["estimator", *map(code, kept)], lines, texts=1)


def _legend(table: pd.DataFrame) -> str:
    level = f"{100 * table.attrs['level']:g} %"
    return "\n".join(
        [
            "How right the probabilities are, and whether the map of uncertainty is high where the "
            "segmentation is wrong. Each number is a mean over images, then over seeds; *pooled* "
            "is of all pixels of the domain at once, and the two may differ much.",
            "",
            "- **NLL**, **Brier** (summed over classes), calibration errors of the confidence in "
            "20 bins (**ECE** weighs bins by pixels, *average* alike; *adaptive* bins hold as many "
            "pixels each; *maximum* is the worst bin), **wrong pixels**: lower is better.",
            "- **AUROC**, **AP** (average precision; chance is the share of wrong pixels) of "
            "finding wrong pixels, **overlap** of uncertain and wrong pixels (threshold from "
            "validation), **QU-BraTS**, **PAvPU** (area over thresholds): higher is better.",
            "- **R-AAC**: area above the retention curve, the Dice as the most uncertain pixels "
            "are set right; lower is better. It depends on the Dice too.",
            "- Against several raters: **soft Dice** of probabilities and shares of raters, "
            "**NCC** of the map with their variance: higher is better; **energy distance** (GED², "
            "16 draws): lower is better.",
            f"- **[low, high]**: {level} interval from {table.attrs['resamples']} resamples of "
            "whole groups (patients), the same for all rows of a domain.",
            "",
            "Everything is in `pixels.csv`, with the number of images that have a metric.",
        ]
    )
