"""An estimator on trial: it is fitted, drawn from and asked again, each once and when needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from unittest import mock

import numpy as np
from keras import ops
from numpy.typing import NDArray

from dicecast.data.cases import FittingData
from dicecast.estimation.contract import Estimator, Predictive
from dicecast.estimation.prediction import Prediction
from dicecast.estimation.sampling import Sampler
from dicecast.networks.noise import Noise
from dicecast.testing.canary import copied, watched
from dicecast.testing.checks import Outcome
from dicecast.testing.global_state import Watch, watching
from dicecast.testing.ground import BATCH, Ground
from dicecast.training.backbone import Backbone, TrainBackbone


class WatchedTrainer:
    """Hands calls on to a trainer and remembers the backbones that it gave."""

    def __init__(self, trainer: TrainBackbone, given: list[Backbone]) -> None:
        self._trainer, self.given = trainer, given

    def __call__(self, seed: int, **changes: Any) -> Backbone:
        """Train; see ``TrainBackbone``."""
        self.given.append(self._trainer(seed, **changes))
        return self.given[-1]

    def on(self, data: FittingData) -> WatchedTrainer:
        """Return the same for other data."""
        return WatchedTrainer(self._trainer.on(data), self.given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trainer, name)


@dataclass(frozen=True)
class Fitted:
    """What came of one ``fit``, and what was noticed meanwhile.

    Attributes:
        predictive: What it returned.
        given: The backbones that it was given.
        changed: Whether the data that it was handed are other than before.
        watch: The process-wide state before and after.
        peeked: How often the truth of what it may not see was read.
    """

    predictive: Any
    given: list[Backbone]
    changed: bool
    watch: Watch
    peeked: int


@dataclass(frozen=True)
class Drawn:
    """What the methods of a predictive return, each draw by itself and not in a graph.

    Attributes:
        draws: ``(batch, height, width, classes)`` each, if the estimator is right.
        maps: Its own maps by name.
        asked: The names by which noise was asked for.
    """

    draws: list[NDArray[Any]]
    maps: dict[str, NDArray[Any]]
    asked: list[str]


class EstimatorTrial:
    """An estimator, and what was seen of it so far.

    Args:
        estimator: Any.
        title: What a report calls it.
        ground: What it is tried on.
        seed: Of its fits and predictions.
    """

    def __init__(self, estimator: Estimator, title: str, ground: Ground, seed: int = 0) -> None:
        self.estimator, self.title, self.ground, self.seed = estimator, title, ground, seed
        self.outcomes: dict[str, Outcome] = {}
        # Held by this object, as the harness holds its data: within reach of who looks for it.
        self.data, self._canaries = watched(ground.data)
        self._predicted: dict[int, Prediction] = {}
        self._fits = 0

    @property
    def predictive(self) -> Predictive:
        """The predictive distribution of the first fit."""
        found: Predictive = self.first.predictive
        return found

    @cached_property
    def first(self) -> Fitted:
        """The first fit."""
        return self.fitted(self.seed)

    @cached_property
    def again(self) -> Fitted:
        """A second fit under the same seed, with what the store holds."""
        return self.fitted(self.seed)

    def fitted(self, seed: int) -> Fitted:
        """Fit under a seed, and put back what that moved."""
        fitting = self.ground.data.for_fitting()
        data = FittingData(fitting.classes, copied(fitting.train), copied(fitting.validation))
        expected, given = data.content_hash(), list[Backbone]()
        for canary in self._canaries:
            canary.reads.clear()
        trainer = WatchedTrainer(self.ground.trainer, given)
        self._fits += 1
        with watching(self._fits) as watch:
            predictive = self.estimator.fit(data, trainer, seed)
        peeked = sum(len(canary.reads) for canary in self._canaries)
        return Fitted(predictive, given, data.content_hash() != expected, watch, peeked)

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """All images of the first test set, ``(cases, height, width, channels)``."""
        return np.array(next(iter(self.data.test.values())).images)

    @cached_property
    def truth(self) -> NDArray[np.uint8]:
        """Their true masks, for the checks alone."""
        return np.asarray(next(iter(self.ground.data.test.values())).masks)

    @cached_property
    def drawn(self) -> Drawn:
        """The draws of a batch under the trial's seed."""
        return drawn(self.predictive, self.images[:BATCH], self.seed)

    def predicted(self, seed: int) -> Prediction:
        """Return the prediction of the first batch, or of all cases under the trial's own seed."""
        if seed not in self._predicted:
            images = self.images if seed == self.seed else self.images[:BATCH]
            self._predicted[seed] = self.predict(images, seed)
        return self._predicted[seed]

    @property
    def prediction(self) -> Prediction:
        """The prediction of all cases under the trial's seed."""
        return self.predicted(self.seed)

    def predict(
        self, images: NDArray[np.uint8], seed: int, sampler: Sampler | None = None
    ) -> Prediction:
        """Predict as the harness does, without remembering it."""
        return predict(sampler or self.ground.sampler, self.predictive, images, seed)

    def networks_state(self) -> list[str]:
        """Return the hash of every variable and weight that the fit was given."""
        kept = [*self.first.given, getattr(self.predictive, "backbone", None)]
        arrays = [
            np.asarray(ops.convert_to_numpy(value))
            for backbone in kept
            if backbone is not None
            for value in [*backbone.network.variables, *backbone.weights]
        ]
        return [hashlib.sha256(np.ascontiguousarray(array).data).hexdigest() for array in arrays]


def predict(
    sampler: Sampler, predictive: Predictive, images: NDArray[np.uint8], seed: int
) -> Prediction:
    """Return the prediction of all images as one."""
    parts = list(sampler.predict(predictive, images, seed))
    maps = {name: np.concatenate([part.maps[name] for part in parts]) for name in parts[0].maps}
    return Prediction(
        np.concatenate([part.mean_probabilities for part in parts]),
        np.concatenate([part.mask for part in parts]),
        maps,
        None,
    )


def drawn(predictive: Predictive, images: NDArray[np.uint8], seed: int) -> Drawn:
    """Call the methods of a predictive one after another, outside of any graph."""
    state = _tensors(predictive.state)
    prepared = predictive.prepare(state, ops.convert_to_tensor(images.astype(np.float32) / 255.0))
    with _asked() as asked:
        draws = [
            _array(predictive.draw(state, prepared, Noise(np.int32(seed), index, shared=True)))
            for index in np.arange(predictive.num_draws, dtype=np.int32)
        ]
    maps = {name: _array(values) for name, values in predictive.maps(state, prepared).items()}
    return Drawn(draws, maps, asked)


@contextmanager
def _asked() -> Iterator[list[str]]:
    """Note the names by which noise is asked for, also of noise that a plug-in makes itself."""
    asked: list[str] = []
    key = Noise.key

    def noted(noise: Noise, name: str) -> Any:
        asked.append(name)
        return key(noise, name)

    with mock.patch.object(Noise, "key", noted):
        yield asked


def _array(tensor: Any) -> NDArray[Any]:
    return np.asarray(ops.convert_to_numpy(tensor))


def _tensors(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _tensors(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(_tensors(value) for value in state)
    return ops.convert_to_tensor(state)
