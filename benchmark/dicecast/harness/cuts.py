"""The cuts of the data that a run predicts: the whole, and without each fold of the training role.

Quality heads must see segmentations as bad as those they will judge, so never of cases that the
estimator was fitted on. Either a role is set aside for them, or each fold of the training role is
predicted by an estimator that was fitted on the other folds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dicecast.data.cases import SegmentationData
from dicecast.heads.patients import patient_folds
from dicecast.training.backbone import BackboneTrainer

WHOLE = 0
"""The number of the cut that is the whole; those without a fold count from 1."""


@dataclass(frozen=True)
class Cut:
    """What estimators are fitted on, and what they then predict.

    Attributes:
        data: Estimators are fitted on its train and validation roles; the others are predicted.
        trainer: Trains backbones on them.
        rows: Of a fold: which cases of the whole's training role it holds as its quality role.
    """

    data: SegmentationData
    trainer: BackboneTrainer
    rows: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))

    def without_folds(self, count: int) -> Iterator[Cut]:
        """Yield a cut for each fold of the training role: fitted on the others, it predicts it.

        Patients stay together, and folds have about the same number of cases. All cuts share the
        validation role, the networks and what was compiled for them.

        Args:
            count: How many folds, at least 2.

        Raises:
            DicecastError: There are fewer patients than folds.
        """
        train = self.data.train
        for others, fold in patient_folds("quality_fit", train.groups, count):
            kept, held = train.select(others), train.select(fold)
            data = replace(self.data, train=kept, quality=held, test={})
            yield Cut(data, replace(self.trainer, data=data.for_fitting()), fold)
