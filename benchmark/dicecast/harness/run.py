"""Runs a suite: for every estimator and seed, from trained weights to a record."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dicecast.data.cases import SegmentationData
from dicecast.data.leaks import check_test_apart
from dicecast.errors import DicecastError, PluginError
from dicecast.estimation.contract import Estimator, Predictive
from dicecast.estimation.features import FeatureReader
from dicecast.estimation.sampling import Sampler
from dicecast.harness.case_features import FeaturesByRole, features_by_role, read_features
from dicecast.harness.cuts import WHOLE, Cut
from dicecast.harness.head_stage import ChosenHead, Column, Predicted, head_column
from dicecast.harness.joined import joined
from dicecast.harness.outcome import Failure, Finished, RunKey, created, message_of
from dicecast.harness.predicting import examples, predict_roles, predicted_role
from dicecast.harness.record_stage import failed_record, finished_record
from dicecast.harness.reporting import Reporter
from dicecast.harness.stored_records import suite_facts
from dicecast.harness.target import quality_target, with_quality
from dicecast.identity import code_version, code_versions, hash_of, package_versions
from dicecast.networks.backend import BACKEND, has_accelerator
from dicecast.networks.contract import BackboneArchitecture
from dicecast.plugins import backbones, datasets, estimators
from dicecast.records import write_record
from dicecast.stopwatch import timed
from dicecast.store import Artifact, Store, StoreError
from dicecast.suite import Part, Suite
from dicecast.training.backbone import BackboneTrainer
from dicecast.training.schedule import Schedule
from dicecast.training.trainer import Progress

SOURCES = ("data", "networks", "training", "estimation", "scores", "metrics", "heads", "harness")
"""The parts of this package that a record's numbers depend on."""


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
        # Now, because a long run may end after its sources were edited.
        self.code = code_versions(*SOURCES)
        self.reporter = reporter or Reporter()
        self.debug = debug
        self.estimators: list[tuple[Part, Estimator | str]] = [
            (part, created(estimators.create, part)) for part in suite.estimators
        ]
        self._by_title = {part.title: estimator for part, estimator in self.estimators}
        self.heads = [ChosenHead.of(part) for part in suite.heads]
        self.architecture: BackboneArchitecture = backbones.create(
            suite.backbone.name, suite.backbone.settings
        )
        self.schedule = Schedule(**suite.training.model_dump())
        self.dataset = datasets.create(suite.dataset.name, suite.dataset.settings)
        with timed("data"):
            self.data: SegmentationData = self.dataset.load(data_root, suite.image_size)
        self.target = quality_target(suite.quality, self.data.classes)
        # Fails here, before anything is trained, if what is tested on would be fitted on, whoever
        # made the dataset, or if the images do not fit the backbone.
        with timed("data"):
            check_test_apart(self.data)
        with timed("trace"):
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
            suite.compute.data_parallel,
        )
        self.cuts = [Cut(self.data, self.trainer)]
        if suite.heads and suite.quality_fit.folds_used:
            self.cuts += self.cuts[WHOLE].without_folds(suite.quality_fit.folds_used)
        how = (suite.compute.accelerate, suite.compute.sampling_batch_size)
        self.sampler = Sampler(self.data.num_classes, *how)
        self.reader = FeatureReader(*how)

    def run(self) -> list[Failure]:
        """Run everything, write a record after each (estimator, seed), and return what failed."""
        failures = []
        for finished in self.finished(self.run_keys()):
            write_record(self.results, finished.record)
            failures += finished.failures
        return failures

    def run_keys(self) -> list[RunKey]:
        """Return every run of the suite, in the order in which they are computed."""
        return [RunKey(title, seed) for seed in self.suite.seeds for title in self._by_title]

    def finished(self, keys: Sequence[RunKey]) -> Iterator[Finished]:
        """Yield what comes of each of ``keys``; a failure is a record too, unless ``debug``.

        Raises:
            StoreError: The store cannot be read or written; no record says so.
        """
        self.reporter.begin(len(keys))
        try:
            for key in keys:
                yield self._finished(key)
        finally:
            self.reporter.end()

    def estimator(self, key: RunKey) -> Estimator:
        """Return the estimator of a run.

        Raises:
            DicecastError: Its file is broken.
        """
        estimator = self._by_title[key.estimator]
        if isinstance(estimator, str):
            raise DicecastError(estimator)
        return estimator

    def facts(self) -> dict[str, Any]:
        """Return what a record says of the suite; see ``suite_facts``."""
        return suite_facts(self.suite)

    def hashes(self) -> dict[str, Any]:
        """Return the hashes of the data, of the split, and of this package's sources."""
        data = {"data": self.data.content_hash, "split": self.data.split_hash}
        return data | {"code": self.code}

    def parts(self, key: RunKey) -> dict[str, Any]:
        """Return every part that a run is made of, by kind."""
        return {
            "dataset": self.dataset,
            "backbone": self.architecture,
            "training": self.schedule,
            "estimator": self.estimator(key),
            "heads": {c.score: c.head for c in self.heads if c.head is not None},
        }

    def predict(self, key: RunKey, number: int = WHOLE) -> Artifact:
        """Return what the estimator says of all that a cut predicts; see the store."""
        cut = self.cuts[number]
        identity = {
            "estimator": self.estimator(key),
            "seed": key.seed,
            "data": cut.data.content_hash,
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
                "metrics/pixels",
                "harness/predicting.py",
                "harness/pixel_metrics.py",
            ),
            "packages": package_versions(),
        }

        def make() -> Artifact:
            predictive = self.fit(key, number)
            started = time.perf_counter()
            made = predict_roles(cut.data, predictive, self.sampler, key.seed, self.reporter)
            info = {
                "key": hash_of(identity),
                "weights": sorted(cut.trainer.used),
                "seconds": {
                    "train": sum(cut.trainer.used.values()),
                    "predict": time.perf_counter() - started,
                },
            }
            return replace(made, info=made.info | info)

        return self.store.get("prediction", identity, make)

    def fit(self, key: RunKey, number: int = WHOLE) -> Predictive:
        """Return the estimator's predictive distribution, its backbones trained or found."""
        cut = self.cuts[number]
        cut.trainer.used.clear()
        return self.estimator(key).fit(cut.data.for_fitting(), cut.trainer, key.seed)

    def predicted(self, key: RunKey) -> Predicted:
        """Return what a head may see of each role, and what it is fitted on."""
        whole, *folds = (self._by_role(key, number) for number in range(len(self.cuts)))
        if not folds:
            return whole
        rows = [cut.rows for cut in self.cuts[WHOLE + 1 :]]
        examples = joined([fold.examples for fold in folds], rows, whole.examples)
        together = hash_of([whole.key, *(fold.key for fold in folds)])
        seconds = sum(sum(fold.seconds.values()) for fold in folds)
        return whole._replace(
            key=together, examples=examples, seconds=whole.seconds | {"folds": seconds}
        )

    def _by_role(self, key: RunKey, number: int) -> Predicted:
        """Return the roles that a cut predicts; heads may be fitted on its quality role."""
        artifact, data = self.predict(key, number), self.cuts[number].data
        features = self._features(key, number, artifact)
        roles = {
            role: with_quality(
                predicted_role(artifact, role, cases, data.num_classes, features[role]),
                cases,
                self.target,
            )
            for role, cases in data.roles()
            if role not in ("train", "validation")
        }
        quality = roles.pop("quality")
        known = examples(quality, data, features["train"], self.target)
        tests, info = list(roles.values()), artifact.info
        return Predicted(info["key"], key.seed, known, quality, tests, self.target, info["seconds"])

    def _features(self, key: RunKey, number: int, prediction: Artifact) -> FeaturesByRole:
        """Return the features of the cases of a cut, to be computed when they are first read."""
        data = self.cuts[number].data
        identity = {
            "prediction": prediction.info["key"],
            "code": code_version("harness/case_features.py"),
        }

        def make() -> Artifact:
            backbone = self.fit(key, number).feature_backbone
            if backbone is None:
                raise PluginError(f"{key} had features when it predicted, and now it has none.")
            return read_features(data, backbone, self.reader)

        return features_by_role(
            data,
            prediction.info["features"],
            lambda: self.store.get("features", identity, make),
        )

    def column(self, chosen: ChosenHead, predicted: Predicted) -> Column:
        """Return what comes of one head."""
        self.reporter.stage(f"head {chosen.score}")
        return head_column(chosen, predicted, self.store, self.debug)

    def _finished(self, key: RunKey) -> Finished:
        self.reporter.run(*key)
        started = time.perf_counter()
        try:
            artifact = self.predict(key)
            predicted = self.predicted(key)
            columns = {chosen.score: self.column(chosen, predicted) for chosen in self.heads}
            finished = finished_record(self, key, artifact, predicted, columns)
        except StoreError:
            raise
        except Exception as error:
            if self.debug:
                raise
            finished = failed_record(self, key, message_of(error))
        self.reporter.done(f"{finished}, {time.perf_counter() - started:.0f} s")
        return finished

    def _on_epoch(self, progress: Progress, images: int) -> None:
        state = "".join(f" {name} {value:.3g}" for name, value in progress.state.items())
        self.reporter.advance(
            images, f"loss {progress.loss:.3f} validation Dice {progress.score:.3f}{state}"
        )
