"""The contract of a quality head, as named checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicecast.heads.contract import IntervalHead
from dicecast.metrics.correlation import spearman
from dicecast.testing.checks import Contract, NotApplicableError
from dicecast.testing.common import settings_problem
from dicecast.testing.global_state import watching, what_moved
from dicecast.testing.head_trial import BATCH, HeadTrial, hash_of_evidence

HEAD_CONTRACT: Contract[HeadTrial] = Contract()
_rule = HEAD_CONTRACT.rule

TOLERANCE = 1e-4
"""Networks compute in single precision, and in another order for another batch."""

REVERSED_BELOW = -0.5
"""48 cases that are ranked by chance have a Spearman correlation below it once in 3000 times."""


@_rule(
    in_code="let score_name return a text, and keep what is learned in what fit returns",
    in_declaration="put @dataclass(frozen=True) under the registering decorator, use fields of "
    "plain JSON types or frozen dataclasses, and begin the docstring with a sentence.",
)
def settings(trial: HeadTrial) -> str:
    """A head is a frozen dataclass whose fields identify it, and it names its row."""
    name = getattr(trial.head, "score_name", None)
    if not isinstance(name, str) or not name.strip():
        return f"score_name is {name!r}."
    return settings_problem(trial.head)


@_rule(
    in_code="let fit(examples, seed) return an object with predict(evidence)",
    in_declaration="raise a DicecastError that names what it lacks only where examples truly do "
    "not allow a fit; 50 ordinary ones do.",
)
def fits(trial: HeadTrial) -> str:
    """Fitting on ordinary examples returns something that predicts."""
    head = trial.first.head
    return "" if callable(getattr(head, "predict", None)) else f"fit returned {head!r}."


@_rule(
    needs=["fits"],
    in_code="copy what you change, tables included",
    in_declaration="keep changed examples under a name of their own.",
)
def examples_untouched(trial: HeadTrial) -> str:
    """The examples that are handed to fit are the same afterwards."""
    return "they have other pixels, scores or names after fit." if trial.first.changed else ""


@_rule(
    needs=["fits"],
    in_code="return np.clip(values, 0, 1) of a float64 array with one number a case",
    in_declaration="raise a DicecastError where the head is undefined, instead of returning NaN.",
)
def one_number(trial: HeadTrial) -> str:
    """A prediction is one finite number a case, in [0, 1]."""
    values, cases = trial.predicted, len(trial.evidence)
    if values.shape != (cases,) or not np.issubdtype(values.dtype, np.floating):
        return f"for {cases} cases it is of shape {values.shape} and {values.dtype}."
    if not np.isfinite(values).all():
        return f"{np.count_nonzero(~np.isfinite(values))} of {cases} numbers are not finite."
    if values.min() < 0 or values.max() > 1:
        return f"the numbers lie in [{values.min():.3g}, {values.max():.3g}]."
    return ""


@_rule(
    needs=["one_number"],
    in_code="draw random numbers from numpy.random.default_rng(seed) in fit, and none in predict",
    in_declaration="give what must differ a field of the head.",
)
def global_state_untouched(trial: HeadTrial) -> str:
    """Fitting and predicting move no global seed and no other state of the process."""
    predicting = []
    for start in (1, 2):
        with watching(start) as watch:
            trial.first.head.predict(trial.evidence.take(slice(BATCH)))
        predicting.append(watch)
    moved = sorted({*what_moved(trial.first.watch, trial.again.watch), *what_moved(*predicting)})
    return f"{', '.join(moved)} moved." if moved else ""


@_rule(
    needs=["one_number"],
    in_code="give every random generator of fit the seed that it is handed, and round nothing by "
    "time or order",
    in_declaration="nothing that differs from fit to fit can be declared: take it out.",
)
def same_seed(trial: HeadTrial) -> str:
    """Fitted and asked again under the same seed, it gives the same numbers."""
    same = _moved(trial.first.head.predict(trial.evidence), trial.predicted)
    return same or _moved(trial.again.head.predict(trial.evidence), trial.predicted)


@_rule(
    needs=["same_seed"],
    in_code="predict each case from its own row: no ranks, means or neighbours in the batch",
    in_declaration="keep what is measured over cases from fit, on the examples.",
)
def order(trial: HeadTrial) -> str:
    """A case is predicted alike wherever it stands."""
    turned = np.arange(len(trial.evidence))[::-1]
    found = np.asarray(trial.first.head.predict(trial.evidence.take(turned)))
    return _moved(found[turned], trial.predicted)


@_rule(
    needs=["order"],
    in_code="predict each case from its own row: no means or normalisation over the batch",
    in_declaration="keep what is measured over cases from fit, on the examples.",
)
def batch_size(trial: HeadTrial) -> str:
    """A case is predicted alike in batches of any size, whichever cases are with it."""
    for size in (1, 3):
        parts = [
            trial.first.head.predict(trial.evidence.take(slice(start, min(start + size, BATCH))))
            for start in range(0, BATCH, size)
        ]
        seen = _moved(np.concatenate(parts), trial.predicted[:BATCH])
        if seen:
            return f"in batches of {size}, {seen}"
    return ""


@_rule(
    needs=["one_number"],
    in_code="copy what you change, tables included",
    in_declaration="nothing of the evidence may be written to: hold results elsewhere.",
)
def evidence_untouched(trial: HeadTrial) -> str:
    """The evidence is the same after predicting."""
    evidence = trial.evidence.take(np.arange(BATCH))
    before = hash_of_evidence(evidence)
    trial.first.head.predict(evidence)
    return "pixels or scores are other than before." if hash_of_evidence(evidence) != before else ""


@_rule(
    needs=["one_number"],
    in_code="predict from the evidence that predict is given, and from nothing else",
    in_declaration="what needs truths must take them from the examples of fit.",
)
def test_truth_unread(trial: HeadTrial) -> str:
    """Nobody reads the truth of the predicted cases while the head is fitted or predicts."""
    reads = len(trial.canary.reads)
    return f"their true masks were read {reads} times." if reads else ""


@_rule(
    needs=["one_number"],
    in_code="return one minus the prediction if it is an error or a distance: quality is high "
    "where good",
    in_declaration="fit on examples.quality, which is high where good already.",
)
def worse_masks_lower(trial: HeadTrial) -> str:
    """Worse masks are not predicted better: over held-out cases the ranking is not reversed."""
    if not np.ptp(trial.predicted):
        raise NotApplicableError("it predicts the same of all cases.")
    correlation = spearman(trial.predicted.astype(np.float64), trial.quality)
    seen = f"on {len(trial.quality)} held-out cases its Spearman correlation with the true Dice is "
    return f"{seen}{correlation:.2f}." if correlation < REVERSED_BELOW else ""


@_rule(
    needs=["one_number"],
    in_code="return (cases, 2) from predict_interval, the lower end first",
    in_declaration="set level to a share in (0, 1), or rename predict_interval if it is none.",
)
def intervals(trial: HeadTrial) -> str:
    """Intervals have a level in (0, 1), and a lower end that is not above the upper one."""
    head = trial.first.head
    if not isinstance(head, IntervalHead):
        raise NotApplicableError("it predicts no intervals.")
    if not 0 < head.level < 1:
        return f"the level is {head.level}."
    ends = np.asarray(head.predict_interval(trial.evidence))
    if ends.shape != (len(trial.evidence), 2):
        return f"their shape is {ends.shape}."
    wrong = np.count_nonzero(~(ends[:, 0] <= ends[:, 1]))
    return f"{wrong} of {len(ends)} have a lower end above the upper one, or NaN." if wrong else ""


def _moved(found: Any, expected: NDArray[Any]) -> str:
    moved = float(np.abs(np.asarray(found) - expected).max())
    return (
        f"the predictions of the same cases differ by up to {moved:.2g}."
        if moved > TOLERANCE
        else ""
    )
