"""Features of cases that are computed, or found in the store, when somebody first reads them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dicecast.data.cases import Cases, SegmentationData
from dicecast.estimation.contract import Predictive
from dicecast.estimation.features import FeatureReader
from dicecast.networks.features import deepest_layer
from dicecast.stacks import LazyStack, Stack
from dicecast.store import Artifact
from dicecast.training.backbone import Backbone

FeaturesByRole: TypeAlias = dict[str, Stack[np.float32] | None]


def feature_width(predictive: Predictive) -> int:
    """Return how many features a case has; 0 where the predictive has none."""
    backbone = predictive.feature_backbone
    return 0 if backbone is None else int(deepest_layer(backbone.network).output.shape[-1])


def read_features(data: SegmentationData, backbone: Backbone, reader: FeatureReader) -> Artifact:
    """Return the stack ``features`` of all cases that heads may see, role after role."""
    parts = [reader.read(backbone, cases.images) for _, cases in _roles(data)]
    return Artifact(stacks={"features": np.concatenate(parts)})


def features_by_role(
    data: SegmentationData, width: int, artifact: Callable[[], Artifact]
) -> FeaturesByRole:
    """Return the features of each role, to be read from what ``artifact`` returns.

    Args:
        data: As it was given to ``read_features``.
        width: How many features a case has; with 0 every role has None.
        artifact: Computes or finds what ``read_features`` returned; called once, when rows are
            first asked for.
    """
    roles = list(_roles(data))
    if not width:
        return {role: None for role, _ in roles}
    every = _Later((sum(len(cases) for _, cases in roles), width), artifact)
    ends = np.cumsum([len(cases) for _, cases in roles])
    return {
        role: every.select(slice(end - len(cases), end))
        for (role, cases), end in zip(roles, ends, strict=True)
    }


class _Later(LazyStack[np.float32]):
    """The stack of an artifact that is not there yet."""

    def __init__(self, shape: tuple[int, int], artifact: Callable[[], Artifact]) -> None:
        super().__init__(shape, np.dtype(np.float32))
        self._artifact = functools.cache(artifact)

    def read(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._artifact().stacks["features"][rows]
        return found


def _roles(data: SegmentationData) -> Iterator[tuple[str, Cases]]:
    return ((role, cases) for role, cases in data.roles() if role != "validation")
