"""The contract of an estimator, as named checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from dicecast.estimation.contract import Predictive
from dicecast.estimation.measures import MEASURES
from dicecast.estimation.prediction import Prediction
from dicecast.estimation.sampling import Sampler
from dicecast.testing.checks import Contract, NotApplicableError
from dicecast.testing.common import settings_problem
from dicecast.testing.estimator_trial import EstimatorTrial, drawn, predict
from dicecast.testing.global_state import watching, what_moved
from dicecast.testing.ground import BATCH

ESTIMATOR_CONTRACT: Contract[EstimatorTrial] = Contract()
_rule = ESTIMATOR_CONTRACT.rule

PROBABILITY_TOLERANCE = 2e-5
MAP_TOLERANCE = 1e-4
"""The order in which a sum is taken moves probabilities by less, and so do maps of them."""

REVERSED_BELOW = 0.4
"""An area under the curve this low is no accident: noise has 0.5, a useful map 0.7 and more."""


@_rule(
    in_code="compute what the fields do not hold in fit, not in the class",
    in_declaration="put @dataclass(frozen=True) under the registering decorator, use fields of "
    "plain JSON types or frozen dataclasses, and begin the docstring with a sentence.",
)
def settings(trial: EstimatorTrial) -> str:
    """An estimator is a frozen dataclass whose fields the store can identify it by."""
    return settings_problem(trial.estimator)


@_rule(
    in_code="let fit(data, train_backbone, seed) return a Predictive, and read the error above",
    in_declaration="set num_draws to a whole number, at least 1.",
)
def fits(trial: EstimatorTrial) -> str:
    """Fitting returns a Predictive that says how many draws it wants."""
    predictive = trial.first.predictive
    if not isinstance(predictive, Predictive):
        return f"fit returned a {type(predictive).__name__}."
    if not isinstance(predictive.num_draws, int | np.integer) or predictive.num_draws < 1:
        return f"num_draws is {predictive.num_draws!r}."
    return ""


@_rule(
    needs=["fits"],
    in_code="copy what you change: np.array(data.train.images), not np.asarray",
    in_declaration="hand changed cases to train_backbone.on(FittingData(...)) instead.",
)
def data_untouched(trial: EstimatorTrial) -> str:
    """The data that are handed to fit are the same afterwards, pixels and table."""
    changed = "the training or the validation role has other pixels, masks or names after fit."
    return changed if trial.first.changed else ""


@_rule(
    needs=["fits"],
    in_code="read data.train and data.validation alone; fit on nothing else",
    in_declaration="if it needs segmentations of known quality, make it a quality head, whose fit "
    "is given some.",
)
def test_truth_unread(trial: EstimatorTrial) -> str:
    """Nobody reads the truth of the test or the quality role while an estimator is fitted."""
    reads = trial.first.peeked
    return f"true masks of those roles were read {reads} times." if reads else ""


@_rule(
    needs=["fits"],
    in_code="return (batch, height, width, classes) from draw and (batch, height, width) for each "
    "entry of maps, both of floating point",
    in_declaration="let the dict that maps returns name the maps that it has, and no others.",
)
def shapes(trial: EstimatorTrial) -> str:
    """A draw is (batch, height, width, classes) and a map (batch, height, width), of floats."""
    size = trial.images[:BATCH].shape[:3]
    expected = {"a draw": (*size, trial.data.num_classes)}
    found = {"a draw": trial.drawn.draws[0], **trial.drawn.maps}
    for name, values in found.items():
        if values.shape != expected.get(name, size):
            return f"{name} has the shape {values.shape} instead of {expected.get(name, size)}."
        if not np.issubdtype(values.dtype, np.floating):
            return f"{name} is of {values.dtype}."
    return ""


@_rule(
    needs=["shapes"],
    in_code="look for a division or logarithm of zero, or add a small constant there",
    in_declaration="leave a map out where it is not defined; undefined is not infinite.",
)
def finite(trial: EstimatorTrial) -> str:
    """Every value of every draw and map is finite."""
    parts = {f"draw {index}": draw for index, draw in enumerate(trial.drawn.draws)}
    for name, values in (parts | trial.drawn.maps).items():
        count = np.count_nonzero(~np.isfinite(values))
        if count:
            return f"{name} has {count} values of {values.size} that are NaN or infinite."
    return ""


@_rule(
    needs=["finite"],
    in_code="apply dicecast.networks.probabilities.softmax to logits, and divide by the sum after "
    "anything else",
    in_declaration="return what is no probability from maps, under a name of its own.",
)
def probabilities(trial: EstimatorTrial) -> str:
    """The values of a draw are at least 0 and sum to 1 over the classes."""
    for index, draw in enumerate(trial.drawn.draws):
        sums = draw.sum(axis=-1)
        if draw.min() < -1e-4 or np.abs(sums - 1.0).max() > 1e-3:
            return (
                f"draw {index} has a minimum of {draw.min():.3g} and sums from {sums.min():.3g} "
                f"to {sums.max():.3g}."
            )
    return ""


@_rule(
    needs=["probabilities"],
    in_code="draw random numbers from numpy.random.default_rng(seed) and from the noise of a "
    "draw, and pass settings as arguments",
    in_declaration="give what must differ a field of the estimator or of train_backbone's changes.",
)
def global_state_untouched(trial: EstimatorTrial) -> str:
    """Fitting and drawing move no global seed and no other state of the process."""
    drawing = []
    for start in (1, 2):
        with watching(start) as watch:
            trial.predict(trial.images[:BATCH], trial.seed)
        drawing.append(watch)
    moved = sorted({*what_moved(trial.first.watch, trial.again.watch), *what_moved(*drawing)})
    return f"{', '.join(moved)} moved." if moved else ""


@_rule(
    needs=["probabilities"],
    in_code="scale the map to [0, 1], as by the cumulative distribution of its validation values",
    in_declaration="set own_map to the name of a map that maps returns, or of a measure such as "
    "'predictive_entropy'.",
)
def own_map(trial: EstimatorTrial) -> str:
    """The map that quality heads read exists, lies in [0, 1] and is not the same everywhere."""
    predictive = trial.predictive
    defined = [
        measure.name
        for measure in MEASURES.values()
        if predictive.measures_from_draws and predictive.num_draws >= measure.least_draws
    ]
    names = [*trial.drawn.maps, *defined]
    if predictive.own_map not in names:
        return f"own_map is '{predictive.own_map}', and there are {', '.join(names)}."
    values = trial.prediction.maps[predictive.own_map]
    if values.min() < -1e-4 or values.max() > 1.0 + 1e-4:
        return f"'{predictive.own_map}' lies in [{values.min():.3g}, {values.max():.3g}]."
    return f"'{predictive.own_map}' is {values.min():.3g} everywhere." if not values.std() else ""


@_rule(
    needs=["own_map"],
    in_code="return one minus the map if it is a confidence: a map is high where unsure",
    in_declaration="set own_map to another map, whose uncertainty is about errors.",
)
def orientation(trial: EstimatorTrial) -> str:
    """The estimator's own map is not lower where its segmentation errs than where it is right."""
    wrong = trial.prediction.mask != trial.truth
    if not wrong.any() or wrong.all():
        raise NotApplicableError("it segments all pixels alike, right or wrong.")
    values = trial.prediction.maps[trial.predictive.own_map]
    area = roc_auc_score(wrong.ravel(), values.ravel())
    seen = (
        f"over all pixels of {len(wrong)} test images, '{trial.predictive.own_map}' finds errors "
        f"with an AUROC of {area:.2f}, where noise has 0.50."
    )
    return seen if area < REVERSED_BELOW else ""


