"""Every metric of many scores at once: the numbers of ``metrics.evaluate``, quicker.

``evaluate`` takes about a millisecond a score, most of it for calling functions, and a leaderboard
has thousands of scores. Nothing is decided here: the tests hold each number to ``evaluate``.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.catalogue import METRICS, Sample
from dicecast.metrics.tie_groups import Order

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

# Up to here all pairs of cases are compared; beyond, sorting (in SciPy) is quicker.
_PAIRS_UP_TO = 600


class _Rows(NamedTuple):
    """Scores with one truth, arrays of ``(rows, cases)``, each case in its own place.

    Attributes:
        score: The scores.
        below: How many cases score lower.
        upto: How many score lower or the same.
        ascending: The cases of each row from its lowest score up.
        quality: ``(cases,)``.
        success: ``(cases,)``, whether each case succeeds.
    """

    score: Floats
    below: Indices
    upto: Indices
    ascending: Indices
    quality: Floats
    success: NDArray[np.bool_]


def point_metrics(
    scores: Floats, quality: Floats, threshold: float, predicts_quality: NDArray[np.bool_]
) -> dict[str, Floats]:
    """Return every metric of every score, NaN where it is undefined.

    Args:
        scores: ``(rows, cases)``, high where good, finite or NaN. A NaN makes the row NaN.
        quality: ``(cases,)`` in [0, 1].
        threshold: A case fails where its quality is below this.
        predicts_quality: ``(rows,)``, whether each score estimates the quality.

    Returns:
        ``(rows,)`` for each of ``METRICS``.

    Example:
        >>> result = point_metrics(
        ...     np.array([[1.0, 2.0, 3.0]]), np.array([0.2, 0.8, 0.9]), 0.5, np.array([False])
        ... )
        >>> result["failure_auroc"], result["mae"]
        (array([1.]), array([nan]))
    """
    usable = np.isfinite(scores).all(axis=1) if len(quality) else np.zeros(len(scores), np.bool_)
    values = {name: np.full(len(scores), np.nan) for name in METRICS}
    if usable.any():
        rows = _rows(scores[usable], quality, quality >= threshold)
        found = _correlations(rows) | _discrimination(rows) | _areas(rows) | _errors(rows)
        for name, numbers in found.items():
            values[name][usable] = numbers
    for name in ("mae", "rmse", "r2"):
        values[name][~predicts_quality] = np.nan
    return values


def undefined_metrics(
    score: Floats, quality: Floats, threshold: float, predicts_quality: bool
) -> dict[str, str]:
    """Return why each metric that does not exist for a score does not, as ``evaluate`` says it.

    Arguments are those of ``dicecast.metrics.evaluate.evaluate``.
    """
    missing = int(np.count_nonzero(np.isnan(score)))
    if missing:
        return dict.fromkeys(METRICS, f"undefined for {missing} of {len(score)} cases")
    constant = len(score) == 0 or bool(np.ptp(score) == 0)
    return _reasons(constant, quality.tobytes(), threshold, predicts_quality)


@lru_cache(maxsize=256)
def _reasons(
    constant: bool, quality: bytes, threshold: float, predicts_quality: bool
) -> dict[str, str]:
    """Ask the catalogue once for all scores it says the same of."""
    truth = np.frombuffer(quality)
    score = np.zeros(len(truth)) if constant else np.arange(len(truth), dtype=np.float64)
    sample = Sample(score, truth, threshold, predicts_quality)
    found = {
        name: next(filter(None, (obstacle(sample) for obstacle in metric.obstacles)), None)
        for name, metric in METRICS.items()
    }
    return {name: reason for name, reason in found.items() if reason}


def _rows(score: Floats, quality: Floats, success: NDArray[np.bool_]) -> _Rows:
    orders = [Order.of(row) for row in score]
    return _Rows(
        score,
        np.stack([order.below for order in orders]),
        np.stack([order.upto for order in orders]),
        np.stack([order.ascending for order in orders]),
        quality,
        success,
    )


def _correlations(rows: _Rows) -> dict[str, Floats]:
    ranks, truth = _centred_ranks(rows), _centred_ranks(_truth_as_rows(rows))[0]
    spread = np.square(ranks).sum(axis=1) * (truth @ truth)
    pearson = (_unit(rows.score) * _unit(rows.quality[np.newaxis])).sum(axis=1)
    return {
        "spearman": _divide((ranks * truth).sum(axis=1), np.sqrt(spread)),
        "pearson": np.clip(pearson, -1.0, 1.0),
        "kendall": _kendall(rows, ranks, truth),
    }


def _kendall(rows: _Rows, ranks: Floats, truth: Floats) -> Floats:
    if len(truth) > _PAIRS_UP_TO:
        return np.array([METRICS["kendall"].compute(_sample(rows, row)) for row in rows.score])
    # Ranks are whole numbers below 2 * _PAIRS_UP_TO, so that small integers hold them.
    signs = np.sign(np.subtract.outer(truth, truth)).astype(np.int8)
    pairs_apart = int(np.count_nonzero(signs))
    result = np.full(len(ranks), np.nan)
    for index, row in enumerate(ranks.astype(np.int16)):
        differences = row[:, np.newaxis] - row
        in_order = int(np.multiply(np.sign(differences), signs).sum(dtype=np.int64))
        apart = pairs_apart * int(np.count_nonzero(differences))
        result[index] = in_order / np.sqrt(apart) if apart else np.nan
    return result


def _sample(rows: _Rows, score: Floats) -> Sample:
    return Sample(score, rows.quality, np.nan, predicts_quality=True)


def _discrimination(rows: _Rows) -> dict[str, Floats]:
    success = rows.success
    good, bad = np.count_nonzero(success), np.count_nonzero(~success)
    if not good or not bad:
        return {}
    cases = len(success)
    good_upto = _sums(rows, success.astype(np.float64), rows.upto)
    good_from = good - _sums(rows, success.astype(np.float64), rows.below)
    accepted = cases - rows.below
    ordered = (_centred_ranks(rows)[:, success]).sum(axis=1)
    enough = good_from / good >= 0.95
    return {
        "failure_auroc": (good * bad + ordered) / (2.0 * good * bad),
        "average_precision_failure": (1.0 - good_upto / rows.upto)[:, ~success].mean(axis=1),
        "average_precision_success": (good_from / accepted)[:, success].mean(axis=1),
        "fpr_at_95_tpr": np.where(enough, accepted - good_from, cases).min(axis=1) / bad,
    }


def _areas(rows: _Rows) -> dict[str, Floats]:
    cases = len(rows.quality)
    if cases < 2:
        return {}
    risk = 1.0 - rows.quality
    random, best = risk.mean(), _aurc(_truth_as_rows(rows))[0]
    area = _aurc(rows)
    # As in metrics.naurc: no room between random and best where all risks are equal.
    room = random - best if np.ptp(rows.quality) > 0 and best < random else np.nan
    generalised = (_centred_ranks(rows) * risk).sum(axis=1) / cases + risk.sum()
    return {
        "aurc": area,
        "e_aurc": area - best,
        "naurc": (random - area) / room,
        "augrc": generalised / (2.0 * cases),
    }


def _aurc(rows: _Rows) -> Floats:
    """Return the area: a trapezoid for each case, from before its ties to after them."""
    cases, risk = len(rows.quality), 1.0 - rows.quality
    total = _sums(rows, risk, np.full_like(rows.upto, cases))
    after = (total - _sums(rows, risk, rows.below)) / (cases - rows.below)
    above = total - _sums(rows, risk, rows.upto)
    before = np.divide(above, cases - rows.upto, out=after.copy(), where=rows.upto < cases)
    area: Floats = (before + after).mean(axis=1) / 2.0
    return area


def _errors(rows: _Rows) -> dict[str, Floats]:
    errors = rows.score - rows.quality
    squares = np.square(errors)
    values = {"mae": np.abs(errors).mean(axis=1), "rmse": np.sqrt(squares.mean(axis=1))}
    spread = np.square(rows.quality - rows.quality.mean()).sum()
    if np.ptp(rows.quality) > 0 and spread > 0:
        values["r2"] = 1.0 - squares.sum(axis=1) / spread
    return values


def _sums(rows: _Rows, values: Floats, upto: Indices) -> Floats:
    """Return the sum of ``values``, ``(cases,)``, over the ``upto`` lowest cases of each row."""
    sums = np.zeros((len(rows.score), len(values) + 1))
    np.cumsum(values[rows.ascending], axis=1, out=sums[:, 1:])
    chosen: Floats = np.take_along_axis(sums, upto, axis=1)
    return chosen


def _truth_as_rows(rows: _Rows) -> _Rows:
    return _rows(rows.quality[np.newaxis], rows.quality, rows.success)


def _centred_ranks(rows: _Rows) -> Floats:
    """Return twice the distance of each midrank from the mean rank: whole, so sums are exact."""
    ranks: Floats = (rows.below + rows.upto - rows.score.shape[1]).astype(np.float64)
    return ranks


def _unit(values: Floats) -> Floats:
    """Centre each row and scale it to length 1; a constant row is NaN."""
    spread = np.ptp(values, axis=1, keepdims=True)
    shifted = _divide(values - values.min(axis=1, keepdims=True), spread)
    centred = shifted - shifted.mean(axis=1, keepdims=True)
    return _divide(centred, np.sqrt(np.square(centred).sum(axis=1, keepdims=True)))


def _divide(part: Floats, whole: Floats) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        quotient: Floats = np.where(whole == 0, np.nan, part / whole)
    return quotient
