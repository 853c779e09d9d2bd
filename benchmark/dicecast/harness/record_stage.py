"""The last stage: what is known of one (estimator, seed) becomes a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from dicecast.harness.head_stage import Column, Predicted
from dicecast.harness.machine import NO_ACCELERATOR, machine, peak_memory_mb
from dicecast.harness.on_quality import on_quality
from dicecast.harness.outcome import Failure, Finished, RunKey
from dicecast.harness.stored_records import suite_facts
from dicecast.identity import describe, package_versions
from dicecast.networks.backend import BACKEND, has_accelerator
from dicecast.records import CASES, Record, ScoreInfo, Sidecar
from dicecast.store import Artifact

if TYPE_CHECKING:
    from dicecast.harness.run import SuiteRun

DICE_ESTIMATES = ("pairwise_dice", "expected_dice")
"""Aggregations that estimate the Dice itself, so that their error is defined without a fit."""


def finished_record(
    run: SuiteRun,
    key: RunKey,
    artifact: Artifact,
    predicted: Predicted,
    columns: Mapping[str, Column],
) -> Finished:
    """Return the record of an estimator that predicted.

    Args:
        run: The suite.
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
            "parts": _parts(run, key),
            "scores": scores,
            "hashes": _hashes(run) | {"weights": artifact.info["weights"]},
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


def failed_record(run: SuiteRun, key: RunKey, message: str) -> Finished:
    """Return the record of an estimator that did not get as far as to predict."""
    failed = {"status": "failed", "error": message}
    sidecar = _sidecar(run, key).model_copy(update=failed)
    return Finished(Record(sidecar, None), [Failure(key.estimator, key.seed, "", message)])


def determinism() -> str:
    """Return what repeating a run on the same machine and package versions promises."""
    if has_accelerator():
        return "seeded; equal to rounding (accelerator kernels may reorder sums)"
    return "bit-equal on one machine with the same package versions and number of cores"


def _sidecar(run: SuiteRun, key: RunKey) -> Sidecar:
    device: dict[str, str | int] = {
        "keras_backend": BACKEND,
        "accelerator": "yes" if has_accelerator() else NO_ACCELERATOR,
    }
    return Sidecar(
        estimator=key.estimator,
        seed=key.seed,
        status="ok",
        hashes=_hashes(run),
        determinism=determinism(),
        packages=package_versions(),
        machine=machine() | device,
        **suite_facts(run.suite),
    )


def _hashes(run: SuiteRun) -> dict[str, Any]:
    return {"data": run.data.content_hash, "split": run.data.split_hash}


def _parts(run: SuiteRun, key: RunKey) -> dict[str, Any]:
    described = {
        "dataset": run.dataset,
        "backbone": run.architecture,
        "training": run.schedule,
        "estimator": run.estimator(key),
        "heads": {c.score: c.head for c in run.heads if c.head is not None},
    }
    return {name: describe(value) for name, value in described.items()}


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
        for name, reason in artifact.info["undefined"].items()
    }
    return defined | undefined
