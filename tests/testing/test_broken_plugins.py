"""Each plug-in breaks one rule of its contract: the check that names it says so, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from dicecast.testing.dataset_trial import DatasetTrial
from dicecast.testing.datasets import DATASET_CONTRACT
from dicecast.testing.estimator_trial import EstimatorTrial
from dicecast.testing.estimators import ESTIMATOR_CONTRACT
from dicecast.testing.head_trial import HeadTrial
from dicecast.testing.heads import HEAD_CONTRACT

UNBROKEN = {"settings", "fits", "loads"}
"""Rules of heads and datasets whose checks are those of estimators, or trivial."""


def caught_by(contract: Any, trial: Any) -> set[str]:
    report = contract.report(trial)
    for outcome in report.failed:
        assert outcome.rule.endswith(".")
        assert outcome.seen
        assert outcome.in_code
        assert outcome.in_declaration
        assert outcome.sentences in str(report)
    return report.names("failed")


@pytest.mark.parametrize("check", ESTIMATOR_CONTRACT.checks)
def test_a_broken_estimator(broken: Any, ground: Any, check: str) -> None:
    trial = EstimatorTrial(broken("estimators")[check](), check, ground)
    assert caught_by(ESTIMATOR_CONTRACT, trial) == {check}


@pytest.mark.parametrize("check", [c for c in HEAD_CONTRACT.checks if c not in UNBROKEN])
def test_a_broken_head(broken: Any, check: str) -> None:
    assert caught_by(HEAD_CONTRACT, HeadTrial(broken("heads")[check](), check)) == {check}


@pytest.mark.parametrize("check", [c for c in DATASET_CONTRACT.checks if c not in UNBROKEN])
def test_a_broken_dataset(broken: Any, check: str) -> None:
    assert caught_by(DATASET_CONTRACT, DatasetTrial(broken("datasets")[check](), check)) == {check}
