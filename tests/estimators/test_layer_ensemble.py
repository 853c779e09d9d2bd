"""Layer ensembles: heads at every depth, in order."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from scipy import special

from dicecast.errors import DicecastError
from dicecast.networks.unet import UNet
from dicecast.plugins import estimators

MODULE: Any = sys.modules[estimators.get("layer_ensemble").__module__]


def test_each_draw_is_the_softmax_of_a_depth_in_order(
    fitting: Any, trainer: Any, sampler: Any, images: np.ndarray
) -> None:
    predictive = estimators.create("layer_ensemble", {"skip": 1}).fit(fitting, trainer, 0)
    [(_, outputs)] = predictive.backbone.predict(images)
    depths = [*np.split(outputs["layers"], 4, axis=-1), outputs["logits"]][1:]
    assert predictive.num_draws == len(depths)
    drawn = [special.softmax(logits, axis=-1) for logits in depths]
    [prediction] = sampler.predict(predictive, images, 0)
    np.testing.assert_allclose(prediction.mean_probabilities, np.mean(drawn, axis=0), atol=1e-5)
    masks = [one.argmax(axis=-1) == 1 for one in drawn]
    volumes = np.diagonal(prediction.agreement.overlap[:, 0], axis1=1, axis2=2)
    np.testing.assert_array_equal(volumes, np.stack([m.sum(axis=(1, 2)) for m in masks], axis=1))


@pytest.mark.parametrize(("depth", "size"), [(1, 8), (2, 16), (3, 24)])
def test_every_block_has_a_head_of_the_images_size(depth: int, size: int) -> None:
    network = UNet(width=2, depth=depth, heads={"layers": MODULE.HeadOnEveryBlock()}).build(
        (size, 2 * size, 3), 4
    )
    assert network.output["layers"].shape == (None, size, 2 * size, 4 * 2 * depth)


def test_too_few_heads_are_refused(fitting: Any, trainer: Any) -> None:
    with pytest.raises(DicecastError, match="at most 3"):
        estimators.create("layer_ensemble", {"skip": 4}).fit(fitting, trainer, 0)
