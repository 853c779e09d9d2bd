"""What a process has needed and what it runs."""

from __future__ import annotations

import importlib.metadata
import platform
import resource

PACKAGES = (
    "tensorflow",
    "keras",
    "jax",
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-image",
    "torch",
    "torch-uncertainty",
    "monai",
    "aggrigator",
)


def peak_memory() -> float:
    """Return the most memory the process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def versions() -> dict[str, str]:
    """Return the versions of Python and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
