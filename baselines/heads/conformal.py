"""An interval for the quality around any other head."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dicecast import DicecastError, register_head
from dicecast.heads.batches import predict_in_batches
from dicecast.heads.columns import Regressor
from dicecast.heads.contract import Evidence, Examples, FittedHead, QualityHead
from dicecast.heads.margins import conformal_margin, widened
from dicecast.heads.patients import examples_at, patient_cut, patient_folds
from dicecast.heads.regressors import boosted_trees
from dicecast.plugins import heads

Floats = NDArray[np.float64]

FOLDS = 5
"""Parts of the fitted patients in which "cqr" predicts out of fold."""


@register_head("conformal")
@dataclass(frozen=True)
class Conformal:
    """Gives any head an interval that holds the true quality of a stated share of new cases.

    The head is fitted on some of the patients of the examples; how far off it is for the others
    says how wide an interval must be. Its promise needs no assumption but that a new case is
    exchangeable with the examples: it holds in distribution, over new cases as a whole, and under
    shift it may fail, which the table of intervals shows. Examples out of fold (``[quality_fit]``)
    are predicted by networks that saw fewer cases than those of the test do, so that there it holds
    as far as both predict alike. Its row predicts what the head predicts.

    There are two methods:

    - ``split``: prediction +- q, where q is the ceil((n + 1) level)-th smallest of the absolute
      residuals of the n calibration cases; each interval has the same width but for the ends 0 and
      1. Papadopoulos et al. 2002 (ECML 13:345), Lei et al. 2018 (JASA 113:1094), algorithm 2.
    - ``cqr``: conformalised quantile regression, Romano et al. 2019 (NeurIPS 32:3543), equations 6
      to 8. Boosted trees regress both quantiles of the quality on the head's prediction, never
      falling where it rises, so that an interval is as wide as such a prediction is uncertain. They
      are fitted on out-of-fold predictions, as a head is too sure of its own examples. A prediction
      may lie outside of its interval, which is about quantiles and not about means.

    Cost: of ``split``, that of the head on fewer examples; of ``cqr``, six times it.
    Departs from the papers: patients and not cases are divided, which keeps a patient's cases on
    one side; where a patient has several, cases are exchangeable only in so far as patients are.
    MAPIE's intervals are the same, but it wants regressors of matrices, which heads that read
    images are not. crepes would fit, for the one order statistic that is used here; it is one rank
    off where (n + 1) (1 - level) is a whole number that rounding leaves a little below.

    Attributes:
        head: The registered name of the head.
        settings: Its settings.
        level: The share of cases whose quality an interval should hold, in (0, 1).
        method: ``split`` or ``cqr``.
        calibration: The share of the patients that calibrates, in (0, 1).
    """

    head: str
    settings: dict[str, Any] = field(default_factory=dict)
    level: float = 0.9
    method: Literal["split", "cqr"] = "split"
    calibration: float = 0.5
    inner: QualityHead = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.level < 1.0 or not 0.0 < self.calibration < 1.0:
            raise DicecastError(
                "conformal needs a level and a calibration between 0 and 1; got "
                f"{self.level:g} and {self.calibration:g}."
            )
        # A field, so that what the store knows of this head includes the other one's source.
        object.__setattr__(self, "inner", heads.create(self.head, self.settings))

    @property
    def score_name(self) -> str:
        """The name of the head's row, such as ``conformal/split/forest``."""
        return f"conformal/{self.method}/{self.inner.score_name}"

    def fit(self, examples: Examples, seed: int) -> FittedConformal:
        """Fit the head on some patients and calibrate on the others; ``seed`` divides them.

        Raises:
            DicecastError: The head cannot be fitted, or too few cases are left to calibrate on.
        """
        held = patient_cut(examples.groups, self.calibration, seed)
        fitting, calibrating = examples_at(examples, ~held), examples_at(examples, held)
        fitted = self.inner.fit(fitting, seed)
        quantiles = self._quantiles(fitting, seed) if self.method == "cqr" else None
        ends = _ends(predict_in_batches(fitted, calibrating.evidence), quantiles)
        quality = calibrating.quality
        nonconformity = np.maximum(ends[0] - quality, quality - ends[1])
        margin = conformal_margin(nonconformity, self.level)
        return FittedConformal(fitted, self.level, margin, quantiles)

    def _quantiles(self, examples: Examples, seed: int) -> tuple[Regressor, Regressor]:
        """Return regressors of the lower and the upper quantile on the head's prediction."""
        predicted = np.empty(len(examples.quality))
        for rows, held in patient_folds("conformal", examples.groups, FOLDS):
            chosen = np.zeros(len(predicted), dtype=np.bool_)
            chosen[rows] = True
            fitted = self.inner.fit(examples_at(examples, chosen), seed)
            predicted[held] = predict_in_batches(fitted, examples_at(examples, ~chosen).evidence)
        tail = (1.0 - self.level) / 2.0
        low, high = (
            boosted_trees(50, 10, 0.1, loss="quantile", quantile=share, monotonic_cst=[1])
            for share in (tail, 1.0 - tail)
        )
        for regressor in (low, high):
            regressor.fit(predicted[:, np.newaxis], examples.quality)
        return low, high


@dataclass(frozen=True)
class FittedConformal:
    """A fitted head with what its intervals are made of.

    Attributes:
        fitted: The head.
        level: The share of cases that the intervals should hold.
        margin: What is added to both ends; below 0 where they were too far apart.
        quantiles: Regressors of the ends on the head's prediction; None: the prediction is both.
    """

    fitted: FittedHead
    level: float
    margin: float
    quantiles: tuple[Regressor, Regressor] | None

    def predict(self, evidence: Evidence) -> Floats:
        """Return what the head predicts, ``(cases,)``."""
        return self.fitted.predict(evidence)

    def predict_interval(self, evidence: Evidence) -> Floats:
        """Return the lower and upper end of each case's interval, ``(cases, 2)`` in [0, 1]."""
        return widened(*_ends(self.predict(evidence), self.quantiles), self.margin)


def _ends(
    predicted: Floats, quantiles: tuple[Regressor, Regressor] | None
) -> tuple[Floats, Floats]:
    """Return the ends of the intervals before the margin, lower and upper."""
    if quantiles is None or not len(predicted):
        return predicted, predicted
    low, high = (
        np.asarray(regressor.predict(predicted[:, np.newaxis]), np.float64)
        for regressor in quantiles
    )
    return np.minimum(low, high), np.maximum(low, high)
