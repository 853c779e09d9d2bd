"""Runs a suite: for every estimator and seed, from trained weights to a record."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from dicecast.data.cases import SegmentationData
from dicecast.errors import DicecastError
from dicecast.estimation.contract import Estimator
from dicecast.estimation.sampling import Sampler
from dicecast.harness.head_stage import ChosenHead, Predicted, head_column
from dicecast.harness.machine import machine, peak_memory_mb
from dicecast.harness.outcome import Failure, created, message_of
from dicecast.harness.predicting import PredictedRole, predict_roles, predicted_role
from dicecast.harness.reporting import Reporter
from dicecast.identity import code_version, describe, hash_of, package_versions
from dicecast.networks.backend import BACKEND, has_accelerator
from dicecast.networks.contract import BackboneArchitecture
from dicecast.plugins import backbones, datasets, estimators
from dicecast.records import Record, ScoreInfo, Sidecar, write_record
from dicecast.store import Artifact, Store
from dicecast.suite import Part, Suite
from dicecast.training.backbone import BackboneTrainer
from dicecast.training.trainer import Progress, Schedule

DICE_ESTIMATES = ("pairwise_dice", "expected_dice")
"""Aggregations that estimate the Dice itself, so that their error is defined without a fit."""


class SuiteRun:
    """A suite about to be run, its plug-ins created and its data loaded.

    Args:
        suite: What to run.
        store: Where results of stages are kept.
        results: The folder of all results.
        data_root: The dataset's folder, for datasets that read one.
        reporter: Receives the progress.
        debug: Raise the first failure instead of going on.

    Raises:
        DicecastError: An unknown name, a wrong setting, or a dataset that breaks a rule.
    """

    def __init__(
        self,
        suite: Suite,
        store: Store,
        results: Path,
        data_root: Path | None = None,
        reporter: Reporter | None = None,
        debug: bool = False,
    ) -> None:
        self.suite, self.store, self.results = suite, store, results
        self.reporter = reporter or Reporter()
        self.debug = debug
        self.failures: list[Failure] = []
        self.estimators: list[tuple[Part, Estimator | str]] = [
            (part, created(estimators.create, part)) for part in suite.estimators
        ]
        self.heads = [ChosenHead.of(part) for part in suite.heads]
        self.architecture: BackboneArchitecture = backbones.create(
            suite.backbone.name, suite.backbone.settings
        )
        self.schedule = Schedule(**suite.training.model_dump())
        self.dataset = datasets.create(suite.dataset.name, suite.dataset.settings)
        self.data: SegmentationData = self.dataset.load(data_root, suite.image_size)
        # Fails here, before anything is trained, if the images do not fit the backbone.
        self.architecture.build(self.data.image_shape, self.data.num_classes)
        self.trainer = BackboneTrainer(
            self.data.for_fitting(),
            self.architecture,
            self.schedule,
            store,
            suite.compute.precision,
            suite.compute.accelerate,
            lambda images: self.reporter.stage("train", images),
            self._on_epoch,
        )
        self.sampler = Sampler(
            self.data.num_classes, suite.compute.accelerate, suite.compute.sampling_batch_size
        )

    def run(self) -> list[Failure]:
        """Run everything, write a record after each (estimator, seed), and return what failed."""
        self.reporter.begin(len(self.suite.seeds) * len(self.estimators))
        try:
            for seed in self.suite.seeds:
                for part, estimator in self.estimators:
                    self._run_one(part, estimator, seed)
        finally:
            self.reporter.end()
        return self.failures

    def predict(self, estimator: Estimator, seed: int) -> Artifact:
        """Return what the estimator says of the quality role and all test sets; see the store."""
        identity = {
            "estimator": estimator,
            "seed": seed,
            "data": self.data.content_hash,
            "architecture": self.architecture,
            "schedule": self.schedule,
            "compute": self.suite.compute.model_dump(),
            "backend": BACKEND,
            "accelerator": has_accelerator(),
            "code": code_version(
                "networks",
                "training",
                "estimation",
                "scores",
                "metrics/quality.py",
                "harness/predicting.py",
            ),
            "packages": package_versions(),
        }

        def make() -> Artifact:
            self.trainer.used.clear()
            predictive = estimator.fit(self.data.for_fitting(), self.trainer, seed)
            started = time.perf_counter()
            made = predict_roles(self.data, predictive, self.sampler, seed, self.reporter)
            info = {
                "key": hash_of(identity),
                "weights": sorted(self.trainer.used),
                "seconds": {
                    "train": sum(self.trainer.used.values()),
                    "predict": time.perf_counter() - started,
                },
            }
            return replace(made, info=made.info | info)

        return self.store.get("prediction", identity, make)

    def _run_one(self, part: Part, estimator: Estimator | str, seed: int) -> None:
        self.reporter.run(part.title, seed)
        started = time.perf_counter()
        try:
            if isinstance(estimator, str):
                raise DicecastError(estimator)
            record = self._record(part, estimator, seed)
        except Exception as error:
            if self.debug:
                raise
            failure = Failure(part.title, seed, "", message_of(error))
            self.failures.append(failure)
            failed = {"status": "failed", "error": failure.message}
            record = Record(self._sidecar(part, seed).model_copy(update=failed), None)
            self.reporter.done(f"{part.title} seed {seed}: failed: {failure.message}")
        else:
            took = time.perf_counter() - started
            assert record.cases is not None
            self.reporter.done(
                f"{part.title} seed {seed}: mean test Dice {record.cases['dice'].mean():.3f}, "
                f"{took:.0f} s"
            )
        write_record(self.results, record)

    def _record(self, part: Part, estimator: Estimator, seed: int) -> Record:
        artifact = self.predict(estimator, seed)
        predicted = self._predicted(artifact, seed)
        scores = _aggregation_scores(artifact, predicted.tests[0])
        columns: dict[str, Any] = {}
        seconds = artifact.info["seconds"] | {"heads": 0.0}
        for chosen in self.heads:
            self.reporter.stage(f"head {chosen.score}")
            column = head_column(chosen, predicted, self.data, self.store, self.debug)
            scores[chosen.score] = column.info
            seconds["heads"] += column.seconds
            if column.quality is not None:
                columns[chosen.score] = column.quality
            if column.info.failed:
                self.failures.append(
                    Failure(part.title, seed, chosen.score, str(column.info.undefined))
                )
        tables = [pd.concat([t.facts, t.evidence.scores], axis=1) for t in predicted.tests]
        sidecar = self._sidecar(part, seed).model_copy(
            update={
                "parts": self._parts(estimator),
                "scores": scores,
                "hashes": self._hashes() | {"weights": artifact.info["weights"]},
                "draws": artifact.info["draws"],
                "parameters": artifact.info["parameters"],
                "seconds": {name: round(value, 3) for name, value in seconds.items()},
                "peak_memory_mb": peak_memory_mb(),
            }
        )
        return Record(sidecar, pd.concat(tables, ignore_index=True).assign(**columns))

    def _predicted(self, artifact: Artifact, seed: int) -> Predicted:
        roles = {
            role: predicted_role(artifact, role, cases, self.data.num_classes)
            for role, cases in self.data.roles()
            if role not in ("train", "validation")
        }
        return Predicted(artifact.info["key"], seed, roles.pop("quality"), list(roles.values()))

    def _sidecar(self, part: Part, seed: int) -> Sidecar:
        return Sidecar(
            suite=self.suite.name,
            estimator=part.title,
            seed=seed,
            status="ok",
            failure_threshold=self.suite.failure_threshold,
            bootstrap=self.suite.bootstrap.model_dump(),
            suite_settings=self.suite.model_dump(mode="json"),
            hashes=self._hashes(),
            determinism=determinism(),
            packages=package_versions(),
            machine=machine() | {"keras_backend": BACKEND},
        )

    def _hashes(self) -> dict[str, Any]:
        return {"data": self.data.content_hash, "split": self.data.split_hash}

    def _parts(self, estimator: Estimator) -> dict[str, Any]:
        described = {
            "dataset": self.dataset,
            "backbone": self.architecture,
            "training": self.schedule,
            "estimator": estimator,
            "heads": {c.score: c.head for c in self.heads if c.head is not None},
        }
        return {name: describe(value) for name, value in described.items()}

    def _on_epoch(self, progress: Progress, images: int) -> None:
        state = "".join(f" {name} {value:.3g}" for name, value in progress.state.items())
        self.reporter.advance(
            images, f"loss {progress.loss:.3f} validation Dice {progress.score:.3f}{state}"
        )


def determinism() -> str:
    """Return what repeating a run on the same machine and package versions promises."""
    if has_accelerator():
        return "seeded; equal to rounding (accelerator kernels may reorder sums)"
    return "bit-equal on one machine with the same package versions and number of cores"


def _aggregation_scores(artifact: Artifact, role: PredictedRole) -> dict[str, ScoreInfo]:
    """Return the scores that need no fit: those with a column, then the undefined ones."""
    defined = {
        str(name): ScoreInfo(kind="aggregation", predicts_quality=name in DICE_ESTIMATES)
        for name in role.evidence.scores.columns
    }
    undefined = {
        name: ScoreInfo(kind="aggregation", undefined=reason)
        for name, reason in artifact.info["undefined"].items()
    }
    return defined | undefined
