"""What is kept of the draws while they are drawn: sums of moments, and masks until counted."""

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
        return Moments.of_draw(classes_first(draw(ops.zeros((), "int32")))), None
    batch, height, width, classes = shape

    def body(sums: Moments, index: Tensor) -> tuple[Moments, Tensor]:
        probability = classes_first(draw(index))
        mask = ops.reshape(most_likely(probability), (batch, height * width))
        return tree.map_structure(ops.add, sums, Moments.of_draw(probability)), mask

    planes, plane = ops.zeros((classes, batch, height, width)), ops.zeros((batch, height, width))
    sums, masks = scan(body, Moments(planes, planes, planes, plane), draws, "uint8")
    return tree.map_structure(lambda total: total / draws, sums), masks


def agreement(masks: Tensor, num_classes: int) -> dict[str, Tensor]:
    """Count the pixels that the draws' masks share; see ``Agreement``.

    Case by case, so that memory holds the masks of one case alone as floats.

    Args:
        masks: ``(draws, batch, pixels)``, uint8.
        num_classes: How many classes are counted.
    """
    by_case = ops.transpose(masks, (1, 0, 2))

    def count(total: Tensor, case: Tensor) -> tuple[Tensor, Tensor]:
        chosen = [ops.cast(ops.equal(by_case[case], c), "float32") for c in range(num_classes)]
        overlap = ops.stack([ops.matmul(one, ops.transpose(one)) for one in chosen])
        shared = ops.stack([ops.sum(ops.min(one, axis=0)) for one in chosen])
        covered = ops.stack([ops.sum(ops.max(one, axis=0)) for one in chosen])
        flat = ops.concatenate(
            [ops.reshape(overlap, (num_classes, -1)), shared[:, None], covered[:, None]], axis=1
        )
        return total, flat

    _, counts = scan(count, ops.zeros(()), by_case.shape[0], "float32")
    draws = masks.shape[0]
    return {
        "overlap": ops.reshape(counts[..., :-2], (-1, num_classes, draws, draws)),
        "intersection": counts[..., -2],
        "union": counts[..., -1],
    }
