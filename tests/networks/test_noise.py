from __future__ import annotations

import random

import keras
import numpy as np
import pytest
from keras import ops

from dicecast.networks.noise import Noise, active_noise, noise_in_network


def noise(seed: int = 0, index: int = 0, shared: bool = True) -> Noise:
    return Noise(ops.convert_to_tensor(np.int32(seed)), ops.convert_to_tensor(index), shared)


def normals(seed: int = 0, index: int = 0, name: str = "layer") -> np.ndarray:
    drawn = noise(seed, index, shared=False).normal(name, (1, 10_000), "float32")
    return ops.convert_to_numpy(drawn)[0]


STREAMS = {
    (seed, index, name): (seed, index, name)
    for seed in (0, 1, 2, 1000)
    for index in (0, 1, 2)
    for name in ("layer", "layer_1", "layer_2")
}


def test_neighbouring_seeds_indices_and_names_give_uncorrelated_normals() -> None:
    drawn = np.stack([normals(*stream) for stream in STREAMS])
    correlation = np.corrcoef(drawn)[np.triu_indices(len(drawn), 1)]
    # 630 pairs of 10,000 values each: a standard error of 0.01, so 5 of them.
    assert np.abs(correlation).max() < 0.05
    assert np.abs(drawn.mean(axis=1)).max() < 0.05
    assert np.abs(drawn.std(axis=1) - 1).max() < 0.04


def test_same_seed_index_and_name_give_the_same_numbers() -> None:
    np.testing.assert_array_equal(normals(5, 3, "a"), normals(5, 3, "a"))


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_every_permitted_seed_gives_numbers(seed: int) -> None:
    assert np.isfinite(normals(seed)).all()


def test_uniform_lies_below_one_and_signs_are_balanced() -> None:
    source = noise(shared=False)
    uniform = ops.convert_to_numpy(source.uniform("u", (1, 20_000)))
    assert uniform.min() >= 0.0
    assert uniform.max() < 1.0
    assert abs(uniform.mean() - 0.5) < 5 * np.sqrt(1 / 12 / 20_000)
    signs = ops.convert_to_numpy(source.signs("s", (1, 20_000), "float32"))
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert abs(signs.mean()) < 5 / np.sqrt(20_000)


def test_shared_noise_has_one_realisation_whatever_the_batch() -> None:
    one = ops.convert_to_numpy(noise().normal("n", (1, 4, 4, 2), "float32"))
    many = ops.convert_to_numpy(noise().normal("n", (7, 4, 4, 2), "float32"))
    np.testing.assert_array_equal(one, many)
    own = ops.convert_to_numpy(noise(shared=False).normal("n", (7, 4, 4, 2), "float32"))
    assert len(np.unique(own.reshape(7, -1), axis=0)) == 7


def test_drawing_moves_no_global_generator() -> None:
    generator = keras.src.random.seed_generator.global_seed_generator()
    before = (
        random.getstate(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002  this is the global state in question
        np.random.get_state()[2],  # noqa: NPY002
        ops.convert_to_numpy(generator.state).tolist(),
    )
    normals(3)
    noise(1).signs("s", (1, 3), "float32")
    after = (
        random.getstate(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
        np.random.get_state()[2],  # noqa: NPY002
        ops.convert_to_numpy(generator.state).tolist(),
    )
    assert before == after


def test_active_noise_is_that_of_the_innermost_block_and_ends_with_it() -> None:
    outer, inner = noise(1), noise(2)
    assert active_noise() is None
    with noise_in_network(outer):
        with noise_in_network(None):
            assert active_noise() is None
        with pytest.raises(RuntimeError), noise_in_network(inner):
            assert active_noise() is inner
            raise RuntimeError
        assert active_noise() is outer
    assert active_noise() is None


@pytest.mark.parametrize("batch", [1, 3, 4, 8])
def test_in_training_examples_belong_to_members_in_turn(batch: int) -> None:
    turns = [
        ops.convert_to_numpy(Noise(np.int32(0), np.int32(step), shared=False).members(4, batch))
        for step in range(6)
    ]
    np.testing.assert_array_equal(np.concatenate(turns), np.arange(6 * batch) % 4)


def test_in_a_draw_all_cases_belong_to_the_member_of_its_index() -> None:
    drawn = [Noise(np.int32(0), np.int32(i), shared=True).members(3, 8) for i in range(5)]
    assert [ops.convert_to_numpy(member).tolist() for member in drawn] == [[0], [1], [2], [0], [1]]
