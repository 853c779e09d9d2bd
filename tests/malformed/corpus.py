"""Every malformed case, by family."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import malformed_commands
import malformed_exports
import malformed_folders
import malformed_records
import malformed_releases
import malformed_suites
from malformed_case import Case, Outcome, outcome_of

_FOUND = [
    *malformed_suites.cases(),
    *malformed_folders.cases(),
    *malformed_releases.cases(),
    *malformed_records.cases(),
    *malformed_commands.cases(),
    *malformed_exports.cases(),
]

FAMILIES = tuple(dict.fromkeys(case.family for case in _FOUND))

CASES = sorted(_FOUND, key=lambda case: FAMILIES.index(case.family))
"""All of them, in the order of the page."""


def outcomes(cases: Sequence[Case]) -> list[Outcome]:
    """Run cases, several at a time, and return what became of each."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
    ):
        places = [Path(folder, str(number)) for number in range(len(cases))]
        return list(pool.map(outcome_of, cases, places))
