"""Checks the values of records whose form is right, before anything is computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn

import numpy as np
import pandas as pd
from pydantic import BaseModel, ValidationError

from dicecast.errors import DicecastError, control_characters, shown
from dicecast.records import CASE_COLUMNS, QUALITY, Record
from dicecast.registry import explain
from dicecast.suite import Bootstrap, Quality, QualityFit

_NAMES = ("stem", "group", "domain")


def check_sidecar(record: Record) -> None:
    """Check what a leaderboard computes with: settings in their range, names that can be shown.

    Raises:
        DicecastError: A value is out of range, or a name holds control characters.
    """
    sidecar = record.sidecar
    if not 0 < sidecar.failure_threshold <= 1:
        _refuse(record, f"failure_threshold must lie in (0, 1]; it is {sidecar.failure_threshold}")
    _check_settings(record, "bootstrap", Bootstrap, sidecar.bootstrap)
    for name, model in (("quality", Quality), ("quality_fit", QualityFit)):
        _check_settings(record, name, model, sidecar.suite_settings.get(name, {}))
    _check_names(record, sidecar.scores, "names of scores")
    for score, info in sidecar.scores.items():
        for metric, value in info.on_quality.items():
            if value is not None and not -1 <= value <= 1:
                _refuse(record, f"{metric} of {score} on the quality role is {value}, beyond 1")
        if info.interval_level is not None and not 0 < info.interval_level < 1:
            _refuse(record, f"interval_level of {score} must lie in (0, 1)")


def check_cases(record: Record, cases: pd.DataFrame, scores: Sequence[str]) -> None:
    """Check a table of cases that has all columns it must have.

    Args:
        record: Whose table it is.
        cases: The table.
        scores: Its columns of scores.

    Raises:
        DicecastError: It has no cases, one of them twice or without a name, or a number that is
            none or out of range.
    """
    if cases.empty:
        _refuse(record, "its table has no cases")
    for name in _NAMES:
        if cases[name].isna().any():
            _refuse(record, f"its table has a case without a {name}")
        _check_names(record, cases[name].astype(str).unique(), f"the column {name}")
    numbers = ["dice", *(name for name in (QUALITY,) if name in cases), *scores]
    strange = [name for name in numbers if not pd.api.types.is_numeric_dtype(cases[name])]
    if strange:
        _refuse(record, f"its table has no numbers in the column {', '.join(strange)}")
    if cases.duplicated(["domain", "stem"]).any():
        _refuse(record, "its table has a case twice")
    for name, word in (("dice", "Dice"), (QUALITY, "quality")):
        if name in cases and not cases[name].between(0.0, 1.0).all():
            _refuse(record, f"its table has a {word} that is not a number in [0, 1]")
    infinite = [name for name in scores if np.isinf(cases[name].to_numpy(np.float64)).any()]
    if infinite:
        _refuse(record, f"its table has an infinite value of {', '.join(infinite)}")


def check_columns(record: Record, cases: pd.DataFrame, scores: Sequence[str]) -> None:
    """Raise DicecastError where a table lacks a column."""
    absent = [name for name in (*CASE_COLUMNS, *scores) if name not in cases]
    if absent:
        _refuse(record, f"its table has no column {', '.join(absent)}")


def _check_settings(record: Record, name: str, model: type[BaseModel], values: object) -> None:
    try:
        model.model_validate(values)
    except ValidationError as error:
        _refuse(record, f"{name} is wrong: {explain(error)}")


def _check_names(record: Record, names: Iterable[str], where: str) -> None:
    for name in names:
        if control_characters(name):
            _refuse(record, f"{where} must hold no control characters; got '{shown(name)}'")


def _refuse(record: Record, what: str) -> NoReturn:
    sidecar = record.sidecar
    raise DicecastError(
        f"The record {sidecar.estimator}/seed-{sidecar.seed} cannot be used: {what}. Run it again, "
        "or remove it."
    )
