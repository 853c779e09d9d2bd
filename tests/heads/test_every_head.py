"""What every quality head must do, on two and four classes, two sizes and batches of any size."""

from __future__ import annotations

from typing import Any

import pytest

from dicecast.plugins import heads
from dicecast.testing.head_trial import HeadTrial
from dicecast.testing.heads import HEAD_CONTRACT

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


def test_every_head_of_the_repository_is_tested_here() -> None:
    assert set(heads.declared()) == set(SETTINGS)


@pytest.mark.parametrize(("classes", "size"), [(2, (16, 16)), (4, (16, 24))])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_head_keeps_its_contract(name: str, classes: int, size: tuple[int, int]) -> None:
    head = heads.create(name, SETTINGS[name])
    assert head.score_name.startswith(name)
    report = HEAD_CONTRACT.report(HeadTrial(head, name, classes, size)).raise_if_failed()
    assert ("intervals" in report.names("passed")) == (name == "conformal")
    assert report.names("not applicable") <= {"intervals", "worse_masks_lower"}
