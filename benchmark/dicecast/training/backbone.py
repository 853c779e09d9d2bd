"""``train_backbone``: the trainer that is handed to every estimator."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from dicecast.data.cases import Cases, FittingData
from dicecast.errors import PluginError, did_you_mean
from dicecast.identity import code_version, describe, hash_of, package_versions
from dicecast.networks.backend import BACKEND, Tensor, as_tensors, compiled, has_accelerator
from dicecast.networks.contract import BackboneArchitecture
from dicecast.networks.inference import InferenceNetwork
from dicecast.networks.noise import Noise
from dicecast.stacks import Stack
from dicecast.stopwatch import timed
from dicecast.store import Artifact, Store
from dicecast.training.batches import Examples, padded_batches
from dicecast.training.initial import by_layer, initial_weights, taken_over, variables
from dicecast.training.objective import Objective, SegmentationLoss
from dicecast.training.schedule import Schedule
from dicecast.training.trainer import Progress, Task, Trained, Weights, to_network, train


@dataclass(frozen=True)
class Backbone:
    """A trained segmentation network.

    Attributes:
        network: The ``keras.Model``; shared by all backbones of one architecture, never changed.
        weights: Its trained weights, trainable then non-trainable.
        log: Loss, validation score and the objective's state after each epoch.
        key: Hash of everything the weights depend on.
        snapshots: Weights after the epochs that ``Schedule.snapshots`` names.
    """

    network: Any
    weights: Weights
    log: list[dict[str, Any]]
    key: str
    snapshots: list[Weights] = field(default_factory=list)

    @cached_property
    def inference(self) -> InferenceNetwork:
        """The network as it predicts; BatchNormalization stands still."""
        return InferenceNetwork(self.network)

    def outputs(
        self, weights: list[Tensor], images: Tensor, noise: Noise | None = None
    ) -> dict[str, Tensor]:
        """Run the network with ``weights`` and return its outputs by name, float32.

        Args:
            weights: As ``self.weights``, as tensors.
            images: ``(batch, height, width, channels)``, float32 in [0, 1].
            noise: What noisy layers draw from; None gives the mean network.
        """
        return self.inference.outputs(self.inference.prepare(weights, images), noise)

    @property
    def num_parameters(self) -> int:
        """Number of trainable weights."""
        return sum(int(np.prod(v.shape)) for v in self.network.trainable_variables)

    def with_weights(self, weights: Weights) -> Backbone:
        """Return the network with other weights, such as a snapshot."""
        return dataclasses.replace(self, weights=weights)

    def arranged(self, other: Backbone) -> Weights:
        """Return the weights of another backbone of equal layers in the order of this one's.

        Which layers were frozen decides the order.
        """
        known = by_layer(other.network, other.weights)
        places = {
            id(variable): value
            for layer in self.network.layers
            for variable, value in zip(layer.weights, known[layer.name], strict=True)
        }
        return [places[id(variable)] for variable in variables(self.network)]

    def with_layers(self, **layers: str) -> Backbone:
        """Return the same trained network with further outputs.

        Args:
            **layers: By the name of the output, the layer that gives it.
        """
        network = _with_outputs(self.network, tuple(sorted(layers.items())))
        known = dict(zip(map(id, variables(self.network)), self.weights, strict=True))
        weights = [known[id(variable)] for variable in variables(network)]
        return dataclasses.replace(self, network=network, weights=weights, snapshots=[])

    def predict(
        self, images: Stack[np.uint8], batch_size: int = 32
    ) -> Iterator[tuple[slice, dict[str, NDArray[np.float32]]]]:
        """Yield the outputs of the mean network for images in batches, with their rows.

        Args:
            images: ``(cases, height, width, channels)``, uint8.
            batch_size: Cases a batch; results do not depend on it, beyond rounding.
        """
        graph, weights = _outputs_of(self.network), as_tensors(self.weights)
        start = 0
        for rows, count in padded_batches(len(images), batch_size):
            outputs = graph(weights, images[rows])
            yield (
                slice(start, start + count),
                {k: np.asarray(ops.convert_to_numpy(v))[:count] for k, v in outputs.items()},
            )
            start += count


class TrainBackbone(Protocol):
    """Trains the suite's backbone, with changes; the same call again costs nothing.

    Attributes:
        architecture: The suite's backbone.
        schedule: The suite's training.
    """

    architecture: BackboneArchitecture
    schedule: Schedule

    def __call__(self, seed: int, **changes: Any) -> Backbone:
        """Return the trained backbone.

        Args:
            seed: Decides initial weights, order, augmentation and noise.
            **changes: Fields of the architecture (``dropout_rate=0.3``, ``heads={...}``), fields of
                the schedule (``epochs=20``), ``objective=...``, ``initial=...`` (a backbone whose
                weights the layers of the same name and shape start from) or ``trained=...`` (a
                tuple: only layers whose names begin with one of these are trained, from fresh
                weights; the others stand still).
        """
        ...

    def on(self, data: FittingData) -> TrainBackbone:
        """Return the same trainer for other data: fewer cases, other images, other classes."""
        ...


@dataclass
class BackboneTrainer:
    """Trains backbones for one suite and dataset and keeps them in the store.

    Attributes:
        data: The training and validation roles.
        architecture: The suite's backbone.
        schedule: The suite's training.
        store: Where trained weights are kept.
        precision: "float32", "bfloat16" or "float16" (computation; weights stay float32).
        accelerate: "auto", "xla" or "none".
        data_parallel: Whether each batch is spread over all devices (JAX alone).
        on_start: Called with the number of images a training will see, before it begins.
        on_epoch: Called with a progress and the number of training images after each epoch.
        used: The keys of the backbones handed out, with the seconds each took to train, whenever
            that was.
    """

    data: FittingData
    architecture: BackboneArchitecture
    schedule: Schedule
    store: Store
    precision: str = "float32"
    accelerate: str = "auto"
    on_start: Callable[[int], None] = lambda images: None
    on_epoch: Callable[[Progress, int], None] = lambda progress, images: None
    data_parallel: bool = False
    used: dict[str, float] = field(default_factory=dict)
    _tasks: dict[str, Task] = field(default_factory=dict, repr=False)

    def on(self, data: FittingData) -> BackboneTrainer:
        """Return the same trainer for other data; see ``TrainBackbone``."""
        # What was used is counted in one place, and what was compiled is shared.
        return dataclasses.replace(self, data=data)

    def __call__(self, seed: int, **changes: Any) -> Backbone:
        """Return the trained backbone; see ``TrainBackbone``."""
        initial: Backbone | None = changes.pop("initial", None)
        if initial and not initial.weights:
            raise PluginError("train_backbone(initial=...) needs a backbone that is trained.")
        trained: tuple[str, ...] = tuple(changes.pop("trained", ()))
        architecture, schedule, objective = self._changed(changes)
        identity = {
            "architecture": architecture,
            "schedule": schedule,
            "objective": objective,
            "initial": initial and initial.key,
            "trained": trained,
            "seed": seed,
            "precision": self.precision,
            "accelerate": self.accelerate,
            "data_parallel": self.data_parallel,
            "data": self._data_hash,
            "code": code_version("networks", "training"),
            "backend": BACKEND,
            "accelerator": has_accelerator(),
            "packages": {k: v for k, v in package_versions().items() if k in ("keras", BACKEND)},
        }
        task = self._task(architecture, objective, trained)
        key = hash_of(identity)

        def make() -> Artifact:
            self.on_start(schedule.epochs * len(self.data.train))
            started = time.perf_counter()
            weights = initial_weights(lambda: self._network(architecture, trained), seed)
            if initial:
                weights = taken_over(task.network, weights, initial.network, initial.weights)
            result = train(
                task,
                weights,
                (_examples(self.data.train), _examples(self.data.validation)),
                schedule,
                seed,
                lambda progress: self.on_epoch(progress, len(self.data.train)),
            )
            return _as_artifact(result, time.perf_counter() - started)

        artifact = self.store.get("backbone", identity, make)
        self.used[key] = artifact.info["seconds"]
        snapshots = [_weights(artifact, f"s{i}") for i in range(artifact.info.get("snapshots", 0))]
        return Backbone(task.network, _weights(artifact, ""), artifact.info["log"], key, snapshots)

    @cached_property
    def _data_hash(self) -> str:
        return self.data.content_hash()

    def _changed(self, changes: dict[str, Any]) -> tuple[BackboneArchitecture, Schedule, Objective]:
        architecture: Any = self.architecture
        architectural = {f.name for f in dataclasses.fields(architecture)}
        scheduled = {f.name for f in dataclasses.fields(Schedule)}
        for name in changes:
            if name not in architectural | scheduled | {"objective"}:
                raise PluginError(
                    f"train_backbone cannot change '{name}': the backbone "
                    f"{type(architecture).__name__} has no such field, nor has the training. "
                    + did_you_mean(name, architectural | scheduled | {"objective"})
                )
        return (
            dataclasses.replace(
                architecture, **{k: v for k, v in changes.items() if k in architectural}
            ),
            dataclasses.replace(
                self.schedule, **{k: v for k, v in changes.items() if k in scheduled}
            ),
            changes.get("objective", SegmentationLoss()),
        )

    def _task(
        self, architecture: BackboneArchitecture, objective: Objective, trained: tuple[str, ...]
    ) -> Task:
        shape = (*self.data.image_shape, self.data.num_classes)
        key = hash_of([architecture, objective, trained, shape])
        if key not in self._tasks:
            network = self._network(architecture, trained)
            self._tasks[key] = Task(
                network, objective, _dice_score, self.accelerate, self.data_parallel
            )
        return self._tasks[key]

    @timed("trace")
    def _network(self, architecture: BackboneArchitecture, trained: tuple[str, ...]) -> Any:
        with _precision(self.precision):
            network = architecture.build(self.data.image_shape, self.data.num_classes)
        if trained:
            for layer in network.layers:
                layer.trainable = layer.name.startswith(trained)
            if not network.trainable_variables:
                names = ", ".join(layer.name for layer in network.layers)
                raise PluginError(
                    f"train_backbone(trained={trained}): no layer with weights has a name that "
                    f"begins so; the layers are {names}."
                )
        return network


def _examples(cases: Cases) -> Examples:
    return Examples(cases.images, cases.masks)


def _as_artifact(trained: Trained, seconds: float) -> Artifact:
    kept = {"": trained.weights} | {f"s{i}": w for i, w in enumerate(trained.snapshots)}
    arrays = {f"{of}w{i:04d}": w for of, weights in kept.items() for i, w in enumerate(weights)}
    log = [describe(entry._asdict()) for entry in trained.log]
    return Artifact(
        arrays, {}, {"log": log, "seconds": seconds, "snapshots": len(trained.snapshots)}
    )


def _weights(artifact: Artifact, of: str) -> Weights:
    return [artifact.arrays[name] for name in sorted(artifact.arrays) if name.startswith(f"{of}w")]


@lru_cache(maxsize=64)
def _with_outputs(network: Any, layers: tuple[tuple[str, str], ...]) -> Any:
    """Return a network that shares all layers; one for all weights, so that graphs are shared."""
    further = {name: network.get_layer(layer).output for name, layer in layers}
    return keras.Model(network.inputs[0], network.output | further)


@lru_cache(maxsize=64)
def _outputs_of(network: Any) -> Callable[..., dict[str, Tensor]]:
    inference = InferenceNetwork(network)

    def run(weights: list[Tensor], images: Tensor) -> dict[str, Tensor]:
        return inference.outputs(inference.prepare(weights, to_network(images)), None)

    return compiled(run)


def _dice_score(outputs: dict[str, Tensor], targets: Tensor) -> Tensor:
    """Mean Dice over foreground classes of each case, ``(batch,)``; both empty is 1."""
    classes = outputs["logits"].shape[-1]
    predicted = ops.one_hot(ops.argmax(outputs["logits"], axis=-1), classes)[..., 1:]
    truth = ops.one_hot(ops.cast(targets, "int32"), classes)[..., 1:]
    overlap = ops.sum(predicted * truth, axis=(1, 2))
    total = ops.sum(predicted, axis=(1, 2)) + ops.sum(truth, axis=(1, 2))
    return ops.mean(ops.where(total > 0, 2.0 * overlap / ops.maximum(total, 1.0), 1.0), axis=-1)


@contextmanager
def _precision(precision: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
