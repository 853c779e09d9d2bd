"""The head stage: a quality head is fitted on examples and predicts every test set."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.errors import DicecastError
from dicecast.harness.outcome import created, message_of
from dicecast.harness.predicting import PredictedRole
from dicecast.heads.batches import batches
from dicecast.heads.contract import Evidence, Examples, FittedHead, IntervalHead, QualityHead
from dicecast.identity import code_version, package_versions
from dicecast.metrics.targets import QualityTarget
from dicecast.plugins import heads
from dicecast.records import CASE_COLUMNS, QUALITY, ScoreInfo, interval_columns
from dicecast.stopwatch import timed
from dicecast.store import Artifact, Store, StoreError
from dicecast.suite import Part


@dataclass(frozen=True)
class ChosenHead:
    """A head of the suite: its row's name, and the head or why its file is broken."""

    score: str
    head: QualityHead | None
    error: str = ""

    @classmethod
    def of(cls, part: Part) -> ChosenHead:
        """Create the head of a suite's part.

        Raises:
            DicecastError: No such head, a wrong setting, or a label that is a column of the truth.
        """
        if part.label in (*CASE_COLUMNS, QUALITY):
            raise DicecastError(
                f"The label '{part.label}' of the head '{part.name}' is the name of a column of "
                "every record. Choose another."
            )
        head = created(heads.create, part)
        if isinstance(head, str):
            return cls(part.title, None, head)
        return cls(part.label or head.score_name, head)


class Predicted(NamedTuple):
    """One estimator's segmentations: what a head is fitted on, and what it predicts.

    Attributes:
        key: The hash of everything they depend on.
        seed: The suite's seed, which also seeds the head.
        examples: What heads are fitted on.
        quality: The quality role.
        tests: Every test set, in the order of the record.
        target: What is measured as their quality.
        seconds: What training and predicting took, whenever that was, and ``folds`` both of these.
    """

    key: str
    seed: int
    examples: Examples
    quality: PredictedRole
    tests: list[PredictedRole]
    target: QualityTarget
    seconds: dict[str, float]


class Column(NamedTuple):
    """What came of a head: its column and the seconds it took, or why there is none.

    Attributes:
        info: What the column is.
        quality: ``(cases,)``, the predicted quality; None where there is none.
        seconds: Of fitting and predicting.
        interval: ``(cases, 2)``, lower and upper ends, from a head that predicts them.
    """

    info: ScoreInfo
    quality: NDArray[np.float64] | None
    seconds: float = 0.0
    interval: NDArray[np.float64] | None = None

    def named(self, score: str) -> dict[str, NDArray[np.float64]]:
        """Return what the column adds to the table of cases, by name."""
        found = {} if self.quality is None else {score: self.quality}
        if self.interval is not None:
            found |= dict(zip(interval_columns(score), self.interval.T, strict=True))
        return found


def head_column(chosen: ChosenHead, predicted: Predicted, store: Store, debug: bool) -> Column:
    """Return the head's predicted quality of every test case.

    A ``DicecastError`` of the head leaves its score undefined; anything else it raises, or a
    prediction that is not one finite number a case, makes it failed. Neither stops the run, unless
    ``debug``.

    Raises:
        StoreError: The store cannot be read or written.
    """
    try:
        if chosen.head is None:
            raise DicecastError(chosen.error)
        with timed("heads", len(predicted.examples.evidence)), timed(chosen.score):
            artifact = _fitted(chosen.head, predicted, store)
    except StoreError:
        raise
    except Exception as error:
        if debug:
            raise
        failed = chosen.head is None or not isinstance(error, DicecastError)
        return Column(_info(undefined=message_of(error), failed=failed), None)
    return Column(
        _info(interval_level=artifact.info["level"]),
        artifact.arrays["quality"],
        artifact.info["seconds"],
        artifact.arrays.get("interval"),
    )


def _info(**changes: Any) -> ScoreInfo:
    return ScoreInfo(kind="head", predicts_quality=True, **changes)


def _fitted(head: QualityHead, predicted: Predicted, store: Store) -> Artifact:
    identity = {
        "head": head,
        "seed": predicted.seed,
        "prediction": predicted.key,
        "target": predicted.target,
        "code": code_version(
            *("heads", "networks", "training", "scores/mask_shape.py"),
            *("metrics/quality.py", "metrics/surface.py", "metrics/targets.py"),
        ),
        "packages": package_versions(),
    }

    def make() -> Artifact:
        started = time.perf_counter()
        fitted = head.fit(predicted.examples, predicted.seed)
        found = [
            _predictions(fitted, batch)
            for test in predicted.tests
            for batch in batches(test.evidence)
        ]
        columns = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
        level = fitted.level if isinstance(fitted, IntervalHead) else None
        return Artifact(columns, info={"seconds": time.perf_counter() - started, "level": level})

    return store.get("head", identity, make)


def _predictions(fitted: FittedHead, batch: Evidence) -> dict[str, NDArray[np.float64]]:
    """Return the predicted quality of a batch, and its intervals if the head has them."""
    cases = len(batch)
    values = np.asarray(fitted.predict(batch), dtype=np.float64)
    if values.shape != (cases,) or not np.isfinite(values).all():
        raise TypeError(
            f"{type(fitted).__name__}.predict must return one finite number a case, ({cases},); "
            f"got shape {values.shape} with {int((~np.isfinite(values)).sum())} not finite"
        )
    if not isinstance(fitted, IntervalHead):
        return {"quality": values}
    ends = np.asarray(fitted.predict_interval(batch), dtype=np.float64)
    # Written so that NaN, which compares as false, is refused too.
    if ends.shape != (cases, 2) or not (ends[:, 0] <= ends[:, 1]).all():
        raise TypeError(
            f"{type(fitted).__name__}.predict_interval must return a lower and an upper end a "
            f"case, ({cases}, 2); got shape {ends.shape}"
        )
    return {"quality": values, "interval": ends}