@_rule(
    needs=["probabilities"],
    in_code="take all random numbers from the noise that draw is given; keras.random's own "
    "generators go on from call to call",
    in_declaration="what is random once belongs into fit: keep its result in state.",
)
def same_seed(trial: EstimatorTrial) -> str:
    """The same seed gives the same draws, every time."""
    first = trial.prediction
    trial.predict(trial.images[:BATCH], trial.seed + 1)
    return _difference(trial.predict(trial.images[:BATCH], trial.seed), _part(first), exact=True)


@_rule(
    needs=["same_seed"],
    in_code="pass on the noise that draw is given; one made anew with a fixed seed is always the "
    "same",
    in_declaration="if the draws are members and not noise, ask for no noise (noisy=False).",
)
def other_seed(trial: EstimatorTrial) -> str:
    """Draws that are made from noise are others under another seed, and only those."""
    claims = bool(trial.drawn.asked)
    other = trial.predicted(trial.seed + 1).mean_probabilities
    moved = float(np.abs(other - _part(trial.prediction).mean_probabilities).max())
    if claims == (moved > 1e-6):
        if not claims:
            raise NotApplicableError("it draws no noise.")
        return ""
    what = "draws noise" if claims else "asks for no noise"
    return f"it {what}, and the mean probabilities under two seeds differ by {moved:.1g} at most."


