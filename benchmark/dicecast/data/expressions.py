"""Boolean expressions on the columns of a table, evaluated without ``eval``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.data.syntax import Parsed, parse, unreadable
from dicecast.errors import SuiteError, did_you_mean

_SYMBOLS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def matches(expression: str, table: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows of ``table`` an expression selects.

    A missing value matches no comparison, ``!=`` and ``not in`` included; so
    ``not (age >= 0)`` selects the rows without an age.

    Args:
        expression: Such as ``width >= 2000 and kind in ["a", "b"]``. A column whose name is no
            identifier stands in backticks; one named like a Python keyword may.
        table: Its columns hold numbers, text or truth values.

    Returns:
        ``(rows,)``, True where the row is selected.

    Raises:
        SuiteError: The expression holds anything else, or a column that does not exist.

    Example:
        >>> matches("1 <= size < 3", pd.DataFrame({"size": [0, 1, 2, 3]})).tolist()
        [False, True, True, False]
    """
    parsed = parse(expression)
    try:
        return _Evaluator(parsed, table).truth(parsed.root)
    except RecursionError as error:
        raise unreadable(expression, "it nests too deeply") from error


def check_expression(expression: str) -> None:
    """Raise SuiteError where ``expression`` is no expression, whatever the columns."""
    parse(expression)


@dataclass(frozen=True)
class _Operand:
    """One side of a comparison: a column's values, or one constant."""

    kind: str
    """``number``, ``text``, or ``nothing`` for a column without a single value."""
    content: Any
    missing: NDArray[np.bool_] | bool = False


@dataclass(frozen=True)
class _Evaluator:
    parsed: Parsed
    table: pd.DataFrame

    def truth(self, node: ast.expr) -> NDArray[np.bool_]:
        match node:
            case ast.BoolOp(op=ast.And(), values=parts):
                return reduce(np.logical_and, [self.truth(part) for part in parts])
            case ast.BoolOp(values=parts):
                return reduce(np.logical_or, [self.truth(part) for part in parts])
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return np.logical_not(self.truth(part))
            case ast.Compare():
                return self.comparison(node)
            case ast.Name():
                return self.flag(node)
        self.parsed.refuse(node, "a comparison is expected")

    def comparison(self, node: ast.Compare) -> NDArray[np.bool_]:
        """Return the truth of a chain such as ``1 < a <= b``."""
        sides = [node.left, *node.comparators]
        if not any(isinstance(part, ast.Name) for part in ast.walk(node)):
            self.parsed.refuse(node, "no column is compared")
        links = zip(sides, node.ops, sides[1:], strict=False)
        return reduce(np.logical_and, [self.link(node, *link) for link in links])

    def link(
        self, node: ast.Compare, left: ast.expr, sign: ast.cmpop, right: ast.expr
    ) -> NDArray[np.bool_]:
        first = self.operand(left)
        if isinstance(sign, ast.In | ast.NotIn):
            return self.membership(node, first, sign, right)
        if type(sign) not in _SYMBOLS:
            self.parsed.refuse(node, "only ==, !=, <, <=, >, >= and in compare")
        second = self.operand(right)
        self.same_kind(node, first, second)
        if "nothing" in {first.kind, second.kind}:
            return self.spread(False)
        result = _SYMBOLS[type(sign)](first.content, second.content)
        return self.spread(result & ~np.logical_or(first.missing, second.missing))

    def membership(
        self, node: ast.Compare, first: _Operand, sign: ast.cmpop, right: ast.expr
    ) -> NDArray[np.bool_]:
        if not isinstance(right, ast.List | ast.Tuple | ast.Set):
            self.parsed.refuse(node, "`in` needs a list of values such as [1, 2]")
        found = self.spread(False)
        for item in right.elts:
            if isinstance(item, ast.Name):
                self.parsed.refuse(node, "a list holds values, not columns")
            option = self.operand(item)
            self.same_kind(node, first, option)
            if first.kind == "nothing":
                continue
            found = found | (first.content == option.content)
        wanted = ~found if isinstance(sign, ast.NotIn) else found
        return self.spread(wanted & np.logical_not(first.missing))

    def operand(self, node: ast.expr) -> _Operand:
        match node:
            case ast.Name():
                return self.column(node)
            case ast.Constant(value=str(text)):
                return _Operand("text", text)
            case ast.Constant(value=int() | float() as number):
                return self.number(node, number)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return self.number(node, -number)
        self.parsed.refuse(node, "a column, a number or quoted text is expected")

    def number(self, node: ast.expr, number: float) -> _Operand:
        if isinstance(number, int) and abs(number) >= 2**63:
            self.parsed.refuse(node, "the number is too large")
        return _Operand("number", number)

    def column(self, node: ast.Name) -> _Operand:
        name = self.parsed.columns.get(node.id, node.id)
        if name not in self.table.columns:
            raise SuiteError(
                f"The expression {self.parsed.text!r} must name columns of the table; there is no "
                f"column '{name}'. {did_you_mean(name, map(str, self.table.columns))}"
            )
        try:
            return _column(self.table[name])
        except TypeError as error:
            self.parsed.refuse(node, str(error))

    def flag(self, node: ast.Name) -> NDArray[np.bool_]:
        """Return a column of truth values that stands alone."""
        column = self.column(node)
        if not set(np.unique(column.content[np.logical_not(column.missing)])) <= {False, True}:
            self.parsed.refuse(node, "a column alone must hold truth values; compare it")
        return self.spread((column.content == 1) & np.logical_not(column.missing))

    def same_kind(self, node: ast.expr, first: _Operand, second: _Operand) -> None:
        if len({first.kind, second.kind} - {"nothing"}) > 1:
            self.parsed.refuse(node, f"{first.kind} is compared with {second.kind}")

    def spread(self, result: NDArray[np.bool_] | bool) -> NDArray[np.bool_]:
        """Return one truth value a row, also where constants alone were compared."""
        return np.array(np.broadcast_to(np.asarray(result, dtype=bool), (len(self.table),)))


def _column(series: pd.Series[Any]) -> _Operand:
    missing = series.isna().to_numpy(dtype=bool)
    present = series[~missing]
    if pd.api.types.is_numeric_dtype(series.dtype) and isinstance(series.dtype, np.dtype):
        return _Operand("nothing" if missing.all() else "number", series.to_numpy(), missing)
    if all(isinstance(value, str) for value in present):
        values = series.astype(object).where(~missing, "").to_numpy(dtype=object)
        return _Operand("text" if len(present) else "nothing", values, missing)
    try:
        return _Operand("number", series.to_numpy(dtype="float64", na_value=np.nan), missing)
    except (TypeError, ValueError):
        raise TypeError("the column mixes numbers with text") from None
