"""Where the randomness of a network comes from: a seed and an index, never a global state."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from dicecast.errors import PluginError
from dicecast.networks.backend import SEED_DTYPE, Tensor, random_bytes


class _Key(keras.random.SeedGenerator):  # type: ignore[misc]
    """A seed that is a tensor, which ``keras.random`` takes only in the shape of a generator."""

    def __init__(self, value: Tensor) -> None:
        # The parent would create a variable; this key has no state.
        self._value = value

    def next(self, ordered: bool = True) -> Tensor:
        """Return the key; asked twice, it gives the same numbers twice."""
        return self._value


def kept_chance(rate: float) -> float:
    """Return ``1 - rate``, rounded to a multiple of 2**-16 and to at least 1/256."""
    return max(round((1.0 - rate) * 2**16), 2**8) / 2**16


@dataclass(frozen=True)
class Noise:
    """The noise of one training step or of one draw.

    Attributes:
        seed: Scalar integer (tensor), decided by the suite's seed.
        index: Scalar integer (tensor): the number of the step or of the draw.
        shared: True when all examples of a batch see the same noise, as they do in a draw: then
            cases are compared under the same networks, whatever the batch they come in.
    """

    seed: Tensor
    index: Tensor
    shared: bool

    def key(self, name: str) -> keras.random.SeedGenerator:
        """Return a ``seed=`` argument for ``keras.random``, unlike that of any other ``name``."""
        salt = zlib.crc32(name.encode()) & 0x3FFFFFFF
        # Wrap-around multiplication spreads neighbouring seeds; a sum alone would let
        # (seed, name) pairs collide.
        first = ops.cast(self.seed, "int32") * np.int32(1_000_003) + np.int32(salt)
        return _Key(ops.cast(ops.stack([first, ops.cast(self.index, "int32")]), SEED_DTYPE))

    def shape(self, *shape: int | Tensor) -> tuple[int | Tensor, ...]:
        """Return ``shape`` with the batch axis 1 when the noise is shared."""
        return (1, *shape[1:]) if self.shared else shape

    def members(self, count: int, batch: int | Tensor) -> Tensor:
        """Return which of ``count`` members each example belongs to, int32.

        ``(1,)`` where the noise is shared: that of the draw. Else ``(batch,)``: in turn, over all
        examples of a training.
        """
        index = ops.cast(self.index, "int32")
        if self.shared:
            return ops.reshape(ops.mod(index, count), (1,))
        return ops.mod(index * batch + ops.arange(batch, dtype="int32"), count)

    def normal(self, name: str, shape: tuple[int | Tensor, ...], dtype: str) -> Tensor:
        """Return standard normal noise; ``shape[0]`` is the batch axis."""
        return keras.random.normal(self.shape(*shape), dtype=dtype, seed=self.key(name))

    def uniform(self, name: str, shape: tuple[int | Tensor, ...]) -> Tensor:
        """Return noise uniform in [0, 1), float32; ``shape[0]`` is the batch axis."""
        return keras.random.uniform(self.shape(*shape), dtype="float32", seed=self.key(name))

    def kept(self, name: str, shape: tuple[int | Tensor, ...], rate: float, dtype: str) -> Tensor:
        """Return a dropout mask: 1 with the chance ``kept_chance(rate)``, else 0.

        16 random bits decide each value, of which all values share the last 8: each is kept
        with exactly its chance, and half as many random numbers are made, which are a large part of
        dropout's time.
        """
        dropped = round((1.0 - kept_chance(rate)) * 2**16)
        first = random_bytes(self.shape(*shape), self.key(name).next())
        last = ops.cast(random_bytes((1,), self.key(f"{name}/shared").next()), "int32")
        kept = first >= ops.cast((dropped - last + 255) // 256, "uint8")
        return ops.cast(kept, dtype)

    def signs(self, name: str, shape: tuple[int | Tensor, ...], dtype: str) -> Tensor:
        """Return -1 or 1 with equal chance; ``shape[0]`` is the batch axis."""
        return ops.cast(ops.where(self.uniform(name, shape) < 0.5, -1.0, 1.0), dtype)


class _Forbidden:
    """Stands for noise where a layer has promised to draw none."""


_active: list[Noise | _Forbidden | None] = [None]


@contextmanager
def _on_top(noise: Noise | _Forbidden | None) -> Iterator[None]:
    _active.append(noise)
    try:
        yield
    finally:
        _active.pop()


@contextmanager
def noise_in_network(noise: Noise | None) -> Iterator[None]:
    """Let the layers called inside draw from ``noise``; None silences them."""
    with _on_top(noise):
        yield


@contextmanager
def noise_forbidden() -> Iterator[None]:
    """Refuse noise to the layers called inside, which claim to draw none."""
    with _on_top(_Forbidden()):
        yield


def active_noise() -> Noise | None:
    """Return the noise that a layer should draw from now, or None for the mean network.

    Raises:
        PluginError: The layer has not said that it draws noise.
    """
    noise = _active[-1]
    if isinstance(noise, _Forbidden):
        raise PluginError(
            "A layer asks for active_noise() but has not said that it draws noise, so that its "
            "draws would all be equal. Give its class the attribute draws_noise = True."
        )
    return noise
