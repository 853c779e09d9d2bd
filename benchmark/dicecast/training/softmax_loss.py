"""Cross-entropy and soft Dice of a softmax, with the gradient written out: few passes."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from dicecast.networks.backend import Tensor

Planes = list[Tensor]
"""A tensor ``(batch, height, width)`` for each class."""


class _Dice(NamedTuple):
    """Soft Dice of a foreground class: ``(2 overlap + 1) / (total + 1)``."""

    numerator: Tensor
    denominator: Tensor


def softmax_cross_entropy_and_dice(logits: Tensor, targets: Tensor, dice_weight: float) -> Tensor:
    """Return ``cross_entropy_and_dice`` of the logits' softmax, in a third of its time.

    Planes of a class each are worked on alone, since broadcasting along a short axis is slow, and
    what the value has computed serves the gradient.

    Args:
        logits: ``(batch, height, width, classes)``, float32.
        targets: Class indices ``(batch, height, width)``, int32.
        dice_weight: Weight of the Dice term.
    """
    truth = [ops.cast(ops.equal(targets, index), "float32") for index in range(logits.shape[-1])]

    def loss(logits: Tensor) -> tuple[Tensor, Any]:
        probabilities, cross_entropy = _softmax(ops.unstack(logits, axis=-1), truth)
        dice = [_dice(*planes) for planes in zip(probabilities[1:], truth[1:], strict=True)]
        weight = dice_weight / len(dice)
        value = cross_entropy + sum(weight * (1.0 - of.numerator / of.denominator) for of in dice)

        def gradient(*given: Tensor, upstream: Tensor = None) -> Tensor:
            factor = given[0] if upstream is None else upstream
            return ops.stack(_gradient(probabilities, truth, dice, weight, factor), axis=-1)

        return value, gradient

    return ops.custom_gradient(loss)(logits)


def _softmax(logits: Planes, truth: Planes) -> tuple[Planes, Tensor]:
    """Return the probabilities, and the mean cross-entropy to the truth."""
    largest = logits[0]
    for plane in logits[1:]:
        largest = ops.maximum(largest, plane)
    shifted = [plane - largest for plane in logits]
    exponentials = [ops.exp(plane) for plane in shifted]
    total = sum(exponentials[1:], exponentials[0])
    logarithm = ops.log(total) - _products(shifted, truth)
    return [plane / total for plane in exponentials], ops.mean(logarithm)


def _products(left: Planes, right: Planes) -> Tensor:
    """Return the sum over planes of the products."""
    first, *others = (a * b for a, b in zip(left, right, strict=True))
    return sum(others, first)


def _dice(probability: Tensor, truth: Tensor) -> _Dice:
    overlap = ops.sum(probability * truth)
    return _Dice(2.0 * overlap + 1.0, ops.sum(probability) + ops.sum(truth) + 1.0)


def _gradient(
    probabilities: Planes, truth: Planes, dice: list[_Dice], weight: float, factor: Tensor
) -> Planes:
    """Return ``factor`` times the gradient by each logit.

    With g_k the derivative of the Dice term by p_k (0 for the background) and n pixels, it is
    (p_k - t_k) / n + p_k (g_k - sum_j p_j g_j).
    """
    share = factor / ops.cast(ops.size(truth[0]), "float32")
    scales = [weight * factor / of.denominator for of in dice]
    by_probability = [
        scale * of.numerator / of.denominator - 2.0 * scale * plane
        for of, scale, plane in zip(dice, scales, truth[1:], strict=True)
    ]
    rest = share - _products(probabilities[1:], by_probability)
    terms = [rest, *(rest + plane for plane in by_probability)]
    return [
        probability * term - share * true
        for probability, term, true in zip(probabilities, terms, truth, strict=True)
    ]
