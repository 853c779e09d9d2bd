"""The table of cases of a record: is it the one that its sidecar describes?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from dicecast.errors import control_characters
from dicecast.leaderboard.collect import quality_of
from dicecast.records import (
    CASE_COLUMNS,
    PIXELS,
    POOLED_PIXELS,
    QUALITY,
    Record,
    Sidecar,
    interval_columns,
)
from dicecast.verification.finding import some

_TEXTS = ("stem", "group", "domain")
_FLAGS = ("empty_truth", "empty_prediction")
_TOLERANCE = 1e-9

Fault = tuple[str, str]
"""What a table must, and what was seen instead."""


def case_faults(record: Record) -> Iterator[Fault]:
    """Yield what is wrong with the table of cases of a record that did not fail."""
    cases, sidecar = record.cases, record.sidecar
    assert cases is not None
    classes = [str(name) for name in cases if str(name).startswith("dice/")]
    scores = [name for name, info in sidecar.scores.items() if info.undefined is None]
    ends = [end for pair in _intervals(sidecar) for end in pair]
    quality = [QUALITY] if str(quality_of(record)) else []
    known = [*CASE_COLUMNS, *classes, *quality, *scores, *ends]
    yield from _columns(cases, known)
    present = [name for name in known if name in cases]
    yield from _types(cases, present)
    if not set(CASE_COLUMNS) <= set(present):
        return
    yield from _names(cases)
    floats = [name for name in present if cases[name].dtype.kind == "f"]
    for name in [*{"dice", *classes, *quality} & set(floats)]:
        yield from _range(cases, name)
    infinite = [name for name in floats if np.isinf(cases[name].to_numpy()).any()]
    if infinite:
        yield "have finite numbers, or none, as scores", f"{some(infinite)} has an infinite one"
    if classes and set(classes) <= set(floats):
        yield from _mean(cases, classes)
    for low, high in _intervals(sidecar):
        if {low, high} <= set(floats) and (cases[low] > cases[high]).any():
            yield f"have {low} below {high} in every case", "in some it is above"


def further_faults(record: Record) -> Iterator[tuple[str, Fault]]:
    """Yield what is wrong with the tables beside that of the cases, with the name of each."""
    cases, pixels = record.cases, record.further.get(PIXELS)
    assert cases is not None
    if pixels is not None:
        must = "have one row for each case of the record"
        if not {"domain", "stem"} <= set(pixels):
            yield PIXELS, (must, "it has no columns domain and stem")
        elif sorted(_keys(pixels)) != sorted(_keys(cases)):
            yield PIXELS, (must, f"its {len(pixels)} rows are of other cases")
    pooled = record.further.get(POOLED_PIXELS)
    if pooled is not None:
        domains = set(pooled["domain"]) if "domain" in pooled else set()
        if not domains <= set(cases["domain"]):
            others = sorted(map(str, domains - set(cases["domain"])))
            yield POOLED_PIXELS, ("be of the record's domains", f"it is of {some(others)} too")


def _intervals(sidecar: Sidecar) -> list[tuple[str, str]]:
    infos = sidecar.scores.items()
    return [interval_columns(name) for name, info in infos if info.interval_level is not None]


def _keys(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(table["domain"].astype(str), table["stem"].astype(str), strict=True))


def _columns(cases: pd.DataFrame, known: list[str]) -> Iterator[Fault]:
    missing = [name for name in known if name not in cases]
    unknown = [str(name) for name in cases if name not in known]
    if missing:
        yield "have a column for every score of its sidecar", f"it lacks {some(missing)}"
    if unknown:
        yield "have no column that its sidecar does not describe", f"it has {some(unknown)}"


def _types(cases: pd.DataFrame, present: list[str]) -> Iterator[Fault]:
    for name in present:
        column = cases[name]
        if name in _TEXTS:
            right, wanted = pd.api.types.is_string_dtype(column), "text"
        else:
            right = column.dtype.kind == ("b" if name in _FLAGS else "f")
            wanted = "true and false" if name in _FLAGS else "floating-point numbers"
        if not right:
            yield f"have {wanted} in its column {name}", f"that is of type {column.dtype}"


def _names(cases: pd.DataFrame) -> Iterator[Fault]:
    for name in _TEXTS:
        texts = cases[name].astype(str)
        if cases[name].isna().any() or (texts == "").any():
            yield f"have a {name} for every case", "one has none"
        if any(control_characters(text) for text in texts.unique()):
            yield f"have no control character in its column {name}", "it has one"
    twice = cases[cases.duplicated(["domain", "stem"])]
    if len(twice):
        named = [f"{stem} of {domain}" for domain, stem in _keys(twice)]
        yield "have each case once", f"it has {some(named)} twice"


def _range(cases: pd.DataFrame, name: str) -> Iterator[Fault]:
    wrong = cases[~cases[name].between(0.0, 1.0)]
    if len(wrong):
        first = f"{wrong[name].iloc[0]:g} for {wrong['stem'].iloc[0]}"
        yield f"have numbers from 0 to 1 as {name}", f"{len(wrong)} are not, such as {first}"


def _mean(cases: pd.DataFrame, classes: list[str]) -> Iterator[Fault]:
    apart = (cases[classes].mean(axis=1) - cases["dice"]).abs() > _TOLERANCE
    if apart.any():
        first = cases[apart]["stem"].iloc[0]
        yield (
            "have the mean of the Dice of all classes as dice",
            f"{apart.sum()} cases have another, such as {first}",
        )
