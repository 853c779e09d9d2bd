from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras import ops

from dicecast.data.cases import FittingData
from dicecast.networks.backend import as_tensors
from dicecast.networks.noise import Noise
from dicecast.plugins import estimators

BLOCKS = {
    "bottleneck": ["bottleneck"],
    "decoder": ["decoder_1", "decoder_0"],
    "bottleneck_and_decoder": ["bottleneck", "decoder_1", "decoder_0"],
    "everywhere": ["encoder_0", "encoder_1", "bottleneck", "decoder_1", "decoder_0"],
}


def fitted(fitting: FittingData, trainer: Any, **settings: Any) -> Any:
    return estimators.create("mc_dropout", {"draws": 2, **settings}).fit(fitting, trainer, 0)


@pytest.mark.parametrize("placement", BLOCKS)
def test_dropout_follows_the_blocks_of_its_placement(
    fitting: FittingData, trainer: Any, placement: str
) -> None:
    network = fitted(fitting, trainer, placement=placement).backbone.network
    names = [layer.name for layer in network.layers if layer.name.endswith("_dropout")]
    assert names == [f"{block}_dropout" for block in BLOCKS[placement]]


@pytest.mark.parametrize("spatial", [False, True])
def test_spatial_dropout_drops_whole_channels_of_the_network(
    fitting: FittingData, trainer: Any, spatial: bool
) -> None:
    backbone = fitted(fitting, trainer, spatial=spatial, rate=0.5).backbone
    shown = backbone.with_layers(before="bottleneck_norm_2", after="bottleneck_dropout")
    images = np.asarray(fitting.validation.images, np.float32) / 255
    outputs = shown.outputs(
        as_tensors(shown.weights), images, Noise(np.int32(0), np.int32(0), shared=True)
    )
    before, after = (ops.convert_to_numpy(outputs[name]) for name in ("before", "after"))
    lost = (before > 0) & (after == 0)
    by_channel = lost.sum(axis=(0, 1, 2)) / (before > 0).sum(axis=(0, 1, 2)).clip(1)
    in_part = (by_channel > 0) & (by_channel < 1)
    assert lost.any()
    assert in_part.any() != spatial
