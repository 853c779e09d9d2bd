"""What the records of a suite hold, checked to belong together and laid out by domain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.data.cases import IN_DISTRIBUTION
from dicecast.errors import DicecastError, shown
from dicecast.leaderboard.record_values import check_cases, check_columns, check_sidecar
from dicecast.records import (
    Record,
    ScoreInfo,
    interval_columns,
    true_quality,
)
from dicecast.suite import Quality, QualityFit

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One record in one domain.

    Attributes:
        estimator: Its label.
        seed: Its seed.
        quality: ``(cases,)``, the true quality of each case: the Dice, or the suite's target.
        dice: ``(cases,)``, the true Dice.
        scores: ``(scores, cases)``, one row for each of ``names``.
        names: The scores that have a column.
        predicts_quality: ``(scores,)``, whether each score estimates the quality.
        infos: What is known of every score, with or without a column.
        intervals: ``(cases, 2)``, lower and upper ends, for each score that has them.
        missing: Why, for each score without a column.
        broken: Those of them whose head failed.
        error: Why the run failed; empty where it did not.
    """

    estimator: str
    seed: int
    quality: Floats = field(default_factory=lambda: np.zeros(0))
    dice: Floats = field(default_factory=lambda: np.zeros(0))
    scores: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    names: tuple[str, ...] = ()
    predicts_quality: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    infos: dict[str, ScoreInfo] = field(default_factory=dict)
    intervals: dict[str, Floats] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    error: str = ""


@dataclass(frozen=True)
class Domain:
    """All runs on one test set.

    Attributes:
        name: The domain.
        groups: ``(cases,)``, the group of each case, by stem.
        runs: By estimator and seed.
    """

    name: str
    groups: NDArray[np.str_]
    runs: tuple[Run, ...]


def in_order(records: Iterable[Record]) -> list[Record]:
    """Return the records by estimator and seed.

    Raises:
        DicecastError: There is none, two are of one estimator and seed, a value is out of range,
            or they do not belong in one table: different suites, protocols, data, splits,
            thresholds or bootstraps.
    """
    ordered = sorted(records, key=lambda record: (record.sidecar.estimator, record.sidecar.seed))
    if not ordered:
        raise DicecastError("A leaderboard needs records; there is none. Run the suite first.")
    titles = [_title(record) for record in ordered]
    twice = sorted({title for title in titles if titles.count(title) > 1})
    if twice:
        raise DicecastError(
            f"There must be one record for each estimator and seed, but {', '.join(twice)} is "
            "there twice. Remove one of the two."
        )
    for record in ordered:
        check_sidecar(record)
    found = differences(ordered)
    if found:
        raise DicecastError("\n".join(found))
    return ordered


def differences(records: Sequence[Record]) -> list[str]:
    """Return a text for everything that records of one table must share and these do not.

    Each names the records and their values.
    """
    found = (_difference(what, value, records) for what, value in _SHARED.items())
    return [text for text in found if text]


def domains(records: Sequence[Record]) -> list[Domain]:
    """Return the domains of checked records, in distribution first, cases in the order of stems.

    A failed record is in every domain, with its error and no scores.

    Raises:
        DicecastError: Two records have different cases in a domain, or a table of cases is wrong.
    """
    tables = {_title(record): _checked_cases(record) for record in records if _succeeded(record)}
    names = {name for table in tables.values() for name in table["domain"].unique()}
    ordered = sorted(names or {IN_DISTRIBUTION}, key=lambda name: (name != IN_DISTRIBUTION, name))
    return [_domain(name, records, tables) for name in ordered]


def quality_of(record: Record) -> Quality:
    """Return what the true quality of a record's cases measures."""
    return Quality(**record.sidecar.suite_settings.get("quality", {}))


def _succeeded(record: Record) -> bool:
    return record.sidecar.status == "ok" and record.cases is not None


def _title(record: Record) -> str:
    return f"{record.sidecar.estimator}/seed-{record.sidecar.seed}"


def _hash(key: str) -> Callable[[Record], object]:
    """Return a hash that every record has but one that failed before it was known."""
    return lambda record: record.sidecar.hashes.get(key, "none" if _succeeded(record) else None)


