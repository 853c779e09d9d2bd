from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keras import ops

from dicecast.data.cases import FittingData
from dicecast.errors import DicecastError
from dicecast.estimation.measures import MEASURES
from dicecast.estimation.prediction import Prediction
from dicecast.networks.noise import Noise, noise_in_network
from dicecast.plugins import estimators
from dicecast.testing.estimator_trial import EstimatorTrial
from dicecast.testing.estimators import ESTIMATOR_CONTRACT
from dicecast.testing.ground import Ground

SETTINGS: dict[str, dict[str, Any]] = {
    "softmax": {},
    "random": {},
    "mc_dropout": {"draws": 6},
    "deep_ensemble": {"members": 3},
    "learned_confidence": {},
    "variational": {"draws": 6, "initial_std": 0.1},
    "batch_ensemble": {"members": 3, "spread": 0.3},
    "masksembles": {"members": 3},
    "rank1_bayesian": {"draws": 6, "components": 2},
    "drop_connect": {"draws": 6},
    "concrete_dropout": {"draws": 6},
    "mimo": {"members": 3},
    "swag": {"draws": 6, "epochs": 4},
    "snapshot_ensemble": {"members": 3},
    "monte_carlo_batch_norm": {"draws": 6},
    "deep_sub_ensemble": {"members": 3},
    "temperature_scaling": {},
    "test_time_augmentation": {},
    "evidential": {},
    "heteroscedastic": {"draws": 6},
    "stochastic_segmentation_network": {"draws": 6, "rank": 3, "samples": 4},
    "layer_ensemble": {"skip": 1},
    "laplace_last_layer": {"draws": 6},
    "probabilistic_unet": {"draws": 6, "width": 4, "beta": 0.1},
    "feature_density": {},
    "true_class_probability": {"channels": 8},
    "spectral_normalised_gaussian_process": {"features": 16},
    "error_map": {"folds": 2},
}
SINGLE = {
    "error_map",
    "true_class_probability",
    "feature_density",
    "softmax",
    "random",
    "learned_confidence",
    "temperature_scaling",
    "evidential",
    "spectral_normalised_gaussian_process",
}
"""Estimators of one draw."""
NOISY = {
    "mc_dropout",
    "variational",
    "rank1_bayesian",
    "drop_connect",
    "concrete_dropout",
    "test_time_augmentation",
    "laplace_last_layer",
    "heteroscedastic",
    "stochastic_segmentation_network",
    "probabilistic_unet",
}
"""Estimators whose draws depend on the seed of the prediction."""
SEVERAL = [name for name in SETTINGS if name not in SINGLE]


@pytest.fixture(scope="session")
def trainer(ground: Ground) -> Any:
    """The trainer of the trials, so that each network is trained once."""
    return ground.trainer


@pytest.fixture(scope="session")
def trials(ground: Ground) -> Callable[[str], EstimatorTrial]:
    """Return each estimator on trial, fitted once."""

    @functools.cache
    def trial(name: str) -> EstimatorTrial:
        return EstimatorTrial(estimators.create(name, SETTINGS[name]), name, ground)

    return trial


@pytest.fixture(scope="session")
def predictives(trials: Callable[[str], EstimatorTrial]) -> Callable[[str], Any]:
    return lambda name: trials(name).predictive


@pytest.fixture(scope="session")
def predicted(trials: Callable[[str], EstimatorTrial]) -> Callable[[str], Prediction]:
    return lambda name: trials(name).prediction


