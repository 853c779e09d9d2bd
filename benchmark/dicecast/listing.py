"""What there is of each kind, by name with one sentence; nothing here imports TensorFlow."""

from __future__ import annotations

import ast
import tomllib
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
    """Read the measures' file without running it: they are functions of Keras tensors."""
    source = Path(__file__).parent / "estimation" / "measures.py"
    return {
        str(call.args[0].value): (ast.get_docstring(node) or "").split("\n")[0]
        for node in ast.parse(source.read_text()).body
        if isinstance(node, ast.FunctionDef)
        for call in node.decorator_list
        if isinstance(call, ast.Call) and isinstance(call.args[0], ast.Constant)
    }


def _aggregations() -> dict[str, str]:
    from dicecast.scores.score_cases import describe_aggregations  # noqa: PLC0415  SciPy is slow

    return describe_aggregations()


def _metrics() -> dict[str, str]:
    from dicecast.metrics import (  # noqa: PLC0415
        correlation,
        discrimination,
        regression,
        risk_coverage,
    )
    from dicecast.metrics.catalogue import METRICS  # noqa: PLC0415

    modules = (correlation, discrimination, regression, risk_coverage)
    functions = {
        name: vars(module)[name] for module in modules for name in METRICS if hasattr(module, name)
    }
    return {name: (functions[name].__doc__ or "").split("\n")[0] for name in METRICS}
