"""The page docs/malformed-input.md: what each malformed case got."""

from __future__ import annotations

import html
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from corpus import CASES, FAMILIES
from malformed_case import Case

PAGE = Path(__file__).parents[2] / "docs" / "malformed-input.md"
_LONGEST = 400
_PACKAGES = ("numpy", "pandas", "pillow", "pyarrow", "pydantic", "typer")


def page(messages: Iterable[str]) -> str:
    """Return the page.

    Args:
        messages: What each of ``CASES`` got.
    """
    rows: dict[str, list[str]] = {family: [] for family in FAMILIES}
    for case, message in zip(CASES, messages, strict=True):
        rows[case.family].append(row(case, message))
    parts = [
        "# What malformed input gets",
        f"{len(CASES)} cases, each a command on files that are wrong in one way. Each ends within "
        "30 seconds and 768 MiB with exit status 2 and the one message that is shown here, writes "
        "no file and shows no traceback. The cases are in `tests/malformed`, and "
        "`python tests/malformed/write_page.py` writes this page from them.",
        made_with(),
    ]
    for family, lines in rows.items():
        parts += [f"## {family[0].upper()}{family[1:]}", _table(lines)]
    return "\n\n".join(parts) + "\n"


def row(case: Case, message: str) -> str:
    """Return the row of a case."""
    return f"| {_cell(case.title)} | {_cell(_cut(message))} |"


def made_with() -> str:
    """Return the versions that the wording of some messages depends on."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    python = ".".join(platform.python_version_tuple()[:2])
    return f"Some words are those of libraries: Python {python}, {packages}."


def _table(lines: list[str]) -> str:
    return "\n".join(["| what is wrong | message |", "| --- | --- |", *lines])


def _cut(message: str) -> str:
    more = len(message) - _LONGEST
    return message if more <= 0 else f"{message[:_LONGEST]} ... ({more} more characters)"


def _cell(text: str) -> str:
    escaped = html.escape(text, quote=False).replace("|", "\\|").replace("`", "\\`")
    return escaped.replace("\n", "<br>").replace("*", "\\*").replace("_", "\\_")
