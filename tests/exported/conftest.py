from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from made_exports import noisy_draws, write_export


@pytest.fixture(scope="session")
def export_in(disc_cases) -> Callable[..., Path]:
    """Make an export of noisy discs."""

    def make(
        folder: Path, validation: int = 4, quality: int = 12, test: int = 8, size: int = 16
    ) -> Path:
        counts = {"validation": validation, "quality": quality, "test/in_distribution": test}
        roles = [
            (role, disc_cases(count, seed, role.split("/")[0], size))
            for seed, (role, count) in enumerate(counts.items())
            if count
        ]
        return write_export(folder, roles, noisy_draws)

    return make


@pytest.fixture
def export(export_in, tmp_path) -> Path:
    """A folder that is right, to be made wrong."""
    return export_in(tmp_path / "export")
