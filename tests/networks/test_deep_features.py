from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from dicecast.networks.features import DeepFeatures, deepest_layer
from dicecast.networks.unet import UNet


def trained(network):
    """Weights as after a training: normalisations too have something to say."""
    rng = np.random.default_rng(0)
    variables = [*network.trainable_variables, *network.non_trainable_variables]
    return [rng.uniform(0.2, 0.7, tuple(v.shape)).astype(np.float32) - 0.2 for v in variables]


@pytest.mark.parametrize("placement", ["bottleneck", "everywhere"])
@pytest.mark.parametrize("normalisation", ["batch", "group"])
def test_features_are_the_mean_activations_of_the_bottleneck(placement, normalisation):
    unet = UNet(4, 2, normalisation, dropout_rate=0.5, dropout_placement=placement)
    network = unet.build((16, 24, 3), 3)
    weights = trained(network)
    for variable, weight in zip(
        [*network.trainable_variables, *network.non_trainable_variables], weights, strict=True
    ):
        variable.assign(weight)
    images = np.random.default_rng(1).random((5, 16, 24, 3), dtype=np.float32)
    bottleneck = keras.layers.ReLU()(network.get_layer("bottleneck_norm_2").output)
    plain = keras.Model(network.inputs, bottleneck)([images], training=False)
    features = DeepFeatures(network)
    found = ops.convert_to_numpy(features(weights, images))
    assert found.shape == (5, features.width) == (5, 16)
    np.testing.assert_allclose(found, np.mean(plain, axis=(1, 2)), rtol=2e-5, atol=1e-6)


def test_a_small_output_beside_the_block_is_not_the_block():
    inputs = keras.Input((8, 8, 1))
    deep = keras.layers.Conv2D(6, 3, strides=4, padding="same", name="deep")(inputs)
    beside = keras.layers.Conv2D(2, 1, name="beside")(deep)
    pooled = keras.layers.GlobalAveragePooling2D()(beside)
    logits = keras.layers.UpSampling2D(4)(beside)
    network = keras.Model(inputs, {"logits": logits, "pooled": pooled})
    assert deepest_layer(network).name == "deep"