@_rule(
    needs=["probabilities"],
    in_code="let a layer draw from active_noise() and say draws_noise = True: Keras' own Dropout "
    "is silent in prediction, even with training=True",
    in_declaration="set num_draws to 1 if there is a single draw.",
)
def draws_differ(trial: EstimatorTrial) -> str:
    """Where several draws are claimed, their variance is above zero in every case."""
    if trial.predictive.num_draws == 1:
        raise NotApplicableError("it has one draw.")
    if not trial.predictive.measures_from_draws:
        raise NotApplicableError("its draws say nothing about uncertainty.")
    variance = trial.prediction.maps["variance"].max(axis=(1, 2))
    information = trial.prediction.maps["mutual_information"].max()
    same = np.count_nonzero(variance <= 1e-6)
    if same:
        return f"in {same} of {len(variance)} cases all {trial.predictive.num_draws} are equal."
    return "" if information > 1e-5 else f"their mutual information is {information:.1g} at most."


@_rule(
    needs=["draws_differ"],
    in_code="let every index below num_draws give a draw of its own",
    in_declaration="set num_draws to the number of draws that there are.",
)
def draws_declared(trial: EstimatorTrial) -> str:
    """As many different draws are made as num_draws declares: a repeated one is paid for twice."""
    several = {draw.tobytes() for draw in trial.drawn.draws}
    declared = trial.predictive.num_draws
    return f"of {declared} draws {len(several)} differ." if len(several) < declared else ""


@_rule(
    needs=["fits"],
    in_code="sum num_parameters of the backbones that the predictive uses",
    in_declaration="set num_parameters on the predictive; keep all weights in state.",
)
def parameters_declared(trial: EstimatorTrial) -> str:
    """The declared number of weights fits the networks trained and the numbers in use."""
    declared, given = trial.predictive.num_parameters, trial.first.given
    if not given:
        raise NotApplicableError("it trains no network.")
    least, most = min(b.num_parameters for b in given), _size(trial.predictive.state)
    if least <= declared <= most:
        return ""
    return (
        f"num_parameters is {declared}; the smallest network it asked for has {least} trainable "
        f"weights, and its state holds {most} numbers."
    )


@_rule(
    needs=["same_seed"],
    in_code="let nothing depend on a case's place: noise is shared by a batch, so ask for it as "
    "noise.normal(name, shape, dtype), whose batch axis is then 1",
    in_declaration="noise for each case must come from the case itself, in prepare.",
)
def order(trial: EstimatorTrial) -> str:
    """A case is predicted alike wherever it stands in a batch."""
    turned = np.arange(BATCH)[::-1]
    other = trial.predict(trial.images[:BATCH][turned], trial.seed)
    return _difference(_part(other, turned), _part(trial.prediction))


