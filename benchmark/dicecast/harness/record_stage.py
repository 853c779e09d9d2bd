"""The last stage: what is known of one (estimator, seed) becomes a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pandas as pd

from dicecast.harness.head_stage import Column, Predicted
from dicecast.harness.machine import NO_ACCELERATOR, machine, peak_memory_mb
from dicecast.harness.on_quality import on_quality
from dicecast.harness.outcome import Failure, Finished, RunKey
from dicecast.identity import describe, package_versions
from dicecast.networks.backend import BACKEND, has_accelerator
from dicecast.records import CASES, Record, ScoreInfo, Sidecar
from dicecast.store import Artifact

DICE_ESTIMATES = ("pairwise_dice", "expected_dice")
"""Aggregations that estimate the Dice itself, so that their error is defined without a fit."""


class Recorded(Protocol):
    """What says where the numbers of a record come from: a suite's run, or an export's."""

    def facts(self) -> dict[str, Any]:
        """Return the fields of the sidecar that no number depends on; see ``suite_facts``."""
        ...

    def hashes(self) -> dict[str, Any]:
        """Return the hashes of the data and of the split, and by part those of the sources."""
        ...

    def parts(self, key: RunKey) -> dict[str, Any]:
        """Return every part that a run is made of, by kind."""
        ...


def finished_record(
    run: Recorded,
    key: RunKey,
    artifact: Artifact,
    predicted: Predicted,
    columns: Mapping[str, Column],
) -> Finished:
    """Return the record of an estimator that predicted.

    Args:
        run: What was run.
        key: Which run.
        artifact: Its prediction.
        predicted: The same, by role.
        columns: What came of each head, by score.
    """
    scores = _aggregation_scores(artifact, predicted)
    scores |= {score: column.info for score, column in columns.items()}
    fitted = {k: v for score, column in columns.items() for k, v in column.named(score).items()}
    seconds = predicted.seconds | {"heads": sum(c.seconds for c in columns.values())}
    sidecar = _sidecar(run, key).model_copy(
        update={
            "parts": {kind: describe(part) for kind, part in run.parts(key).items()},
            "scores": scores,
            "hashes": run.hashes() | {"weights": artifact.info["weights"]},
            "own_map": artifact.info["own_map"],
            "undefined_pixels": artifact.info["undefined_pixels"],
            "draws": artifact.info["draws"],
            "parameters": artifact.info["parameters"],
            "seconds": {name: round(value, 3) for name, value in seconds.items()},
            "peak_memory_mb": peak_memory_mb(),
        }
    )
    tables = [pd.concat([t.facts, t.evidence.scores], axis=1) for t in predicted.tests]
    cases = pd.concat(tables, ignore_index=True).assign(**fitted)
    failures = [
        Failure(key.estimator, key.seed, score, str(column.info.undefined))
        for score, column in columns.items()
        if column.info.failed
    ]
    further = {name: table for name, table in artifact.tables.items() if name != CASES}
    return Finished(Record(sidecar, cases, further), failures)


def failed_record(run: Recorded, key: RunKey, message: str) -> Finished:
    """Return the record of an estimator that did not get as far as to predict."""
    failed = {"status": "failed", "error": message}
    sidecar = _sidecar(run, key).model_copy(update=failed)
    return Finished(Record(sidecar, None), [Failure(key.estimator, key.seed, "", message)])


def determinism() -> str:
    """Return what repeating a run on the same machine and package versions promises."""
    if has_accelerator():
        return "seeded; equal to rounding (accelerator kernels may reorder sums)"
    return "bit-equal on one machine with the same package versions and number of cores"


def _sidecar(run: Recorded, key: RunKey) -> Sidecar:
    device: dict[str, str | int] = {
        "keras_backend": BACKEND,
        "accelerator": "yes" if has_accelerator() else NO_ACCELERATOR,
    }
    return Sidecar(
        estimator=key.estimator,
        seed=key.seed,
        status="ok",
        hashes=run.hashes(),
        determinism=determinism(),
        packages=package_versions(),
        machine=machine() | device,
        **run.facts(),
    )


def _aggregation_scores(artifact: Artifact, predicted: Predicted) -> dict[str, ScoreInfo]:
    """Return the scores that need no fit: those with a column, then the undefined ones."""
    estimates = DICE_ESTIMATES if predicted.target.is_mean_dice else ()
    chosen_by = on_quality(predicted.quality)
    defined = {
        str(name): ScoreInfo(
            kind="aggregation", predicts_quality=name in estimates, on_quality=chosen_by[name]
        )
        for name in predicted.tests[0].evidence.scores.columns
    }
    undefined = {
        name: ScoreInfo(kind="aggregation", undefined=reason)
        for name, reason in sorted(artifact.info["undefined"].items())
    }
    return defined | undefined
