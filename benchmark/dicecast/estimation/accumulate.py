"""What is kept of the draws while they are drawn: sums of moments, and the masks."""

from __future__ import annotations

from collections.abc import Callable

from keras import ops, tree

from dicecast.estimation.measures import Moments
from dicecast.networks.backend import Tensor, scan
from dicecast.networks.probabilities import classes_first, most_likely


def accumulate(
    draw: Callable[[Tensor], Tensor], draws: int, shape: tuple[int, ...]
) -> tuple[Moments, Tensor | None]:
    """Return the moments over all draws and the draws' masks, ``(draws, batch, pixels)``, uint8.

    A single draw has no masks to compare.

    Args:
        draw: Returns the probabilities of the draw of an index, in the given shape.
        draws: How many.
        shape: ``(batch, height, width, classes)``.
    """
    if draws == 1:
        probability = classes_first(draw(ops.zeros((), "int32")))
        return Moments.of_draw(probability, most_likely(probability)), None
    batch, height, width, classes = shape

    def body(sums: Moments, index: Tensor) -> tuple[Moments, Tensor]:
        probability = classes_first(draw(index))
        mask = most_likely(probability)
        moved = tree.map_structure(ops.add, sums, Moments.of_draw(probability, mask))
        return moved, ops.reshape(mask, (batch, height * width))

    sums, masks = scan(body, Moments.zeros((classes, batch, height, width)), draws, "uint8")
    return tree.map_structure(lambda total: total / draws, sums), masks
