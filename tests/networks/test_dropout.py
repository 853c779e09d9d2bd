from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from dicecast.networks.layers import Dropout
from dicecast.networks.noise import Noise, noise_in_network

INPUTS = np.random.default_rng(0).uniform(1, 2, (4, 8, 8, 3)).astype(np.float32)


def dropped(
    inputs: np.ndarray = INPUTS, seed: int = 0, index: int = 0, **fields: object
) -> np.ndarray:
    layer = Dropout(
        fields.get("rate", 0.3),
        name=fields.get("name", "dropout"),
        spatial=bool(fields.get("spatial", False)),
    )
    noise = Noise(np.int32(seed), np.int32(index), shared=bool(fields.get("shared", True)))
    with noise_in_network(noise):
        return ops.convert_to_numpy(layer(inputs))


def test_without_noise_nothing_is_dropped_even_in_training() -> None:
    layer = Dropout(0.5, name="d")
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(INPUTS)), INPUTS)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(INPUTS, training=True)), INPUTS)


def test_values_are_dropped_or_scaled() -> None:
    outputs = dropped(rate=0.3)
    kept = outputs != 0
    # The rate is a multiple of 2**-16, since 16 random bits decide.
    rate = round(0.3 * 2**16) / 2**16
    np.testing.assert_allclose(outputs[kept], INPUTS[kept] / (1 - rate), rtol=1e-6)
    assert 0 < kept.mean() < 1


def test_mean_over_draws_tends_to_the_input() -> None:
    inputs, draws, rate = np.ones((1, 4, 4, 2), np.float32), 400, 0.3
    mean = np.mean([dropped(inputs, index=index, rate=rate) for index in range(draws)], axis=0)
    # One value has the variance rate / (1 - rate) a draw; 5 standard errors, 32 values.
    error = np.sqrt(rate / (1 - rate) / draws)
    assert np.abs(mean - 1).max() < 5 * error
    assert abs(mean.mean() - 1) < 5 * error / np.sqrt(mean.size)


def test_rate_is_the_share_dropped() -> None:
    inputs = np.ones((1, 100, 100, 2), np.float32)
    for rate in (0.1, 0.5, 0.9):
        share = (dropped(inputs, rate=rate) == 0).mean()
        assert abs(share - rate) < 5 * np.sqrt(rate * (1 - rate) / inputs.size)


def test_the_chance_is_exact_over_draws_though_a_draw_shares_half_the_bits() -> None:
    # 0.005 lies between 1 and 2 of the 256 values of the bits that are not shared.
    inputs, draws, rate = np.ones((1, 16, 16, 16), np.float32), 200, 0.005
    shares = [(dropped(inputs, index=index, rate=rate) == 0).mean() for index in range(draws)]
    error = np.std(shares) / np.sqrt(draws)
    assert error < 2e-4
    assert abs(np.mean(shares) - rate) < 5 * error


def test_rates_next_to_0_and_1() -> None:
    np.testing.assert_array_equal(dropped(rate=1e-9), INPUTS)
    few = dropped(np.ones((1, 64, 64, 16), np.float32), rate=0.9999)
    assert few.mean() == pytest.approx(1.0, abs=5 * np.sqrt(255 / few.size))


def test_a_draw_has_one_mask_for_all_cases_whatever_the_batch() -> None:
    masks = dropped() != 0
    np.testing.assert_array_equal(masks, np.broadcast_to(masks[:1], masks.shape))
    np.testing.assert_array_equal(dropped(INPUTS[2:3]), dropped()[2:3])
    np.testing.assert_array_equal(dropped(INPUTS[::-1]), dropped()[::-1])


def test_training_drops_each_example_by_itself() -> None:
    masks = (dropped(shared=False) != 0).reshape(len(INPUTS), -1)
    assert len(np.unique(masks, axis=0)) == len(INPUTS)


def test_index_seed_and_layer_name_each_change_the_mask() -> None:
    masks = [
        dropped() != 0,
        dropped(index=1) != 0,
        dropped(seed=1) != 0,
        dropped(name="other") != 0,
    ]
    for first in range(4):
        for second in range(first):
            assert (masks[first] != masks[second]).any()


@pytest.mark.parametrize("shared", [True, False])
def test_spatial_dropout_drops_a_channel_at_all_its_pixels_or_at_none(shared: bool) -> None:
    inputs = np.ones((5, 4, 4, 200), np.float32)
    channels = dropped(inputs, spatial=True, shared=shared)
    np.testing.assert_array_equal(channels, np.broadcast_to(channels[:, :1, :1], inputs.shape))
    rows = channels[:, 0, 0]
    assert len(np.unique(rows, axis=0)) == (1 if shared else 5)
    seen = rows[:1] if shared else rows
    assert abs((seen == 0).mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / seen.size)


def test_keras_dropout_is_silenced_by_training_false_in_a_functional_model() -> None:
    # The reason for a layer of our own: where this fails, Keras no longer silences its Dropout.
    inputs = keras.Input((50,))
    outputs = keras.layers.Dropout(0.5)(inputs, training=True)
    model = keras.Model(inputs, outputs)
    ones = np.ones((1, 50), np.float32)
    np.testing.assert_array_equal(ops.convert_to_numpy(model(ones, training=False)), ones)


def test_dropout_in_a_functional_model_obeys_noise_and_not_training() -> None:
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, Dropout(0.5, name="d")(inputs))
    np.testing.assert_array_equal(ops.convert_to_numpy(model(INPUTS, training=True)), INPUTS)
    with noise_in_network(Noise(np.int32(0), np.int32(0), shared=True)):
        assert (ops.convert_to_numpy(model(INPUTS, training=False)) == 0).any()
