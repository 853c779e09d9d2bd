"""The head stage: a quality head is fitted on examples and predicts every test set."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.errors import DicecastError
from dicecast.harness.outcome import created, message_of
from dicecast.harness.predicting import PredictedRole
from dicecast.heads.contract import Evidence, Examples, QualityHead
from dicecast.identity import code_version, package_versions
from dicecast.metrics.targets import MEAN_DICE, QualityTarget
from dicecast.plugins import heads
from dicecast.records import CASE_COLUMNS, QUALITY, ScoreInfo
from dicecast.stacks import nbytes
from dicecast.stopwatch import timed
from dicecast.store import Artifact, Store
from dicecast.suite import Part

BATCH_BYTES = 2**25
LEAST_BATCH = 64
"""Heads predict whole multiples of so many cases, about ``BATCH_BYTES`` of pixels: a head whose
network runs in batches of 64 then cuts the cases where it would cut them alone."""


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
    """

    key: str
    seed: int
    examples: Examples
    quality: PredictedRole
    tests: list[PredictedRole]
    target: QualityTarget = MEAN_DICE


class Column(NamedTuple):
    """What came of a head: its column and the seconds it took, or why there is none."""

    info: ScoreInfo
    quality: NDArray[np.float64] | None
    seconds: float = 0.0


def head_column(chosen: ChosenHead, predicted: Predicted, store: Store, debug: bool) -> Column:
    """Return the head's predicted quality of every test case.

    A ``DicecastError`` of the head leaves its score undefined; anything else it raises, or a
    prediction that is not one finite number a case, makes it failed. Neither stops the run, unless
    ``debug``.
    """
    try:
        if chosen.head is None:
            raise DicecastError(chosen.error)
        with timed("heads", len(predicted.examples.evidence)), timed(chosen.score):
            artifact = _fitted(chosen.head, predicted, store)
    except Exception as error:
        if debug:
            raise
        failed = chosen.head is None or not isinstance(error, DicecastError)
        return Column(_info(undefined=message_of(error), failed=failed), None)
    return Column(_info(), artifact.arrays["quality"], artifact.info["seconds"])


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
        columns = [
            _checked(head, fitted.predict(batch), len(batch))
            for test in predicted.tests
            for batch in _batches(test.evidence)
        ]
        seconds = time.perf_counter() - started
        return Artifact({"quality": np.concatenate(columns)}, info={"seconds": seconds})

    return store.get("head", identity, make)


def _batches(evidence: Evidence) -> Iterator[Evidence]:
    """Yield the evidence a batch at a time, in memory."""
    pixels = (evidence.images, evidence.masks, evidence.uncertainty)
    case_bytes = sum(nbytes(stack.shape[1:], stack.dtype) for stack in pixels)
    step = LEAST_BATCH * max(1, BATCH_BYTES // (LEAST_BATCH * case_bytes))
    for start in range(0, len(evidence), step):
        yield evidence.take(slice(start, start + step))


def _checked(head: QualityHead, predicted: Any, cases: int) -> NDArray[np.float64]:
    values = np.asarray(predicted, dtype=np.float64)
    if values.shape != (cases,) or not np.isfinite(values).all():
        raise TypeError(
            f"{type(head).__name__}.predict must return one finite number a case, ({cases},); got "
            f"shape {values.shape} with {int((~np.isfinite(values)).sum())} not finite"
        )
    return values
