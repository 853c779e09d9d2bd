"""The maps that are made of logits, of the predictives that have them and of those that do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive
from dicecast.estimation.measures import NEEDS_LOGITS
from dicecast.harness.predicting import undefined_scores


@pytest.mark.parametrize(("draws", "noisy"), [(1, False), (2, False), (1, True)])
def test_a_single_network_without_noise_has_an_energy(
    fitting: FittingData, trainer: Any, sampler: Any, draws: int, noisy: bool
) -> None:
    backbone = trainer(0, dropout_rate=0.2)
    predictive = BackbonePredictive([backbone], num_draws=draws, noisy=noisy)
    images = fitting.validation.images
    (prediction,) = sampler.predict(predictive, images, 0)
    undefined = undefined_scores(predictive, prediction.maps)
    if draws > 1 or noisy:
        assert "energy" not in prediction.maps
        assert undefined["energy"] == NEEDS_LOGITS
    else:
        logits = backbone.outputs(backbone.weights, images.astype(np.float32) / 255)["logits"]
        evidence = np.exp(np.asarray(logits, np.float64)).sum(axis=-1)
        np.testing.assert_allclose(prediction.maps["energy"], 1 / (1 + evidence), rtol=1e-4)
        assert "energy" not in undefined
