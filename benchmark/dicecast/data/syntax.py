"""Reads expressions into a syntax tree, which nothing runs."""

from __future__ import annotations

import ast
import keyword
import re
from dataclasses import dataclass
from typing import NoReturn

from dicecast.errors import SuiteError

MAX_LENGTH = 1000
"""Characters in the longest expression that is read; it also bounds how deep one can nest."""

_GRAMMAR = (
    "Write comparisons of columns with numbers or quoted text (==, !=, <, <=, >, >=, in [...], "
    "not in [...]), joined by and, or, not."
)
_COLUMN_KEYWORDS = set(keyword.kwlist) - {"and", "or", "not", "in", "is", "True", "False", "None"}
_PIECES = re.compile(
    r"""'(?:\\.|[^'\\])*' | "(?:\\.|[^"\\])*" | `(?P<quoted>[^`]+)` | (?P<word>\b[^\W\d]\w*)""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Parsed:
    """An expression as written, and its tree."""

    text: str
    root: ast.expr
    columns: dict[str, str]
    """Column by stand-in, for the names that Python's grammar would not take."""

    def show(self, node: ast.AST) -> str:
        """Return a part of the expression as text."""
        shown = ast.unparse(node)
        for stand_in, column in self.columns.items():
            shown = shown.replace(stand_in, f"`{column}`")
        return shown

    def refuse(self, node: ast.AST, why: str) -> NoReturn:
        """Raise the error that a part of the expression is not allowed."""
        raise SuiteError(
            f"The expression {self.text!r} cannot be used: in `{self.show(node)}`, {why}. "
            f"{_GRAMMAR}"
        )


def parse(expression: str) -> Parsed:
    """Return an expression's syntax tree, without looking at what its parts are.

    Raises:
        SuiteError: It is too long, or no expression of Python's grammar.
    """
    if len(expression) > MAX_LENGTH:
        raise unreadable(expression, f"it is longer than {MAX_LENGTH} characters")
    text, columns = _with_stand_ins(expression.strip())
    try:
        root = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        raise unreadable(expression, why) from error
    return Parsed(expression, root, columns)


def _with_stand_ins(expression: str) -> tuple[str, dict[str, str]]:
    """Replace columns in backticks or named like keywords by identifiers of our own."""
    prefix = "column_"
    while prefix in expression:
        prefix += "_"
    columns: dict[str, str] = {}

    def replace(piece: re.Match[str]) -> str:
        column = piece["quoted"] or piece["word"]
        if column is None or (piece["word"] and column not in _COLUMN_KEYWORDS):
            return piece[0]
        stand_in = f"{prefix}{len(columns)}_"
        columns[stand_in] = column
        return stand_in

    return _PIECES.sub(replace, expression), columns


def unreadable(expression: str, why: str) -> SuiteError:
    """Return the error that an expression cannot be read."""
    shown = expression if len(expression) <= 80 else f"{expression[:77]}..."
    return SuiteError(f"The expression {shown!r} cannot be read: {why}. {_GRAMMAR}")
