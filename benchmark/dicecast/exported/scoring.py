"""Scores an export as a run of a suite is: prediction, heads, record."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from dicecast.data.cases import Cases
from dicecast.exported.export import Export
from dicecast.exported.predictive import ExportedPredictive, ExportedSampler
from dicecast.exported.stacks import NoTrainingRole
from dicecast.harness.head_stage import ChosenHead, Column, Predicted, head_column
from dicecast.harness.outcome import Finished, RunKey
from dicecast.harness.predicting import PredictedRole, examples, predict_roles, predicted_role
from dicecast.harness.record_stage import finished_record
from dicecast.harness.reporting import Reporter
from dicecast.harness.target import quality_target, with_quality
from dicecast.identity import code_version, hash_of, package_versions
from dicecast.leaderboard.collect import domains, in_order
from dicecast.networks.backend import BACKEND, has_accelerator
from dicecast.records import Record, ScoreInfo, read_record, record_path
from dicecast.store import Artifact, Store

NO_QUALITY = "the export has no cases of the role quality, on which heads are fitted"


class ExportRun:
    """An export about to be scored.

    Args:
        export: What was exported.
        store: Where results of stages are kept.
        reporter: Receives the progress.
        debug: Raise the first failure of a head instead of going on.

    Raises:
        DicecastError: An unknown head, a wrong setting, or a name that clashes.
    """

    def __init__(
        self, export: Export, store: Store, reporter: Reporter | None = None, debug: bool = False
    ) -> None:
        self.export, self.manifest, self.store = export, export.manifest, store
        self.reporter, self.debug = reporter or Reporter(), debug
        self.key = RunKey(self.manifest.name, self.manifest.seed)
        self.heads = [ChosenHead.of(part) for part in self.manifest.heads]
        self.target = quality_target(self.manifest.quality, self.manifest.classes)
        self.predictive = ExportedPredictive(export.layout, self.manifest)

    def finished(self) -> Finished:
        """Return the record, and which heads failed.

        Raises:
            DicecastError: A file of the export breaks a rule.
        """
        self.reporter.begin(1)
        try:
            self.reporter.run(*self.key)
            started = time.perf_counter()
            artifact = self.predict()
            predicted = self._predicted(artifact)
            columns = {chosen.score: self._column(chosen, predicted) for chosen in self.heads}
            finished = finished_record(self, self.key, artifact, predicted, columns)
            self.reporter.done(f"{finished}, {time.perf_counter() - started:.0f} s")
        finally:
            self.reporter.end()
        return finished

    def predict(self) -> Artifact:
        """Return scores, masks and maps of all cases; see the store."""
        identity = {
            "export": self.export.content_hash,
            "backend": BACKEND,
            "accelerator": has_accelerator(),
            "code": code_version(
                *("exported", "networks", "estimation", "scores", "metrics/quality.py"),
                *("metrics/pixels", "harness/predicting.py", "harness/pixel_metrics.py"),
            ),
            "packages": package_versions(),
        }

        def make() -> Artifact:
            started = time.perf_counter()
            sampler = ExportedSampler(self.export.layout, self.export.predictions)
            made = predict_roles(
                self.export.data, self.predictive, sampler, self.key.seed, self.reporter
            )
            seconds = {"predict": time.perf_counter() - started}
            info = {"key": hash_of(identity), "weights": [], "seconds": seconds}
            return replace(made, info=made.info | info)

        return self.store.get("prediction", identity, make)

    def facts(self) -> dict[str, Any]:
        """Return what a record says of the manifest."""
        settings = self.manifest.model_dump(mode="json")
        return {
            "suite": self.manifest.suite,
            "failure_threshold": self.manifest.failure_threshold,
            "bootstrap": settings["bootstrap"],
            "suite_settings": {
                "name": self.manifest.suite,
                "image_size": list(self.export.layout.size),
                "quality": settings["quality"],
                "export": settings,
            },
        }

    def hashes(self) -> dict[str, Any]:
        """Return the hashes of what models are compared on, and of all that was exported."""
        data = self.export.data
        return {
            "data": data.truth_hash(),
            "split": data.split_hash,
            "export": self.export.content_hash,
        }

    def parts(self, key: RunKey) -> dict[str, Any]:
        """Return every part that the record is made of, by kind."""
        return {
            "export": self.export.layout,
            "heads": {c.score: c.head for c in self.heads if c.head is not None},
        }

    def _column(self, chosen: ChosenHead, predicted: Predicted) -> Column:
        if not len(predicted.quality.facts):
            info = ScoreInfo(kind="head", predicts_quality=True, undefined=NO_QUALITY)
            return Column(info, None)
        self.reporter.stage(f"head {chosen.score}")
        return head_column(chosen, predicted, self.store, self.debug)

    def _predicted(self, artifact: Artifact) -> Predicted:
        data = self.export.data
        tests = [self._role(artifact, f"test/{domain}") for domain in data.test]
        quality = self._role(artifact, "quality")
        known = replace(
            examples(quality, data, None, self.target), reference=cast(Cases, NoTrainingRole())
        )
        return Predicted(
            artifact.info["key"],
            self.key.seed,
            known,
            quality,
            tests,
            self.target,
            artifact.info["seconds"],
        )

    def _role(self, artifact: Artifact, role: str) -> PredictedRole:
        data = self.export.data
        cases = data.quality if role == "quality" else data.test[role.removeprefix("test/")]
        predicted = predicted_role(artifact, role, cases, data.num_classes, None)
        return with_quality(predicted, cases, self.target) if len(cases) else predicted


def check_belongs(results: Path, record: Record) -> None:
    """Check that a record can be in one table with those of its suite that are there.

    Raises:
        DicecastError: It cannot; the text says in what they differ.
    """
    sidecar = record.sidecar
    mine = record_path(results, sidecar.suite, sidecar.estimator, sidecar.seed)
    others = sorted(mine.parents[1].glob("*/seed-*.json"))
    together = [read_record(path) for path in others if path != mine]
    domains(in_order([*together, record]))
