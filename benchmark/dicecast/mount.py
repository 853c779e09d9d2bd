"""Mounts the plug-in folders: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

_PACKAGE = Path(__file__).parent


def folder_of(kind: str) -> Path:
    """Return the folder of a plug-in kind such as ``"baselines.estimators"`` or ``"datasets"``."""
    inside = _PACKAGE.joinpath(*kind.split("."))
    beside = _PACKAGE.parents[1].joinpath(*kind.split("."))
    return inside if inside.is_dir() else beside


def mount(kind: str) -> ModuleType:
    """Make ``dicecast.<kind>`` importable wherever its folder lies, and return that package."""
    name = f"dicecast.{kind}"
    if name not in sys.modules and (folder_of(kind) / "__init__.py").is_file():
        return importlib.import_module(name)
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(folder_of(kind))]
        sys.modules[name] = package
    return sys.modules[name]
