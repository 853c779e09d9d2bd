from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from dicecast.data.cases import Cases
from dicecast.heads.contract import Evidence, Examples
from dicecast.metrics.quality import mean_dice
from dicecast.plugins import heads
from dicecast.scores.mask_shape import mask_shape


def make_examples(cases: int = 60, seed: int = 0) -> Examples:
    """Squares whose Dice rises with their size; some scores follow the Dice, one does not."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((cases, 24, 24), dtype=np.uint8)
    for mask, side in zip(masks, rng.integers(0, 20, cases), strict=True):
        mask[2 : 2 + side, 2 : 2 + side] = 1
    quality = np.clip((masks.mean(axis=(1, 2)) * 1.2) + rng.normal(0, 0.1, cases), 0, 1)
    scores = pd.DataFrame(
        {
            "noise/mean": rng.normal(size=cases),
            "predictive_entropy/mean": quality + rng.normal(0, 0.05, cases),
            "predictive_entropy/boundary": quality + rng.normal(0, 0.4, cases),
            "constant/mean": np.zeros(cases),
            "volume_variation": np.where(np.arange(cases) % 7 == 0, np.nan, quality),
        }
    )
    images = rng.integers(0, 255, (cases, 24, 24, 1), dtype=np.uint8)
    uncertainty = rng.random(masks.shape, dtype=np.float32)
    evidence = Evidence(images, masks, uncertainty, scores, mask_shape(masks, 2), 2)
    names = [f"case{number}" for number in range(cases)]
    table = pd.DataFrame({"stem": names, "group": names, "domain": "in_distribution"})
    return Examples(evidence, quality, masks, names, Cases(table, images, masks))


def with_scores(examples: Examples, **columns: NDArray[np.float64]) -> Examples:
    """Replace all scores by these; ``__`` stands for the slash of a name."""
    scores = pd.DataFrame({name.replace("__", "/"): values for name, values in columns.items()})
    return dataclasses.replace(
        examples, evidence=dataclasses.replace(examples.evidence, scores=scores)
    )


@pytest.fixture
def examples() -> Examples:
    return make_examples()


@pytest.fixture
def examples_of() -> Callable[..., Examples]:
    return make_examples


@pytest.fixture
def rescored() -> Callable[..., Examples]:
    return with_scores


@pytest.fixture
def head_of() -> Callable[..., object]:
    return lambda name, **fields: heads.create(name, fields)


def planted_masks(cases: int = 120, size: int = 16, seed: int = 1) -> Examples:
    """Bright discs, and masks of them of which more and more pixels are wrong from case to case."""
    rng = np.random.default_rng(seed)
    place = np.mgrid[:size, :size]
    centre = rng.uniform(0.4, 0.6, (cases, 2, 1, 1)) * size
    radius = rng.uniform(0.2, 0.35, (cases, 1, 1)) * size
    truth = (((place[None] - centre) ** 2).sum(axis=1) < radius**2).astype(np.uint8)
    images = (60 + 120 * truth[..., None] + rng.integers(0, 30, (*truth.shape, 1))).astype(np.uint8)
    wrong = rng.random(truth.shape) < rng.uniform(0, 0.4, (cases, 1, 1))
    masks = np.where(wrong, 1 - truth, truth).astype(np.uint8)
    nothing = pd.DataFrame(index=range(cases))
    uncertainty = rng.random(masks.shape, dtype=np.float32)
    evidence = Evidence(images, masks, uncertainty, nothing, nothing, 2)
    names = [f"case{number}" for number in range(cases)]
    table = pd.DataFrame({"stem": names, "group": names, "domain": "in_distribution"})
    quality = mean_dice(masks, truth, 2)
    return Examples(evidence, quality, truth, names, Cases(table, images, truth))


@pytest.fixture(scope="session")
def planted() -> Callable[..., Examples]:
    return planted_masks
