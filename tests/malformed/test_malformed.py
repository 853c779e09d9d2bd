"""Every malformed case ends in one clear error, and the page about them says which."""

from __future__ import annotations

import re

import pytest
from corpus import CASES, FAMILIES, outcomes
from malformed_case import MEMORY_MB, SECONDS, Case, Outcome
from page import PAGE, made_with, row

from dicecast.errors import control_characters

_BEGINNING = re.compile(r"^(Error: |Usage: |Error )", re.MULTILINE)
# A sentence that follows, or the form that is right beside what was received.
_REMEDY = re.compile(
    r"\.\s+\S|\n[A-Z]|such as |at least|at most|Give |Try |requires|has no keys|must be"
)


def faults(case: Case, outcome: Outcome) -> list[str]:
    """Return what is wrong with what a case got."""
    message = outcome.message
    wanted = {
        f"exit status {outcome.status}": outcome.status == 2,
        f"changed {outcome.changes}": not outcome.changes,
        "no error": _BEGINNING.match(message) is not None,
        "more than one error": len(_BEGINNING.findall(message)) <= 1,
        "a traceback": "Traceback" not in message + outcome.out,
        f"does not name {case.says!r}": case.says in message,
        "control characters": set(control_characters(message + outcome.out)) <= {"\n"},
        "no word of what to do": _REMEDY.search(message) is not None,
        "too long": len(message) <= 6000,
        f"{outcome.memory_mb:.0f} MB": outcome.memory_mb < MEMORY_MB,
        f"{outcome.seconds:.0f} s": outcome.seconds < SECONDS,
    }
    return [what for what, holds in wanted.items() if not holds]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_case_ends_in_one_clear_error_and_the_page_shows_it(family: str) -> None:
    cases = [case for case in CASES if case.family == family]
    found = outcomes(cases)
    wrong = {
        case.title: (what, outcome.message[-2000:])
        for case, outcome in zip(cases, found, strict=True)
        if (what := faults(case, outcome))
    }
    assert not wrong
    text = PAGE.read_text(encoding="utf-8")
    if made_with() in text:
        shown = text.splitlines()
        missing = [
            case.title
            for case, outcome in zip(cases, found, strict=True)
            if row(case, outcome.message) not in shown
        ]
        assert not missing, "run: python tests/malformed/write_page.py"


def test_the_page_has_exactly_the_cases() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    titles = [line for line in rows if not line.startswith(("| ---", "| what is wrong"))]
    assert [line.split(" | ")[0] for line in titles] == [
        row(case, "").split(" | ")[0] for case in CASES
    ]


def test_there_are_hundreds_of_cases_and_none_is_there_twice() -> None:
    assert len(CASES) >= 200
    assert len({(case.family, case.title) for case in CASES}) == len(CASES)
