"""What every quality head must do, on two and four classes, two sizes and batches of any size."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dicecast.data.cases import Cases
from dicecast.heads.contract import Evidence, Examples
from dicecast.metrics.quality import mean_dice
from dicecast.plugins import heads
from dicecast.scores.mask_shape import mask_shape

SETTINGS: dict[str, dict[str, Any]] = {
    "constant": {},
    "volume": {},
    "isotonic": {},
    "forest": {"num_trees": 10},
    "gradient_boosting": {},
    "radiomics_forest": {"num_trees": 10},
    "combined": {},
    "conformal": {"head": "isotonic", "level": 0.8},
    "mahalanobis": {},
    "reverse_classification_accuracy": {},
    "vae_alarm": {"width": 2, "dimensions": 2, "epochs": 2},
    "surrogate": {"width": 2, "dimensions": 2, "epochs": 2, "steps": 2},
    "quality_and_error_map": {"width": 2, "epochs": 2},
    "two_stage": {"width": 2, "epochs": 2},
}


def scattered(cases: int, classes: int, height: int, width: int) -> Examples:
    """Stripes of all classes, and masks of them of which more and more pixels are wrong."""
    rng = np.random.default_rng(classes)
    edges = np.sort(rng.integers(2, width - 1, (cases, classes - 1)), axis=1)
    truth = (np.arange(width) >= edges[..., None]).sum(axis=1).astype(np.uint8)
    truth = np.repeat(truth[:, None], height, axis=1)
    wrong = rng.random(truth.shape) < rng.uniform(0, 0.5, (cases, 1, 1))
    masks = np.where(wrong, rng.integers(0, classes, truth.shape), truth).astype(np.uint8)
    images = (40 * truth[..., None] + rng.integers(0, 40, (*truth.shape, 3))).astype(np.uint8)
    uncertainty = (0.5 * wrong + 0.5 * rng.random(truth.shape)).astype(np.float32)
    quality = mean_dice(masks, truth, classes)
    scores = pd.DataFrame(
        {
            "predictive_entropy/mean": -uncertainty.mean(axis=(1, 2)).astype(np.float64),
            "pairwise_dice": np.where(np.arange(cases) % 9 == 0, np.nan, quality),
            "noise/mean": rng.normal(size=cases),
        }
    )
    features = rng.normal(size=(cases, 5)).astype(np.float32)
    evidence = Evidence(
        images, masks, uncertainty, scores, mask_shape(masks, classes), classes, features
    )
    names = [f"case{number}" for number in range(cases)]
    table = pd.DataFrame({"stem": names, "group": names, "domain": "in_distribution"})
    return Examples(
        evidence, quality, truth, names, Cases(table, images, truth), reference_features=features
    )


def test_every_head_of_the_repository_is_tested_here() -> None:
    assert set(heads.declared()) == set(SETTINGS)


@pytest.mark.parametrize(("classes", "height", "width"), [(2, 16, 16), (4, 16, 24)])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_head(name: str, classes: int, height: int, width: int) -> None:
    known = scattered(50, classes, height, width)
    before = dataclasses.replace(known.evidence, scores=known.evidence.scores.copy())
    head = heads.create(name, SETTINGS[name])
    assert head.score_name.startswith(name)
    fitted, again = head.fit(known, 3), head.fit(known, 3)
    evidence = known.evidence.take(np.arange(8))
    whole = fitted.predict(evidence)
    assert whole.shape == (8,)
    assert whole.dtype == np.float64
    assert ((whole >= 0) & (whole <= 1)).all()
    np.testing.assert_allclose(again.predict(evidence), whole, atol=1e-5)
    for size in (1, 3):
        cut = [np.arange(start, min(start + size, 8)) for start in range(0, 8, size)]
        parts = np.concatenate([fitted.predict(evidence.take(rows)) for rows in cut])
        np.testing.assert_allclose(parts, whole, atol=1e-4)
    pd.testing.assert_frame_equal(known.evidence.scores, before.scores)
