"""A profile as plain values: what is printed, and what is written as JSON."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from dicecast.harness.machine import machine
from dicecast.harness.profiling import Profile
from dicecast.identity import package_versions
from dicecast.stopwatch import Spent


def facts(profile: Profile) -> dict[str, Any]:
    """Return the profile with what it was measured on, as JSON values; rates are by second."""
    rest = Spent(profile.unaccounted_seconds)
    return {
        "suite": profile.suite,
        "efficiency": profile.efficiency,
        "wall_seconds": profile.wall_seconds,
        "operations": profile.operations,
        "matrix_rate": profile.matrix_rate,
        "matrix_rates": profile.matrix_rates,
        "precision": profile.precision,
        "sections": {
            name: _row(profile, spent)
            for name, spent in (profile.sections | {"unaccounted": rest}).items()
        },
        "heads": {score: _row(profile, spent) for score, spent in profile.heads.items()},
        "detail": {
            " > ".join(names): _row(profile, spent)
            for names, spent in sorted(profile.spent.items())
        },
        "failures": [str(failure) for failure in profile.failures],
        "machine": machine(),
        "versions": package_versions(),
        "commit": commit(),
        "command": " ".join(["dicecast", *sys.argv[1:]]),
    }


def commit(folder: Path = Path(__file__).parent) -> str | None:
    """Return the commit that is checked out, "+" where files differ from it; None without Git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


def _row(profile: Profile, spent: Spent) -> dict[str, float | int | None]:
    rate = _by_second(spent.operations, spent)
    return {
        "seconds": spent.seconds,
        "share": spent.seconds / profile.wall_seconds,
        "images": spent.images,
        "images_per_second": _by_second(spent.images, spent),
        "operations": spent.operations,
        "operations_per_second": rate,
        "share_of_matrix_rate": None if rate is None else rate / profile.matrix_rate,
    }


def _by_second(amount: int, spent: Spent) -> float | None:
    return amount / spent.seconds if amount and spent.seconds > 0 else None