@_rule(
    needs=["order"],
    in_code="compute nothing over the batch axis: means, normalisation and ranks belong into fit",
    in_declaration="keep what is measured over cases in state, measured on data.validation.",
)
def batch_size(trial: EstimatorTrial) -> str:
    """A case is predicted alike in batches of any size, whichever cases are with it."""
    small = Sampler(trial.data.num_classes, batch_size=3)
    found = trial.predict(trial.images[2:7], trial.seed, small)
    return _difference(found, _part(trial.prediction, np.arange(2, 7)))


@_rule(
    needs=["same_seed"],
    in_code="assign no variable while drawing; BatchNormalization stands still there",
    in_declaration="give arrays that are to change a copy of their own, in state.",
)
def networks_stand_still(trial: EstimatorTrial) -> str:
    """Predicting changes no variable of a network, BatchNormalization's statistics included."""
    before = trial.networks_state()
    trial.predict(trial.images[:BATCH], trial.seed + 2)
    drawn(trial.predictive, trial.images[:BATCH], trial.seed + 2)
    pairs = zip(before, trial.networks_state(), strict=True)
    changed = sum(old != new for old, new in pairs)
    return f"{changed} of {len(before)} arrays have other values after it." if changed else ""


@_rule(
    needs=["same_seed"],
    in_code="give every random generator of fit the seed that it is handed",
    in_declaration="ask train_backbone for the same backbones each time, with equal changes.",
)
def fit_again(trial: EstimatorTrial) -> str:
    """Fitted again with what the store holds, it trains nothing and predicts the same."""
    again = trial.again
    new = {b.key for b in again.given} - {b.key for b in trial.first.given}
    if new:
        return f"it asked for {len(new)} backbones that it had not asked for before."
    other = predict(trial.ground.sampler, again.predictive, trial.images[:BATCH], trial.seed)
    return _difference(other, _part(trial.prediction))


@_rule(
    needs=["fit_again"],
    in_code="keep what differs between fits in state, which the methods receive as tensors",
    in_declaration="put what differs into graph_key, or set graph_key = None.",
)
def shared_graph(trial: EstimatorTrial) -> str:
    """A predictive that shares its compiled graph with another one's predicts its own values."""
    other = EstimatorTrial(trial.estimator, trial.title, trial.ground, trial.seed + 1)
    if other.predictive.graph_key is None:
        raise NotApplicableError("it shares no graph (graph_key is None).")
    expected = np.mean(other.drawn.draws, axis=0)
    found = _part(other.prediction).mean_probabilities
    moved = float(np.abs(found - expected).max())
    if moved <= PROBABILITY_TOLERANCE * 10:
        return ""
    return (
        "fitted under another seed, its mean probabilities from the shared graph are off by "
        f"{moved:.2g} from those of its own methods."
    )


def _part(whole: Prediction, rows: NDArray[np.intp] | None = None) -> Prediction:
    """Return some cases of a prediction, by default the first batch."""
    rows = np.arange(BATCH) if rows is None else rows
    maps = {name: values[rows] for name, values in whole.maps.items()}
    return Prediction(whole.mean_probabilities[rows], whole.mask[rows], maps, None)


def _difference(found: Prediction, expected: Prediction, exact: bool = False) -> str:
    """Return where two predictions of the same cases differ; empty where they do not."""
    parts = {"the mean probabilities": (found.mean_probabilities, expected.mean_probabilities)}
    parts |= {f"the map '{name}'": (found.maps[name], expected.maps[name]) for name in found.maps}
    for name, (here, there) in parts.items():
        tolerance = PROBABILITY_TOLERANCE if name == "the mean probabilities" else MAP_TOLERANCE
        moved = float(np.abs(here - there).max())
        if moved > (0.0 if exact else tolerance):
            return f"{name} of the same cases differ by up to {moved:.2g}."
    return ""


def _size(state: Any) -> int:
    """Return how many numbers there are in nested containers."""
    if isinstance(state, dict):
        return sum(_size(value) for value in state.values())
    if isinstance(state, list | tuple):
        return sum(_size(value) for value in state)
    return int(np.size(state))
