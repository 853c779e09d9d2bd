"""Exports to test with: folders of predictions, made from cases and a function of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dicecast.data.cases import Cases

MANIFEST = """
name = "their-model"
suite = "theirs"
classes = ["background", "disc"]
[bootstrap]
resamples = 100
"""

DrawsOf = Callable[[Cases], NDArray[np.float32]]
"""Cases to draws, ``(cases, draws, height, width, classes)``."""


def save(folder: Path, stem: str, array: NDArray[Any], ending: str = ".npz") -> None:
    """Save an array as the one of a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}{ending}"
    if ending == ".npz":
        np.savez_compressed(path, array=array)
    elif ending == ".npy":
        np.save(path, array)
    else:
        Image.fromarray(array).save(path)


def write_export(
    folder: Path, roles: Iterable[tuple[str, Cases]], draws_of: DrawsOf, manifest: str = MANIFEST
) -> Path:
    """Write draws, truth and table of the cases of each role (``test/<domain>`` is one)."""
    rows = ["stem,role,group,domain"]
    for role, cases in roles:
        name, _, domain = role.partition("/")
        pixels = zip(draws_of(cases), np.asarray(cases.masks), strict=True)
        for stem, group, (draws, mask) in zip(cases.stems, cases.groups, pixels, strict=True):
            save(folder / "draws", stem, draws)
            save(folder / "truth", stem, mask, ".png")
            rows.append(f"{stem},{name},{group},{domain}")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    (folder / "export.toml").write_text(manifest)
    return folder


def noisy_draws(cases: Cases, draws: int = 3) -> NDArray[np.float32]:
    """Return draws around the truth, from a generator of each case: worse for some of them."""
    found = []
    for stem, truth in zip(cases.stems, np.asarray(cases.masks), strict=True):
        rng = np.random.default_rng(list(stem.encode()))
        noise = rng.normal(0, 0.2 + 2 * rng.random(), (draws, *truth.shape))
        foreground = 1 / (1 + np.exp(-(4.0 * truth - 2.0 + noise)))
        found.append(np.stack([1 - foreground, foreground], axis=-1))
    return np.array(found, np.float32)