def _settings(record: Record) -> object:
    """Return what must be alike for all estimators; each may have settings of its own."""
    settings = record.sidecar.suite_settings
    kept = ("image_size", "dataset", "backbone", "training", "compute")
    shared = {name: settings[name] for name in kept if name in settings}
    # A record from before there was a choice was made by the default.
    folds = QualityFit(**settings.get("quality_fit", {})).folds_used
    return shared | {"folds of quality_fit": folds} if shared else None


_SHARED: dict[str, Callable[[Record], object]] = {
    "suite": lambda record: record.sidecar.suite,
    "protocol version": lambda record: record.sidecar.protocol_version,
    "record format": lambda record: record.sidecar.schema_version,
    "failure threshold": lambda record: record.sidecar.failure_threshold,
    "bootstrap": lambda record: sorted(record.sidecar.bootstrap.items()),
    "settings of the suite": _settings,
    "quality target": lambda record: str(quality_of(record)) if _succeeded(record) else None,
    "data hash": _hash("data"),
    "split hash": _hash("split"),
}
"""What all records of a table must agree on; None, as of a run that failed early, is skipped."""


def _difference(what: str, value: Callable[[Record], object], records: Sequence[Record]) -> str:
    holders: dict[str, list[str]] = {}
    for record in records:
        found = value(record)
        if found is not None:
            holders.setdefault(str(found), []).append(_title(record))
    if len(holders) < 2:
        return ""
    lines = "\n".join(f"  {found}: {', '.join(held)}" for found, held in holders.items())
    return (
        f"The records of one leaderboard must have one {what}; these differ:\n{lines}\n"
        "Run the outdated ones again, or remove them."
    )


def _checked_cases(record: Record) -> pd.DataFrame:
    """Return the table by domain and stem.

    Raises:
        DicecastError: A column is missing, a case is there twice, or a number is out of range.
    """
    cases = record.cases
    assert cases is not None
    infos = record.sidecar.scores
    scores = [name for name, info in infos.items() if info.undefined is None]
    scores += [end for name in _with_intervals(infos) for end in interval_columns(name)]
    check_columns(record, cases, scores)
    check_cases(record, cases, scores)
    return cases.sort_values(["domain", "stem"], kind="stable")


def _domain(name: str, records: Sequence[Record], tables: dict[str, pd.DataFrame]) -> Domain:
    groups = np.zeros(0, dtype=np.str_)
    first: tuple[str, pd.DataFrame] | None = None
    runs = []
    for record in records:
        title, sidecar = _title(record), record.sidecar
        if title not in tables:
            error = _one_line(sidecar.error or "it has no table of cases")
            runs.append(Run(sidecar.estimator, sidecar.seed, error=error))
            continue
        cases = tables[title]
        cases = cases[cases["domain"] == name]
        held = cases[["stem", "group"]].astype(str).reset_index(drop=True)
        if first is None:
            first, groups = (title, held), held["group"].to_numpy(dtype=np.str_)
        if not held.equals(first[1]):
            raise DicecastError(
                f"The records {first[0]} and {title} must have the same cases and groups in the "
                f"domain '{name}', but theirs differ. Run the older one again."
            )
        runs.append(_run(record, cases))
    return Domain(name, groups, tuple(runs))


def _run(record: Record, cases: pd.DataFrame) -> Run:
    infos = record.sidecar.scores
    names = tuple(sorted(name for name, info in infos.items() if info.undefined is None))
    return Run(
        estimator=record.sidecar.estimator,
        seed=record.sidecar.seed,
        quality=true_quality(cases),
        dice=cases["dice"].to_numpy(np.float64),
        scores=np.ascontiguousarray(cases[list(names)].to_numpy(np.float64).T),
        names=names,
        predicts_quality=np.array([infos[name].predicts_quality for name in names], np.bool_),
        infos=infos,
        intervals={
            name: cases[list(interval_columns(name))].to_numpy(np.float64)
            for name in _with_intervals(infos)
        },
        missing={
            name: _one_line(info.undefined)
            for name, info in infos.items()
            if info.undefined is not None
        },
        broken=frozenset(name for name, info in infos.items() if info.failed),
    )


def _with_intervals(infos: Mapping[str, ScoreInfo]) -> list[str]:
    return [name for name, info in infos.items() if info.interval_level is not None]


def _one_line(text: str) -> str:
    return shown(" ".join(text.split()))
