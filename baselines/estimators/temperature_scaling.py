"""Temperature scaling."""

from dataclasses import dataclass
from math import exp, log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.estimation.last_layer import sample_pixels
from dicecast.networks.backend import Tensor
from dicecast.networks.inference import Prepared
from dicecast.networks.noise import Noise
from dicecast.networks.probabilities import softmax
from dicecast.training.backbone import Backbone, TrainBackbone

RANGE = (0.01, 100.0)
"""Temperatures that are looked at; without a wrong pixel the best would be 0."""


def best_temperature(logits: NDArray[np.float32], truth: NDArray[np.uint8]) -> float:
    """Return the temperature with the least negative log-likelihood, within ``RANGE``.

    Guo et al. 2017, section 4.2. The likelihood is unimodal in the temperature: it is convex in its
    inverse.

    Args:
        logits: ``(pixels, classes)``.
        truth: The index of the true class, ``(pixels,)``.
    """
    of_truth = np.take_along_axis(logits, truth[:, None].astype(np.intp), axis=1)
    margins = np.ascontiguousarray((logits - of_truth).T, dtype=np.float64)

    def negative_log_likelihood(log_temperature: float) -> float:
        return float(np.logaddexp.reduce(margins * exp(-log_temperature), axis=0).mean())

    bounds = (log(RANGE[0]), log(RANGE[1]))
    found = minimize_scalar(negative_log_likelihood, bounds=bounds, options={"xatol": 1e-6})
    return exp(found.x)


class _TemperedPredictive(BackbonePredictive):
    """One backbone whose logits are divided by a temperature."""

    def __init__(self, backbone: Backbone, temperature: float) -> None:
        super().__init__([backbone])
        # Not of the class: the one graph of all seeds takes it as an argument.
        self.state = (self.state, np.float32(temperature))

    def prepare(self, state: Any, images: Tensor) -> Prepared:
        """Run the backbone."""
        return super().prepare(state[0], images)

    def draw(self, state: Any, prepared: Prepared, noise: Noise) -> Tensor:
        """Return the softmax of the logits over the temperature."""
        weights, temperature = state
        return softmax(self.outputs(weights, prepared, noise)["logits"] / temperature)


@register_estimator("temperature_scaling")
@dataclass(frozen=True)
class TemperatureScaling:
    """The softmax with its logits over one temperature, the best for the validation pixels.

    Guo, Pleiss, Sun and Weinberger 2017 (arXiv 1706.04599), section 4.2: the temperature minimises
    the negative log-likelihood. The masks are those of ``softmax``, and so is the order of the
    pixels by uncertainty for two classes; how much a case's mean weighs the unsure pixels changes.
    Cost: none beyond ``softmax`` but a prediction of the validation role.

    Attributes:
        pixels: Validation pixels at most from which it is found, at least 1; where there are more,
            as many of each case, drawn under the seed.
    """

    pixels: int = 2**20

    def __post_init__(self) -> None:
        if self.pixels < 1:
            raise DicecastError(
                f"temperature_scaling needs at least 1 of the validation pixels; got {self.pixels}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train (or find) the softmax backbone and find its temperature."""
        backbone = train_backbone(seed)
        sample = sample_pixels(backbone, data.validation, "logits", self.pixels, seed)
        return _TemperedPredictive(backbone, best_temperature(sample.values, sample.truth))
