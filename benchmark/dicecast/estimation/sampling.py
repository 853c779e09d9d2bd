"""Draws become a ``Prediction``: one compiled graph that loops over the draws and keeps sums."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from dicecast.errors import PluginError
from dicecast.estimation.accumulate import accumulate
from dicecast.estimation.agreement import agreement
from dicecast.estimation.contract import Predictive
from dicecast.estimation.measures import MEASURES, Moments
from dicecast.estimation.prediction import Prediction
from dicecast.networks.backend import Tensor, compiled
from dicecast.networks.noise import Noise
from dicecast.networks.probabilities import classes_last, most_likely
from dicecast.stacks import Stack
from dicecast.stopwatch import timed
from dicecast.training.batches import padded_batches
from dicecast.training.trainer import to_network


class Sampler:
    """Predicts cases batch by batch; compiled graphs are kept and shared between estimators.

    Memory does not grow with the number of draws, but for one byte a pixel and draw of the batch in
    hand, from which the agreement of the masks is counted.

    Args:
        num_classes: How many classes a draw must give.
        accelerate: "auto", "xla" or "none".
        batch_size: Cases a batch; results do not depend on it, beyond rounding.
    """

    def __init__(self, num_classes: int, accelerate: str = "auto", batch_size: int = 32) -> None:
        self.num_classes = num_classes
        self.accelerate = accelerate
        self.batch_size = batch_size
        self._graphs: dict[Hashable, Any] = {}

    def predict(
        self, predictive: Predictive, images: Stack[np.uint8], seed: int, keep_masks: int = 0
    ) -> Iterator[Prediction]:
        """Yield the predictions of all images, in order, one a batch.

        Args:
            predictive: What an estimator's ``fit`` returned.
            images: ``(cases, height, width, channels)``, uint8.
            seed: Decides every draw.
            keep_masks: Return the masks of so many draws, the first, too.

        Raises:
            PluginError: The predictive breaks its contract (shape, NaN, not probabilities).
        """
        graph = self._graph(predictive)
        name = type(predictive).__name__
        state = _as_tensors(predictive.state)
        for rows, count in padded_batches(len(images), self.batch_size):
            with timed("sample", count, lambda: predictive.operations):
                result = graph(state, images[rows], np.int32(seed))
                # One byte a pixel and draw, read where it lies.
                masks = result.pop("masks", None)
                prediction = _as_prediction(_to_numpy(result, count), name)
                if masks is not None:
                    drawn = np.asarray(masks)[:, :count]
                    consensus = prediction.mask.reshape(count, -1)
                    ordered = predictive.ordered_draws
                    counted = agreement(drawn, consensus, self.num_classes, ordered)
                    kept = _by_case(drawn[:keep_masks], prediction) if keep_masks else None
                    prediction = replace(prediction, agreement=counted, draw_masks=kept)
            yield prediction

    def _graph(self, predictive: Predictive) -> Callable[..., Any]:
        key: Hashable = (type(predictive), predictive.graph_key)
        if predictive.graph_key is None:
            key = id(predictive)
        # The predictive is kept with its graph, so that its id is not given to another.
        if key not in self._graphs:
            self._graphs[key] = (
                compiled(self._run(predictive), self.accelerate),
                predictive,
            )
        graph: Callable[..., Any] = self._graphs[key][0]
        return graph

    def _run(self, predictive: Predictive) -> Callable[..., dict[str, Any]]:
        def run(state: Any, images: Tensor, seed: Tensor) -> dict[str, Any]:
            prepared = predictive.prepare(state, to_network(images))
            shape = (*images.shape[:3], self.num_classes)

            def draw(index: Tensor) -> Tensor:
                noise = Noise(seed, index, shared=True)
                probability = predictive.draw(state, prepared, noise)
                _check_shape(probability, shape, type(predictive).__name__)
                return ops.cast(probability, "float32")

            moments, masks = accumulate(draw, predictive.num_draws, shape)
            result = {
                "probability": classes_last(moments.probability),
                "mask": most_likely(moments.probability),
                "maps": _maps(predictive, state, prepared, moments, shape[:3]),
            }
            if masks is not None and predictive.measures_from_draws:
                result["masks"] = masks
            return result

        return run


def _by_case(masks: NDArray[np.uint8], prediction: Prediction) -> NDArray[np.uint8]:
    """Return masks ``(draws, cases, pixels)`` as ``(cases, draws, height, width)``."""
    cases, *size = prediction.mask.shape
    return masks.swapaxes(0, 1).reshape(cases, len(masks), *size)


def _maps(
    predictive: Predictive, state: Any, prepared: Any, moments: Moments, shape: tuple[int, ...]
) -> dict[str, Tensor]:
    maps = predictive.maps(state, prepared)
    for name, values in maps.items():
        _check_shape(values, shape, f"{type(predictive).__name__}.maps()['{name}']")
    if predictive.measures_from_draws:
        for name, measure in MEASURES.items():
            if predictive.num_draws >= measure.least_draws:
                maps[name] = measure.function(moments)
    return maps


def _check_shape(tensor: Tensor, expected: tuple[int, ...], name: str) -> None:
    if tuple(tensor.shape) != tuple(expected):
        raise PluginError(
            f"{name}: a draw or map must have the shape {tuple(expected)} (batch, height, width"
            f"{', classes' if len(expected) == 4 else ''}); got {tuple(tensor.shape)}."
        )


def _as_tensors(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _as_tensors(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(_as_tensors(value) for value in state)
    return ops.convert_to_tensor(state)


def _to_numpy(result: dict[str, Any], count: int) -> dict[str, Any]:
    return {
        key: _to_numpy(value, count)
        if isinstance(value, dict)
        else np.asarray(ops.convert_to_numpy(value))[:count]
        for key, value in result.items()
    }


def _as_prediction(result: dict[str, Any], name: str) -> Prediction:
    probability = result["probability"]
    if not np.isfinite(probability).all():
        raise PluginError(
            f"{name} gives NaN or infinite probabilities. Every value of a draw must be finite; "
            "look for a division or logarithm of zero."
        )
    sums = probability.sum(axis=-1)
    if probability.min() < -1e-4 or np.abs(sums - 1.0).max() > 1e-3:
        raise PluginError(
            f"{name}: a draw must be class probabilities, at least 0 and with sum 1 over the last "
            f"axis; got a minimum of {probability.min():.3g} and sums from {sums.min():.3g} to "
            f"{sums.max():.3g}. Apply a softmax to logits."
        )
    for measure, values in result["maps"].items():
        if not np.isfinite(values).all():
            raise PluginError(f"{name}: the map '{measure}' has NaN or infinite values.")
    return Prediction(probability, result["mask"], result["maps"], None)
