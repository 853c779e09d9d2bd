"""The prediction stage: an estimator's draws become a table of scores, masks and one map a case."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.data.cases import Cases, SegmentationData
from dicecast.errors import PluginError
from dicecast.estimation.contract import Predictive
from dicecast.estimation.measures import LOGIT_MEASURES, MEASURES, NEEDS_LOGITS
from dicecast.estimation.prediction import Prediction
from dicecast.estimation.sampling import Sampler
from dicecast.harness.case_features import feature_width
from dicecast.harness.pixel_metrics import NOT_ITS_OWN, PixelScoring
from dicecast.harness.reporting import Reporter
from dicecast.heads.contract import Evidence, Examples
from dicecast.metrics.quality import dice
from dicecast.metrics.targets import QualityTarget
from dicecast.records import true_quality
from dicecast.scores.agreement import AGREEMENT_SCORES, PROBABILITY_SCORES, undefined_for
from dicecast.scores.mask_shape import mask_shape
from dicecast.scores.score_cases import score_batch
from dicecast.scores.threshold import ThresholdCalibration
from dicecast.scratch import NewStack, new_stack
from dicecast.stacks import Stack, select
from dicecast.stopwatch import timed
from dicecast.store import Artifact

SCORE, SHAPE = "score:", "shape:"
TABLES_AT_MOST = 256
"""Tables of a batch that are held before they are joined: small ones take twice their content."""


@dataclass(frozen=True)
class PredictedRole:
    """One role as an estimator segmented it.

    Attributes:
        facts: One row a case: stem, group, domain, dice, dice/<class>, empty_truth,
            empty_prediction.
        evidence: What a head may see.
    """

    facts: pd.DataFrame
    evidence: Evidence


def predict_roles(
    data: SegmentationData,
    predictive: Predictive,
    sampler: Sampler,
    seed: int,
    reporter: Reporter,
) -> Artifact:
    """Predict the quality role and every test set.

    Returns:
        Stacks ``mask`` (uint8) and ``uncertainty`` (float32), one a case, in the order of the table
        ``cases``; thresholds and undefined scores in ``info``.

    Raises:
        PluginError: The estimator breaks its contract.
    """
    roles = [(role, cases) for role, cases in data.roles() if role not in ("train", "validation")]
    total = len(data.validation) + sum(len(cases) for _, cases in roles)
    reporter.stage("predict", total)

    def predictions(cases: Cases, keep_masks: int = 0) -> Iterator[Prediction]:
        for prediction in sampler.predict(predictive, cases.images, seed, keep_masks):
            yield prediction
            reporter.advance(len(prediction.mask))

    calibration, pixel_metrics = ThresholdCalibration(), PixelScoring(data, predictive)
    for rows, prediction in _numbered(predictions(data.validation)):
        calibration.update(prediction)
        pixel_metrics.calibrate(
            _own_map(prediction, predictive), data.validation.masks[rows], prediction.mask
        )
    scoring = _Scoring(predictive, calibration.thresholds(), data.classes)
    pixels = _Pixels.of(sum(len(cases) for _, cases in roles), data.image_shape[:2])
    tables: list[pd.DataFrame] = []
    for role, cases in roles:
        tested = role.startswith("test/")
        keep_masks = pixel_metrics.draws_wanted(cases) if tested else 0
        for rows, prediction in _numbered(predictions(cases, keep_masks)):
            with timed("aggregate", len(prediction.mask)):
                if len(tables) >= TABLES_AT_MOST:
                    tables = [pd.concat(tables, ignore_index=True)]
                tables.append(scoring.table(role, cases, rows, prediction))
                pixels.append(prediction.mask, _own_map(prediction, predictive))
            if tested:
                pixel_metrics.update(prediction, cases, rows)
    return Artifact(
        tables={"cases": pd.concat(tables, ignore_index=True)} | pixel_metrics.tables(),
        info={
            "thresholds": scoring.thresholds,
            "undefined": undefined_scores(predictive, scoring.thresholds),
            "own_map": predictive.own_map,
            "undefined_pixels": pixel_metrics.undefined,
            "draws": predictive.num_draws,
            "parameters": predictive.num_parameters,
            "features": feature_width(predictive),
        },
        stacks={"mask": pixels.mask, "uncertainty": pixels.uncertainty},
    )


def undefined_scores(predictive: Predictive, maps: Collection[str]) -> dict[str, str]:
    """Return the measures and scores that the predictive does not define, with the reason.

    Args:
        predictive: What an estimator's ``fit`` returned.
        maps: The names of the maps that it gives.
    """
    if not predictive.measures_from_draws:
        by_draws = (*MEASURES, *LOGIT_MEASURES, *PROBABILITY_SCORES, *AGREEMENT_SCORES)
        return dict.fromkeys(by_draws, NOT_ITS_OWN)
    undefined = {
        name: f"needs at least {measure.least_draws} draws"
        for name, measure in MEASURES.items()
        if predictive.num_draws < measure.least_draws
    }
    undefined |= {name: NEEDS_LOGITS for name in LOGIT_MEASURES if name not in maps}
    return undefined | undefined_for(predictive.num_draws, predictive.ordered_draws)


def predicted_role(
    artifact: Artifact,
    role: str,
    cases: Cases,
    num_classes: int,
    features: Stack[np.float32] | None,
) -> PredictedRole:
    """Return the part of a prediction artifact that is about one role, with its features."""
    table = artifact.tables["cases"]
    first = int(np.argmax(table["role"] == role))
    rows = slice(first, first + len(cases))
    table = table.iloc[rows].reset_index(drop=True)
    if list(table["stem"]) != cases.stems:
        raise AssertionError(f"the stored predictions of {role} are not those of its cases")
    evidence = Evidence(
        cases.images,
        select(artifact.stacks["mask"], rows),
        select(artifact.stacks["uncertainty"], rows),
        _with_prefix(table, SCORE),
        _with_prefix(table, SHAPE),
        num_classes,
        features,
    )
    kept = [c for c in table.columns if not c.startswith((SCORE, SHAPE)) and c != "role"]
    return PredictedRole(table[kept], evidence)


def examples(
    role: PredictedRole,
    data: SegmentationData,
    features: Stack[np.float32] | None,
    target: QualityTarget,
) -> Examples:
    """Return what heads are fitted on: predicted cases of the quality role with their truth.

    Args:
        role: The quality role as it was predicted.
        data: With the truth.
        features: Of the training role.
        target: What is measured as their quality.
    """
    return Examples(
        role.evidence,
        true_quality(role.facts),
        data.quality.masks,
        data.quality.groups,
        data.train,
        features,
        target=target,
    )


@dataclass
class _Pixels:
    """Masks and maps of all cases, filled from the first on: in memory where they fit."""

    mask: NewStack[np.uint8]
    uncertainty: NewStack[np.float32]
    filled: int = 0

    @classmethod
    def of(cls, cases: int, size: tuple[int, ...]) -> _Pixels:
        shape = (cases, *size)
        total = 5 * math.prod(shape)
        return cls(new_stack(shape, np.uint8, total), new_stack(shape, np.float32, total))

    def append(self, mask: NDArray[np.uint8], uncertainty: NDArray[np.float32]) -> None:
        rows = slice(self.filled, self.filled + len(mask))
        self.mask[rows], self.uncertainty[rows] = mask, uncertainty
        self.filled = rows.stop


@dataclass(frozen=True)
class _Scoring:
    """What decides the numbers of a prediction."""

    predictive: Predictive
    thresholds: dict[str, float]
    classes: tuple[str, ...]

    def table(self, role: str, cases: Cases, rows: slice, prediction: Prediction) -> pd.DataFrame:
        """Return facts, scores and shape features of the cases at ``rows``."""
        scores = score_batch(prediction, self.thresholds)
        if not self.predictive.measures_from_draws:
            scores = scores.drop(columns=list(PROBABILITY_SCORES))
        return pd.concat(
            [
                _facts(role, cases, rows, prediction.mask, self.classes),
                scores.add_prefix(SCORE),
                mask_shape(prediction.mask, len(self.classes)).add_prefix(SHAPE),
            ],
            axis=1,
        )


def _own_map(prediction: Prediction, predictive: Predictive) -> NDArray[np.float32]:
    if predictive.own_map not in prediction.maps:
        raise PluginError(
            f"{type(predictive).__name__}.own_map is '{predictive.own_map}', which is neither one "
            f"of its maps nor a measure it defines ({', '.join(prediction.maps)})."
        )
    return prediction.maps[predictive.own_map]


def _facts(
    role: str,
    cases: Cases,
    rows: slice,
    mask: NDArray[np.uint8],
    classes: tuple[str, ...],
) -> pd.DataFrame:
    truth = cases.masks[rows]
    by_class = dice(mask, truth, len(classes))
    facts = cases.table.iloc[rows][["stem", "group", "domain"]].astype(str).reset_index(drop=True)
    facts.insert(0, "role", role)
    facts["dice"] = by_class.mean(axis=1)
    facts["empty_truth"] = np.logical_not(truth.any(axis=(1, 2)))
    facts["empty_prediction"] = np.logical_not(mask.any(axis=(1, 2)))
    if len(classes) > 2:
        for index, name in enumerate(classes[1:]):
            facts[f"dice/{name}"] = by_class[:, index]
    return facts


def _numbered(predictions: Iterator[Prediction]) -> Iterator[tuple[slice, Prediction]]:
    """Yield each batch with its rows among the cases of its role."""
    start = 0
    for prediction in predictions:
        rows = slice(start, start + len(prediction.mask))
        yield rows, prediction
        start = rows.stop


def _with_prefix(table: pd.DataFrame, prefix: str) -> pd.DataFrame:
    chosen = [column for column in table.columns if column.startswith(prefix)]
    return table[chosen].rename(columns=lambda column: str(column).removeprefix(prefix))
