"""The suite's quality target, measured on the masks that a prediction has stored.

Not part of the prediction: another target is another reading of the same masks.
"""

from __future__ import annotations

import numpy as np

from dicecast.data.cases import Cases
from dicecast.errors import SuiteError, did_you_mean
from dicecast.harness.predicting import PredictedRole
from dicecast.metrics.targets import QualityTarget
from dicecast.records import QUALITY
from dicecast.stacks import chunks
from dicecast.suite import Quality


def quality_target(settings: Quality, classes: tuple[str, ...]) -> QualityTarget:
    """Return the target that the ``[quality]`` table of a suite names.

    Args:
        settings: The table.
        classes: Names of the dataset's classes, the background first.

    Raises:
        SuiteError: The dataset has no such class, or it is the background.
    """
    structures = classes[1:]
    if settings.class_name and settings.class_name not in structures:
        raise SuiteError(
            f"[quality] class_name must be one of {', '.join(structures)}, or empty for their "
            f"mean; got '{settings.class_name}'. {did_you_mean(settings.class_name, structures)}"
        )
    # The mean over a single class is that class.
    whole = not settings.class_name or len(structures) == 1
    index = None if whole else classes.index(settings.class_name)
    return QualityTarget(settings.target, index, settings.tolerance)


def with_quality(role: PredictedRole, truth: Cases, target: QualityTarget) -> PredictedRole:
    """Return the role with the target in the column ``quality``, unless it is the mean Dice.

    The mean Dice is in ``dice`` already; see ``dicecast.records.true_quality``.
    """
    if target.is_mean_dice:
        return role
    masks = role.evidence.masks
    measured = [
        target(masks[rows], truth.masks[rows], role.evidence.num_classes) for rows in chunks(masks)
    ]
    facts = role.facts.copy()
    facts.insert(facts.columns.tolist().index("dice") + 1, QUALITY, np.concatenate(measured))
    return PredictedRole(facts, role.evidence)