def test_every_estimator_of_the_repository_is_tested_here() -> None:
    assert set(estimators.declared()) == set(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_an_estimator_keeps_its_contract(
    trials: Callable[[str], EstimatorTrial], name: str
) -> None:
    # 24 images teach some of them too little for their maps to know of errors; see below.
    checks = [check for check in ESTIMATOR_CONTRACT.checks if check != "orientation"]
    report = ESTIMATOR_CONTRACT.report(trials(name), checks).raise_if_failed()
    assert report.names("not run") == set()
    assert ("other_seed" in report.names("passed")) == (name in NOISY)
    assert ("draws_differ" in report.names("passed")) == (name in SEVERAL)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """What ``dicecast check`` tries estimators on."""
    return Ground.embedded(tmp_path_factory.mktemp("embedded"))


@pytest.mark.parametrize("name", ["softmax", "random", "feature_density"])
def test_the_map_of_an_estimator_knows_of_errors(embedded: Ground, name: str) -> None:
    trial = EstimatorTrial(estimators.create(name, SETTINGS[name]), name, embedded)
    ESTIMATOR_CONTRACT.report(trial, ["orientation"]).raise_if_failed()


def test_a_variance_that_is_least_where_errors_are_is_found(embedded: Ground) -> None:
    # The precision of this process grows with p (1 - p): taken alone, its variance is least along
    # the border, where most errors are.
    name = "spectral_normalised_gaussian_process"
    trial = EstimatorTrial(estimators.create(name, SETTINGS[name]), name, embedded)
    trial.predictive.own_map = "gaussian_process_variance"
    assert ESTIMATOR_CONTRACT.outcome(trial, "orientation").status == "failed"


@pytest.mark.parametrize("name", SETTINGS)
def test_the_maps_of_an_estimator(predicted: Any, predictives: Any, name: str) -> None:
    predictive, maps = predictives(name), predicted(name).maps
    defined = {
        measure.name
        for measure in MEASURES.values()
        if predictive.measures_from_draws and predictive.num_draws >= measure.least_draws
    }
    own = maps.keys() - MEASURES.keys()
    assert maps.keys() == defined | own
    for values in maps.values():
        assert values.min() >= 0
        assert values.max() <= np.log(1e10) / np.log(2)


def test_softmax_is_the_softmax_of_the_backbone(
    predicted: Any, trainer: Any, images: np.ndarray
) -> None:
    backbone = trainer(0)
    logits = ops.convert_to_numpy(
        backbone.outputs(backbone.weights, images.astype(np.float32) / 255)["logits"]
    ).astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(predicted("softmax").mean_probabilities, expected, atol=1e-5)


def test_the_first_member_is_the_softmax_network_and_trains_nothing(
    fitting: FittingData, trainer: Any, predictives: Any
) -> None:
    predictives("softmax")
    trainer.used.clear()
    starts: list[int] = []
    trainer.on_start, before = starts.append, trainer.on_start
    ensemble = estimators.create("deep_ensemble", {"members": 3}).fit(fitting, trainer, 0)
    trainer.on_start = before
    assert next(iter(trainer.used)) == trainer(0).key
    assert len(trainer.used) == 3
    assert len(starts) <= 2
    for stack, weight in zip(ensemble.state, trainer(0).weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(stack)[0], weight)
    assert ensemble.num_parameters == 3 * trainer(0).num_parameters


def test_the_ensemble_is_the_mean_of_its_members_softmaxes(
    predicted: Any, fitting: FittingData, trainer: Any, sampler: Any, images: np.ndarray
) -> None:
    softmax = estimators.create("softmax", {})
    members = []
    for seed in (0, 1000, 2000):
        (one,) = sampler.predict(softmax.fit(fitting, trainer, seed), images, 0)
        members.append(one.mean_probabilities)
    ensemble = predicted("deep_ensemble")
    np.testing.assert_allclose(ensemble.mean_probabilities, np.mean(members, axis=0), atol=1e-5)
    variance = np.var(members, axis=0).mean(axis=-1)
    np.testing.assert_allclose(ensemble.maps["variance"], variance, atol=1e-5)


def test_the_largest_permitted_seed_fits_an_ensemble(fitting: FittingData, trainer: Any) -> None:
    seeds: list[int] = []

    def remember(seed: int, **changes: Any) -> Any:
        seeds.append(seed)
        return trainer(0)

    estimators.create("deep_ensemble", {"members": 5}).fit(fitting, remember, 2**30 - 1)
    assert len(set(seeds)) == 5
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_dropout_is_trained_and_drawn_with_its_rate(predictives: Any) -> None:
    network = predictives("mc_dropout").backbone.network
    rates = {layer.name: layer.rate for layer in network.layers if "dropout" in layer.name}
    assert rates == dict.fromkeys(
        ("bottleneck_dropout", "decoder_1_dropout", "decoder_0_dropout"), 0.3
    )


def test_the_draws_of_mc_dropout_are_the_network_under_shared_noise(
    predictives: Any, predicted: Any, images: np.ndarray
) -> None:
    predictive = predictives("mc_dropout")
    backbone, inputs = predictive.backbone, images.astype(np.float32) / 255
    trainable = len(backbone.network.trainable_variables)
    draws = []
    for index in range(6):
        with noise_in_network(Noise(np.int32(0), ops.convert_to_tensor(index), shared=True)):
            outputs, _ = backbone.network.stateless_call(
                backbone.weights[:trainable], backbone.weights[trainable:], inputs, training=False
            )
        draws.append(ops.convert_to_numpy(ops.softmax(outputs["logits"])))
    prediction = predicted("mc_dropout")
    np.testing.assert_allclose(prediction.mean_probabilities, np.mean(draws, axis=0), atol=1e-5)
    np.testing.assert_allclose(
        prediction.maps["variance"], np.var(draws, axis=0).mean(axis=-1), atol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("mc_dropout", {"rate": 0.0}),
        ("mc_dropout", {"rate": 1.0}),
        ("mc_dropout", {"rate": -0.2}),
        ("mc_dropout", {"draws": 1}),
        ("mc_dropout", {"placement": "encoder"}),
        ("deep_ensemble", {"members": 1}),
        ("learned_confidence", {"budget": 0.0}),
        ("learned_confidence", {"initial_lambda": 0.0}),
        ("variational", {"draws": 1}),
        ("variational", {"prior_std": 0.0}),
        ("variational", {"initial_std": -1.0}),
        ("variational", {"weight": -0.1}),
        ("variational", {"warm_up": 1.5}),
        ("variational", {"method": "other"}),
        ("batch_ensemble", {"members": 1}),
        ("batch_ensemble", {"spread": 0.0}),
        ("rank1_bayesian", {"components": 0}),
        ("rank1_bayesian", {"draws": 1}),
        ("rank1_bayesian", {"prior_std": 0.0}),
        ("rank1_bayesian", {"warm_up": -0.1}),
        ("drop_connect", {"rate": 1.0}),
        ("drop_connect", {"draws": 1}),
        ("concrete_dropout", {"draws": 1}),
        ("concrete_dropout", {"initial_rate": 0.0}),
        ("concrete_dropout", {"length_scale": -0.1}),
        ("concrete_dropout", {"weight": -1.0}),
        ("mimo", {"members": 1}),
        ("mimo", {"repetition": 1.0}),
        ("masksembles", {"members": 1}),
        ("masksembles", {"scale": 1.0}),
        ("masksembles", {"scale": 5.0}),
        ("masksembles", {"mask_seed": -1}),
        ("softmax", {"rate": 0.5}),
        ("temperature_scaling", {"pixels": 0}),
        ("test_time_augmentation", {"noise": -0.1}),
        ("test_time_augmentation", {"flips": False, "noise": 0.0}),
        ("laplace_last_layer", {"draws": 1}),
        ("laplace_last_layer", {"prior_precision": 0.0}),
        ("laplace_last_layer", {"structure": "banded"}),
        ("feature_density", {"pixels": 0}),
        ("true_class_probability", {"layers": -1}),
        ("true_class_probability", {"channels": 0}),
        ("true_class_probability", {"error_weight": 0.0}),
        ("error_map", {"layers": -1}),
        ("error_map", {"channels": 0}),
        ("error_map", {"folds": 1}),
        ("error_map", {"variant": "other"}),
    ],
)
def test_settings_that_make_no_sense_are_refused(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(DicecastError, match=name):
        estimators.create(name, settings)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("mc_dropout", "rate"),
        ("learned_confidence", "budget"),
        ("learned_confidence", "initial_lambda"),
        ("variational", "prior_std"),
        ("variational", "initial_std"),
        ("variational", "weight"),
        ("variational", "warm_up"),
        ("batch_ensemble", "spread"),
        ("rank1_bayesian", "prior_std"),
        ("rank1_bayesian", "initial_std"),
        ("rank1_bayesian", "weight"),
        ("rank1_bayesian", "warm_up"),
        ("drop_connect", "rate"),
        ("masksembles", "scale"),
        ("mimo", "repetition"),
        ("concrete_dropout", "initial_rate"),
        ("concrete_dropout", "length_scale"),
    ],
)
def test_a_setting_that_is_no_number_is_refused(name: str, field: str) -> None:
    with pytest.raises(DicecastError, match=name):
        estimators.create(name, {field: float("nan")})
