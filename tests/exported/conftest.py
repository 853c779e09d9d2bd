from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

ROLES = ("validation",) * 4 + ("quality",) * 12 + ("test",) * 8
MANIFEST = """
name = "their-model"
suite = "theirs"
classes = ["background", "disc"]
[bootstrap]
resamples = 100
"""


def save(folder: Path, stem: str, array: np.ndarray, ending: str = ".npz") -> None:
    """Save an array in the only way an export knows: one a file."""
    folder.mkdir(parents=True, exist_ok=True)
    if ending == ".npz":
        np.savez_compressed(folder / f"{stem}.npz", array=array)
    elif ending == ".npy":
        np.save(folder / f"{stem}.npy", array)
    else:
        Image.fromarray(array).save(folder / f"{stem}{ending}")


@pytest.fixture(scope="session")
def export_in(disc_cases) -> Callable[..., Path]:
    """Make an export of noisy discs: softmax draws around the truth, worse for some cases."""

    def make(
        folder: Path, roles: tuple[str, ...] = ROLES, draws: int = 3, size: int = 16, seed: int = 0
    ) -> Path:
        rng = np.random.default_rng(seed)
        cases = disc_cases(len(roles), seed, "case", size)
        for row, stem in enumerate(cases.stems):
            truth = np.asarray(cases.masks[row])
            noise = rng.normal(0, 0.2 + 2 * rng.random(), (draws, size, size))
            foreground = 1 / (1 + np.exp(-(4.0 * truth - 2.0 + noise)))
            values = np.stack([1 - foreground, foreground], axis=-1).astype(np.float32)
            save(folder / "draws", stem, values)
            save(folder / "truth", stem, truth, ".png")
        table = pd.DataFrame({"stem": cases.stems, "role": roles, "group": cases.stems})
        table.to_csv(folder / "cases.csv", index=False)
        (folder / "export.toml").write_text(MANIFEST)
        return folder

    return make
