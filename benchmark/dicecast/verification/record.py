"""One record: its sidecar, and each of its tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from pydantic import ValidationError
from pydantic_core import from_json

from dicecast.errors import DicecastError
from dicecast.records import (
    CASES,
    FIRST_SEALED_VERSION,
    Record,
    Sidecar,
    read_sidecar,
    read_table,
    table_path,
    tables_of,
)
from dicecast.registry import explain
from dicecast.suite import Suite
from dicecast.verification.cases import case_faults, further_faults
from dicecast.verification.finding import Finding, fault

AGAIN = "run the suite again"


class Checked(NamedTuple):
    """A record and what was found in it.

    Attributes:
        path: Of its sidecar.
        sidecar: None where it cannot be read.
        record: None where a part of it cannot be read.
        sealed: Whether a change of any byte of the sidecar would be seen.
        findings: The faults.
    """

    path: Path
    sidecar: Sidecar | None
    record: Record | None
    sealed: bool
    findings: list[Finding]


def check_record(path: Path) -> Checked:
    """Check one record.

    Args:
        path: Of its sidecar.
    """
    try:
        sidecar = read_sidecar(path)
    except DicecastError as error:
        return Checked(path, None, None, True, [Finding(path, str(error))])
    sealed = from_json(path.read_bytes())["schema_version"] >= FIRST_SEALED_VERSION
    findings = list(_sidecar_faults(path, sidecar))
    tables: dict[str, pd.DataFrame] = {}
    for name in tables_of(sidecar):
        try:
            tables[name] = read_table(path, sidecar, name)
        except DicecastError as error:
            findings.append(Finding(table_path(path, name), str(error)))
    if len(tables) < len(tables_of(sidecar)):
        return Checked(path, sidecar, None, sealed, findings)
    record = Record(sidecar, tables.pop(CASES, None), tables)
    if record.cases is not None:
        held = [(CASES, found) for found in case_faults(record)] + list(further_faults(record))
        findings += [fault(table_path(path, name), *found, AGAIN) for name, found in held]
    return Checked(path, sidecar, record, sealed, findings)


def _sidecar_faults(path: Path, sidecar: Sidecar) -> Iterator[Finding]:
    if sidecar.status == "failed":
        if not (sidecar.error or "").strip():
            yield fault(path, "say why its run failed", "its error is empty", AGAIN)
        return
    for key in ("data", "split"):
        if not isinstance(sidecar.hashes.get(key), str):
            yield fault(path, f"have a hash of its {key}", "there is none", AGAIN)
    if sidecar.suite_settings:
        yield from _settings_faults(path, sidecar)


def _settings_faults(path: Path, sidecar: Sidecar) -> Iterator[Finding]:
    """Compare what the sidecar says with the suite that it says it ran."""
    try:
        suite = Suite.model_validate(sidecar.suite_settings)
    except ValidationError as error:
        yield fault(path, "hold the suite it was run with", explain(error), AGAIN)
        return
    titles = [part.title for part in suite.estimators]
    pairs: dict[str, tuple[object, list[Any]]] = {
        "suite": (sidecar.suite, [suite.name]),
        "failure_threshold": (sidecar.failure_threshold, [suite.failure_threshold]),
        "bootstrap": (sidecar.bootstrap, [suite.bootstrap.model_dump()]),
        "estimator": (sidecar.estimator, titles),
        "seed": (sidecar.seed, list(suite.seeds)),
    }
    for name, (said, allowed) in pairs.items():
        if said not in allowed:
            wanted = " or ".join(map(str, allowed))
            must = f"have the {name} of its suite_settings, {wanted}"
            yield fault(path, must, f"it says {said}", AGAIN)
