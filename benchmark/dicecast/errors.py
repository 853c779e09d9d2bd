"""The errors a user is meant to read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What a terminal obeys instead of showing it, what turns text round, and what is no character."""

_BRIEF = 100
"""The most characters of a value that a message repeats."""

_KNOWN = 50
"""The most names that a message lists."""


class DicecastError(Exception):
    """Something the user can put right.

    Its text says what must hold, what was received and what to do. The command line prints it
    as one message, without a traceback, and ends with exit status 2.
    """


class DatasetError(DicecastError):
    """A dataset, or one of its files, breaks a rule; the text names the file."""


class SuiteError(DicecastError):
    """A suite file or one of its values breaks a rule."""


class PluginError(DicecastError):
    """A plug-in (estimator, head, dataset, backbone) cannot be found, loaded or used."""


def control_characters(text: str) -> str:
    """Return the control characters of a text, marks that turn it from right to left included."""
    return "".join(_CONTROL.findall(text))


def shown(text: str, keep: str = "") -> str:
    r"""Return ``text`` with its control characters written out, as for a terminal or a log.

    Args:
        text: From anywhere.
        keep: Those that stay, such as a newline.

    Example:
        >>> shown("a\x1b[31mred")
        'a\\\\x1b[31mred'
    """
    return _CONTROL.sub(lambda c: c[0] if c[0] in keep else ascii(c[0])[1:-1], text)


def briefly(value: object) -> str:
    """Return ``repr(value)``, cut where it is long: what was received may be a whole file."""
    text = repr(value[:_BRIEF] if isinstance(value, str | bytes | list | tuple) else value)
    return text if len(text) <= _BRIEF else f"{text[: _BRIEF - 3]}..."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the known word nearest to ``word``, or its list.

    Example:
        >>> did_you_mean("sofmax", ["softmax", "random"])
        "Did you mean 'softmax'?"
    """
    choices = sorted(known)
    near = difflib.get_close_matches(word[:_BRIEF], choices, n=1)
    if near:
        return f"Did you mean '{near[0]}'?"
    more = f" and {len(choices) - _KNOWN} more" if len(choices) > _KNOWN else ""
    return f"Known: {', '.join(choices[:_KNOWN]) or 'none'}{more}."
