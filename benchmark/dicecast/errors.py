"""The errors a user is meant to read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the known word nearest to ``word``, or its list.

    Example:
        >>> did_you_mean("sofmax", ["softmax", "random"])
        "Did you mean 'softmax'?"
    """
    choices = sorted(known)
    near = difflib.get_close_matches(word, choices, n=1)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"Known: {', '.join(choices) or 'none'}."
