"""What there is of each kind, by name with one sentence.

Sources are read, not run: a list waits for neither TensorFlow nor SciPy.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

from dicecast.plugins import REGISTRIES
from dicecast.suite import shipped_suites

KINDS = (
    "suites",
    "datasets",
    "backbones",
    "estimators",
    "measures",
    "aggregations",
    "heads",
    "metrics",
)

_PACKAGE = Path(__file__).parent
_CATALOGUES = (
    ("metrics/catalogue.py", "METRICS", ""),
    ("metrics/intervals.py", "METRICS_OF_INTERVALS", "of intervals: "),
    ("metrics/pixels/catalogue.py", "PIXEL_METRICS", "of pixels: "),
)
_AGGREGATION_DECORATORS = (
    "map_aggregation",
    "probability_score",
    "agreement_score",
    "ordered_agreement_score",
)


def listed(kind: str) -> dict[str, str]:
    """Return the names of one of ``KINDS`` with a sentence each."""
    if kind in REGISTRIES:
        return {name: d.summary for name, d in REGISTRIES[kind].declared().items()}
    return {
        "suites": _suites,
        "measures": _measures,
        "aggregations": _aggregations,
        "metrics": _metrics,
    }[kind]()


def _suites() -> dict[str, str]:
    return {
        name: tomllib.loads(path.read_text()).get("description", "")
        for name, path in shipped_suites().items()
    }


def _measures() -> dict[str, str]:
    return {
        str(call.args[0].value): _summary(function)
        for function in _functions("estimation/measures.py")
        for call in function.decorator_list
        if isinstance(call, ast.Call) and isinstance(call.args[0], ast.Constant)
    }


def _aggregations() -> dict[str, str]:
    """List aggregations of maps as ``<measure>/<name>``, because each applies to every measure."""
    found = {}
    for function in _functions(*sorted((_PACKAGE / "scores").rglob("[!.]*.py"))):
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Name) and decorator.id in _AGGREGATION_DECORATORS:
                of_map = decorator.id == "map_aggregation"
                name = f"<measure>/{function.name}" if of_map else function.name
                found[name] = _summary(function)
    return found


def _metrics() -> dict[str, str]:
    """List the metrics of scores, then those of intervals and of pixels."""
    found = {}
    for file, catalogue, of_what in _CATALOGUES:
        paths = sorted((_PACKAGE / file).parent.glob("[!.]*.py"))
        functions = {function.name: function for function in _functions(*paths)}
        for name in _keys(file, catalogue):
            found[name] = of_what + _summary(functions[name])
    return found


def _functions(*files: str | Path) -> Iterator[ast.FunctionDef]:
    for file in files:
        tree = ast.parse((_PACKAGE / file).read_text(encoding="utf-8"))
        yield from (node for node in tree.body if isinstance(node, ast.FunctionDef))


def _keys(file: str, name: str) -> Iterator[str]:
    """Yield the keys of a dict literal that a file assigns to ``name``."""
    for node in ast.parse((_PACKAGE / file).read_text(encoding="utf-8")).body:
        target = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(target, ast.Name) and target.id == name:
            assert isinstance(node, ast.AnnAssign)
            assert isinstance(node.value, ast.Dict)
            yield from (str(k.value) for k in node.value.keys if isinstance(k, ast.Constant))


def _summary(function: ast.FunctionDef) -> str:
    return (ast.get_docstring(function) or "").split("\n")[0].removeprefix("Return ")
