"""Runs a suite: for every estimator and seed, from trained weights to a record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dicecast.data.cases import SegmentationData
from dicecast.errors import DicecastError
from dicecast.estimation.contract import Estimator
from dicecast.estimation.sampling import Sampler
from dicecast.harness.machine import machine, peak_memory_mb
from dicecast.harness.predicting import PredictedRole, examples, predict_roles, predicted_role
from dicecast.harness.reporting import Reporter
from dicecast.heads.contract import QualityHead
from dicecast.identity import code_version, describe, hash_of, package_versions
from dicecast.networks.backend import BACKEND, has_accelerator
from dicecast.networks.contract import BackboneArchitecture
from dicecast.plugins import backbones, datasets, estimators, heads
from dicecast.records import Record, ScoreInfo, Sidecar, write_record
from dicecast.registry import BrokenPluginError
from dicecast.store import Artifact, Store
from dicecast.suite import Part, Suite
from dicecast.training.backbone import BackboneTrainer
from dicecast.training.trainer import Progress, Schedule

DICE_ESTIMATES = ("pairwise_dice", "expected_dice")
"""Aggregations that estimate the Dice itself, so that their error is defined without a fit."""


@dataclass
class Failures:
    """What did not finish: (estimator, seed, head or "", message)."""

    items: list[tuple[str, int, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Head:
    title: str
    score: str
    head: QualityHead | None
    error: str = ""


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
        self.failures = Failures()
        self.estimators = [(part, _created(estimators.create, part)) for part in suite.estimators]
        self.heads = [_head(part) for part in suite.heads]
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

    def run(self) -> Failures:
        """Run everything, write a record after each (estimator, seed), and return what failed."""
        self.reporter.begin(len(self.suite.seeds) * len(self.estimators))
        try:
            for seed in self.suite.seeds:
                for part, estimator in self.estimators:
                    self._run_one(part, estimator, seed)
        finally:
            self.reporter.end()
        return self.failures

    def predict(self, estimator: Estimator, seed: int) -> tuple[Artifact, dict[str, float]]:
        """Return the prediction artifact of an estimator and the seconds its stages took."""
        seconds: dict[str, float] = {}
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
                "networks", "training", "estimation", "scores", "metrics/quality.py"
            ),
            "packages": package_versions(),
        }

        def make() -> Artifact:
            self.trainer.used.clear()
            with _timed(seconds, "fit"):
                predictive = estimator.fit(self.data.for_fitting(), self.trainer, seed)
            with _timed(seconds, "predict"):
                made = predict_roles(self.data, predictive, self.sampler, seed, self.reporter)
            weights = sorted(set(self.trainer.used))
            info = {"weights": weights, "seconds": seconds, "key": hash_of(identity)}
            return Artifact(made.arrays, made.tables, made.info | info)

        artifact = self.store.get("prediction", identity, make)
        return artifact, dict(artifact.info["seconds"])

    def _run_one(self, part: Part, estimator: Estimator | str, seed: int) -> None:
        self.reporter.run(part.title, seed)
        started = time.perf_counter()
        try:
            if isinstance(estimator, str):
                raise DicecastError(estimator)
            artifact, seconds = self.predict(estimator, seed)
            record = self._record(part, estimator, seed, artifact, seconds)
        except Exception as error:
            if self.debug:
                raise
            message = _message(error)
            self.failures.items.append((part.title, seed, "", message))
            record = Record(
                self._sidecar(part, seed).model_copy(update={"status": "failed", "error": message}),
                None,
            )
            self.reporter.done(f"{part.title} seed {seed}: failed: {message}")
        else:
            took = time.perf_counter() - started
            mean = record.cases["dice"].mean() if record.cases is not None else np.nan
            self.reporter.done(f"{part.title} seed {seed}: mean test Dice {mean:.3f}, {took:.0f} s")
        write_record(self.results, record)

    def _record(
        self,
        part: Part,
        estimator: Estimator,
        seed: int,
        artifact: Artifact,
        seconds: dict[str, float],
    ) -> Record:
        classes = self.data.num_classes
        quality = predicted_role(artifact, "quality", self.data.quality, classes)
        tests = [
            predicted_role(artifact, f"test/{domain}", cases, classes)
            for domain, cases in self.data.test.items()
        ]
        scores = {
            name: ScoreInfo(kind="aggregation", predicts_quality=name in DICE_ESTIMATES)
            for name in tests[0].evidence.scores.columns
        } | {
            name: ScoreInfo(kind="aggregation", undefined=reason)
            for name, reason in artifact.info["undefined"].items()
        }
        columns: dict[str, pd.Series[float]] = {}
        with _timed(seconds, "heads"):
            for head in self.heads:
                columns |= self._head_scores(part, head, seed, artifact, (quality, tests), scores)
        cases = pd.concat([self._cases(test) for test in tests], ignore_index=True)
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
        return Record(sidecar, cases.assign(**columns))

    def _cases(self, test: PredictedRole) -> pd.DataFrame:
        return pd.concat([test.facts, test.evidence.scores], axis=1)

    def _head_scores(
        self,
        part: Part,
        head: _Head,
        seed: int,
        artifact: Artifact,
        roles: tuple[PredictedRole, list[PredictedRole]],
        scores: dict[str, ScoreInfo],
    ) -> dict[str, Any]:
        """Return the head's column, or nothing and the reason in ``scores``."""
        self.reporter.stage(f"head {head.score}")
        try:
            if head.head is None:
                raise DicecastError(head.error)
            values = self._fitted_head(head.head, seed, artifact, roles)
        except Exception as error:
            if self.debug:
                raise
            expected = isinstance(error, DicecastError) and head.head is not None
            scores[head.score] = ScoreInfo(
                kind="head", predicts_quality=True, undefined=_message(error), failed=not expected
            )
            if not expected:
                self.failures.items.append((part.title, seed, head.score, _message(error)))
            return {}
        scores[head.score] = ScoreInfo(kind="head", predicts_quality=True)
        return {head.score: values}

    def _fitted_head(
        self,
        head: QualityHead,
        seed: int,
        artifact: Artifact,
        roles: tuple[PredictedRole, list[PredictedRole]],
    ) -> Any:
        quality, tests = roles
        identity = {
            "head": head,
            "seed": seed,
            "prediction": artifact.info["key"],
            "code": code_version("heads", "networks", "training"),
            "packages": package_versions(),
        }

        def make() -> Artifact:
            known = examples(quality, self.data.quality, self.data.for_fitting())
            fitted = head.fit(known, seed)
            predicted = [_checked(head, fitted.predict(t.evidence), len(t.facts)) for t in tests]
            return Artifact({"quality": np.concatenate(predicted)})

        return self.store.get("head", identity, make).arrays["quality"]

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
            "heads": {head.score: head.head for head in self.heads if head.head is not None},
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


def _created(create: Callable[[str, dict[str, Any]], Any], part: Part) -> Any:
    """Create a plug-in; the message instead where its file is broken, which fails its rows only."""
    try:
        return create(part.name, part.settings)
    except BrokenPluginError as error:
        return str(error)


def _head(part: Part) -> _Head:
    head = _created(heads.create, part)
    if isinstance(head, str):
        return _Head(part.title, part.title, None, head)
    return _Head(part.title, part.label or head.score_name, head)


def _checked(head: QualityHead, predicted: Any, cases: int) -> Any:
    values = np.asarray(predicted, dtype=np.float64)
    if values.shape != (cases,) or not np.isfinite(values).all():
        raise TypeError(
            f"{type(head).__name__}.predict must return one finite number a case, ({cases},); got "
            f"shape {values.shape} with {int((~np.isfinite(values)).sum())} not finite"
        )
    return values


def _message(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, DicecastError) else f"{type(error).__name__}: {text}"


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] = time.perf_counter() - started
