"""Finished records in the store, found without importing Keras or reading a pixel."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dicecast.harness.machine import NO_ACCELERATOR, accelerator_present
from dicecast.harness.outcome import Failure, Finished, RunKey
from dicecast.identity import code_version, file_hash, hash_of, package_versions
from dicecast.plugins import REGISTRIES
from dicecast.records import CASES, Record, Sidecar
from dicecast.store import Artifact, Store
from dicecast.suite import Part, Suite

STAGE = "record"
KERAS_SETTINGS = {"backend": "tensorflow", "floatx": "float32", "epsilon": 1e-7}


class StoredRecords:
    """The records of a suite that the store holds.

    A stage's artifact is found by the *values* it was computed from, and to have these, plug-ins
    must be imported and data be read. A record is found by where those values come from, which is
    cheap to say: the settings, the sources of the plug-ins and of this package, the versions of the
    packages, the device, and names, sizes and times of the files in the dataset's folder. Whatever
    of it changes, the stages are asked one by one as if there were no record.

    Args:
        suite: Whose records.
        store: Where they are.
        data_root: The dataset's folder.
    """

    def __init__(self, suite: Suite, store: Store, data_root: Path | None) -> None:
        self.suite, self.store = suite, store
        self._parts = {part.title: part for part in suite.estimators}
        self._origins = {
            kind: {name: Path(found.origin) for name, found in registry.declared().items()}
            for kind, registry in REGISTRIES.items()
        }
        self._shared = {
            "image_size": list(suite.image_size),
            "dataset": self._source("datasets", suite.dataset),
            "files": hash_of(list(files_below(data_root))) if data_root else None,
            "backbone": self._source("backbones", suite.backbone),
            "training": suite.training.model_dump(),
            "compute": suite.compute.model_dump(),
            "quality": suite.quality.model_dump(),
            "folds": suite.quality_fit.folds_used,
            "heads": [self._source("heads", part) | {"label": part.label} for part in suite.heads],
            "code": code_version("."),
            "packages": package_versions(),
            "keras": keras_settings(),
        }

    def find(self, key: RunKey) -> Record | None:
        """Return the record that computing ``key`` would give, or None where it must be computed.

        What the suite says of it, such as the label and the failure threshold, is as it is now.
        """
        identity = self._identity(key, accelerator_present())
        artifact = self.store.find(STAGE, identity) if _from_files(identity) else None
        if artifact is None:
            return None
        record = _finished(artifact).record
        now = suite_facts(self.suite) | {"estimator": key.estimator}
        return Record(record.sidecar.model_copy(update=now), record.cases, record.further)

    def keep(self, finished: Finished) -> None:
        """Store a record for next time, unless something in it failed: that is tried again."""
        identity = self._identity_of(finished)
        if not finished.failures and _from_files(identity):
            self.store.get(STAGE, identity, lambda: _artifact(finished))

    def hand_over(self, finished: Finished) -> dict[str, Any]:
        """Store what a worker computed and return what ``handed_over`` finds it by."""
        identity = self._identity_of(finished)
        if finished.failures or not _from_files(identity):
            identity["only_now"] = uuid.uuid4().hex
        self.store.get(STAGE, identity, lambda: _artifact(finished))
        return identity

    def handed_over(self, identity: dict[str, Any]) -> Finished | None:
        """Return what a worker handed over, or None where it is not in the store."""
        artifact = self.store.find(STAGE, identity)
        return None if artifact is None else _finished(artifact)

    def _identity_of(self, finished: Finished) -> dict[str, Any]:
        device = finished.record.sidecar.machine.get("accelerator", NO_ACCELERATOR)
        return self._identity(finished.key, device != NO_ACCELERATOR)

    def _identity(self, key: RunKey, accelerator: bool) -> dict[str, Any]:
        estimator = self._source("estimators", self._parts[key.estimator])
        own = {"estimator": estimator, "seed": key.seed, "accelerator": accelerator}
        return own | self._shared

    def _source(self, kind: str, part: Part) -> dict[str, Any]:
        """Return a plug-in's name, settings, and the hash of its file (None where it has none).

        Where a setting names another plug-in of the kind, of which this one is made, the hashes of
        both.
        """
        settings = part.model_dump(mode="json")["settings"]
        known = self._origins[kind]
        others = [value for value in settings.values() if isinstance(value, str) and value in known]
        origins = [known.get(name) for name in (part.name, *others)]
        files = [origin for origin in origins if origin is not None and origin.is_file()]
        code = [file_hash(file) for file in files] if len(files) == len(origins) else None
        return {"name": part.name, "settings": settings, "code": code}


def suite_facts(suite: Suite) -> dict[str, Any]:
    """Return the fields of a sidecar that are the suite's and that no number depends on."""
    return {
        "suite": suite.name,
        "failure_threshold": suite.failure_threshold,
        "bootstrap": suite.bootstrap.model_dump(),
        "suite_settings": suite.model_dump(mode="json"),
    }


def keras_settings() -> dict[str, Any]:
    """Return what Keras will be set to when it is imported: backend and number format."""
    path = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    settings: dict[str, Any] = dict(KERAS_SETTINGS)
    if path.is_file():
        with contextlib.suppress(ValueError):  # Keras too passes over a file that is no JSON.
            settings |= json.loads(path.read_text())
    settings["backend"] = os.environ.get("KERAS_BACKEND", settings["backend"])
    return {name: settings[name] for name in KERAS_SETTINGS}


def files_below(root: Path) -> Iterator[tuple[str, int, int]]:
    """Yield path, size and time of change (ns) of every file, sorted; a folder is read once."""
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        place = Path(folder)
        known = place.stat()
        if (known.st_dev, known.st_ino) in seen:
            folders.clear()
            continue
        seen.add((known.st_dev, known.st_ino))
        folders.sort()
        for path in sorted(place / name for name in names):
            known = path.stat() if path.exists() else path.lstat()
            yield str(path.relative_to(root)), known.st_size, known.st_mtime_ns


def _from_files(identity: dict[str, Any]) -> bool:
    """Whether each plug-in is one file; one of an installed package must be imported and asked."""
    parts = [identity[name] for name in ("estimator", "dataset", "backbone")]
    return all(part["code"] is not None for part in (*parts, *identity["heads"]))


def _artifact(finished: Finished) -> Artifact:
    record = finished.record
    info = {
        # As text: the store sorts keys, and the order of the scores is that of the columns.
        "sidecar": record.sidecar.model_dump_json(),
        "failures": [list(failure) for failure in finished.failures],
    }
    return Artifact({}, record.tables, info)


def _finished(artifact: Artifact) -> Finished:
    sidecar = Sidecar.model_validate_json(artifact.info["sidecar"])
    failures = [Failure(*failure) for failure in artifact.info["failures"]]
    further = dict(artifact.tables)
    return Finished(Record(sidecar, further.pop(CASES, None), further), failures)
