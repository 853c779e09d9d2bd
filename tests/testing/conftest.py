from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / "plugins" / "broken"


@pytest.fixture(scope="session")
def broken() -> Callable[[str], dict[str, Any]]:
    """Return the broken plug-ins of a kind, by the check that names their rule."""
    kept: dict[str, dict[str, Any]] = {}

    def of(kind: str) -> dict[str, Any]:
        if kind not in kept:
            spec = importlib.util.spec_from_file_location(f"broken_{kind}", FOLDER / f"{kind}.py")
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            spec.loader.exec_module(module)
            kept[kind] = module.BROKEN
        return kept[kind]

    return of
