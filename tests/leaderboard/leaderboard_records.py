"""Small suites of synthetic records, built without running anything."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dicecast.records import Record, ScoreInfo, Sidecar

BOOTSTRAP = {"resamples": 200, "seed": 3, "level": 0.95}
SCORES = {
    "entropy/mean": ScoreInfo(kind="aggregation"),
    "isotonic": ScoreInfo(kind="head", predicts_quality=True),
    "constant": ScoreInfo(kind="head", predicts_quality=True),
    "random": ScoreInfo(kind="head"),
    "mutual_information/mean": ScoreInfo(kind="aggregation", undefined="one draw has no spread"),
}


def on_quality(spearman):
    """Return what is known of an aggregation with this correlation on the quality role."""
    return ScoreInfo(kind="aggregation", on_quality={"spearman": spearman, "aurc": 0.2})


CHOSEN = SCORES | {"entropy/mean": on_quality(0.6), "random": on_quality(0.1)}
"""The same, with two aggregations to choose from."""


def make_cases(seed, sizes=(("in_distribution", 40), ("noise", 25))):
    """Return a table of cases whose scores follow the Dice more or less."""
    generator = np.random.default_rng(seed)
    tables = []
    for domain, size in sizes:
        dice = generator.beta(5.0, 2.0, size)
        guess = dice + generator.normal(scale=0.2, size=size)
        tables.append(
            pd.DataFrame(
                {
                    "stem": [f"{domain}-{index:03d}" for index in range(size)],
                    "group": [f"patient-{index // 2}" for index in range(size)],
                    "domain": domain,
                    "dice": dice,
                    "empty_truth": False,
                    "empty_prediction": False,
                    "entropy/mean": dice + generator.normal(scale=0.1, size=size),
                    "isotonic": np.clip(guess, 0.0, 1.0).round(1),
                    "constant": 0.7,
                    "random": generator.random(size),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def make_record(estimator="softmax", seed=0, cases=None, scores=None, **sidecar):
    """Return a record; a keyword of the sidecar replaces its default."""
    settings = {
        "suite": "tiny",
        "estimator": estimator,
        "seed": seed,
        "status": "ok",
        "failure_threshold": 0.7,
        "bootstrap": BOOTSTRAP,
        "hashes": {"data": "d", "split": "s"},
        "scores": SCORES if scores is None else scores,
    } | sidecar
    if cases is None and settings["status"] == "ok":
        cases = make_cases(sum(map(ord, estimator)) + seed)
    return Record(Sidecar(**settings), cases)


def make_failed(estimator="swag", seed=0):
    """Return the record of a run that raised."""
    return make_record(
        estimator,
        seed,
        status="failed",
        error="MemoryError: too\nlarge | <b>",
        hashes={},
        scores={},
    )


def make_records():
    """Return two estimators under two seeds, and one that failed."""
    runs = [make_record(name, seed) for name in ("softmax", "mc_dropout") for seed in (0, 1)]
    return [*runs, make_failed()]
