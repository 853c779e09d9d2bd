"""Features of cases: one pass of a trained backbone's encoder over many images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from dicecast.networks.backend import Tensor, as_tensors, compiled
from dicecast.networks.features import DeepFeatures
from dicecast.stacks import Stack
from dicecast.stopwatch import timed
from dicecast.training.backbone import Backbone
from dicecast.training.batches import padded_batches
from dicecast.training.trainer import to_network


class FeatureReader:
    """Reads features batch by batch; the compiled graph of an architecture is kept.

    Args:
        accelerate: "auto", "xla" or "none".
        batch_size: Cases a batch; results do not depend on it, beyond rounding.
    """

    def __init__(self, accelerate: str = "auto", batch_size: int = 32) -> None:
        self.accelerate, self.batch_size = accelerate, batch_size
        self._graphs: dict[int, tuple[Callable[..., Any], Any]] = {}

    def read(self, backbone: Backbone, images: Stack[np.uint8]) -> NDArray[np.float32]:
        """Return what the mean network's deepest block says of each image, ``(cases, features)``.

        Args:
            backbone: Trained.
            images: ``(cases, height, width, channels)``, uint8.
        """
        graph = self._graph(backbone.network)
        weights = as_tensors(backbone.weights)
        parts = []
        for rows, count in padded_batches(len(images), self.batch_size):
            with timed("sample", count):
                parts.append(ops.convert_to_numpy(graph(weights, images[rows]))[:count])
        return np.concatenate(parts)

    def _graph(self, network: Any) -> Callable[..., Any]:
        # The network is kept with its graph, so that its id is not given to another.
        if id(network) not in self._graphs:
            features = DeepFeatures(network)

            def run(weights: list[Tensor], images: Tensor) -> Tensor:
                return features(weights, to_network(images))

            self._graphs[id(network)] = compiled(run, self.accelerate), network
        return self._graphs[id(network)][0]
