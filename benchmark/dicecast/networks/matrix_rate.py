"""How fast this device multiplies matrices: what the speed of a run is measured against."""

from __future__ import annotations

import statistics
import time

import numpy as np
from keras import ops

from dicecast.networks.backend import Tensor, compiled, has_accelerator

TURNS = 5


def matrix_rate(precision: str, side: int | None = None, seconds: float = 1.0) -> float:
    """Return the floating-point operations a second of products of square matrices.

    The median of several turns, each a chain of products in one compiled graph.

    Args:
        precision: "float32", "bfloat16" or "float16".
        side: Of the matrices; by default 8192 on an accelerator and 1024 on a processor, where
            more no longer fits into its cache.
        seconds: How long to measure, about.
    """
    side = side or (8192 if has_accelerator() else 1024)
    # Of norm about 1, so that a chain of products neither grows nor dies out.
    values = np.random.default_rng(0).normal(0.0, side**-0.5, (side, side))
    matrix = ops.cast(ops.convert_to_tensor(values.astype(np.float32)), precision)

    def chain(matrix: Tensor, products: Tensor) -> Tensor:
        def product(_: Tensor, last: Tensor) -> Tensor:
            return ops.matmul(matrix, last)

        return ops.cast(ops.fori_loop(0, products, product, matrix)[0, 0], "float32")

    graph = compiled(chain)

    def turn(products: int) -> float:
        started = time.perf_counter()
        # Only a number that is read is surely computed.
        float(ops.convert_to_numpy(graph(matrix, np.int32(products))))
        return time.perf_counter() - started

    turn(2)
    products = max(1, round(seconds / TURNS / (turn(2) / 2)))
    median = statistics.median(turn(products) for _ in range(TURNS))
    return float(2 * side**3 * products / median)
