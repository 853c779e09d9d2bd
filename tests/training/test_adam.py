from __future__ import annotations

import keras
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from dicecast.training.adam import AdamState, adam_step, cosine_decay, flatten, unflatten


def test_adam_with_cosine_decay_takes_the_steps_of_keras() -> None:
    rng = np.random.default_rng(0)
    start, steps = rng.normal(size=50).astype(np.float32), 8
    weights = keras.Variable(start)
    optimiser = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(0.05, decay_steps=steps), epsilon=1e-7
    )
    optimiser.build([weights])
    zeros = np.zeros_like(start)
    state = AdamState(
        ops.convert_to_tensor(start), ops.convert_to_tensor(zeros), ops.convert_to_tensor(zeros)
    )
    for number in range(steps):
        gradient = (rng.normal(size=50) * 10.0 ** rng.integers(-6, 2, 50)).astype(np.float32)
        optimiser.apply([ops.convert_to_tensor(gradient)])
        rate = cosine_decay(0.05, ops.convert_to_tensor(np.float32(number / steps)))
        state = adam_step(
            state, ops.convert_to_tensor(gradient), ops.convert_to_tensor(np.int32(number)), rate
        )
        np.testing.assert_allclose(
            ops.convert_to_numpy(state.weights),
            ops.convert_to_numpy(weights),
            rtol=1e-5,
            atol=1e-6,
        )
    assert np.abs(ops.convert_to_numpy(state.weights) - start).min() > 1e-3


def test_cosine_decay_goes_from_the_rate_to_zero() -> None:
    assert float(cosine_decay(0.3, ops.convert_to_tensor(0.0))) == np.float32(0.3)
    assert abs(float(cosine_decay(0.3, ops.convert_to_tensor(0.5))) - 0.15) < 1e-7
    assert abs(float(cosine_decay(0.3, ops.convert_to_tensor(1.0)))) < 1e-7


SHAPES = st.lists(st.lists(st.integers(1, 4), max_size=4).map(tuple), min_size=1, max_size=6)


@given(SHAPES, st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_unflatten_undoes_flatten(shapes: list[tuple[int, ...]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    vector = flatten([ops.convert_to_tensor(array) for array in arrays])
    assert vector.shape == (sum(array.size for array in arrays),)
    for array, back in zip(arrays, unflatten(vector, shapes), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(back), array)
        assert tuple(back.shape) == array.shape
