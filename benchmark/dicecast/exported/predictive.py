"""Exported predictions in the place of an estimator's: the same loop over draws, the same sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from keras import ops

from dicecast.errors import DatasetError, did_you_mean
from dicecast.estimation.contract import Predictive
from dicecast.estimation.measures import LOGIT_MEASURES, MEASURES
from dicecast.estimation.prediction import Prediction
from dicecast.estimation.sampling import Sampler
from dicecast.exported.manifest import Manifest
from dicecast.exported.predictions import MASKS, Layout
from dicecast.networks.backend import Tensor
from dicecast.networks.noise import Noise
from dicecast.networks.probabilities import classes_first, softmax
from dicecast.stacks import Stack, nbytes

BATCH_BYTES = 2**25
"""Predictions that are read together; a case that is larger comes alone."""

Prepared: TypeAlias = tuple[Tensor, Tensor]


class ExportedPredictive(Predictive):
    """A predictive whose "images" are the predictions themselves; see ``PredictionStack``.

    Args:
        layout: What a prediction is made of.
        manifest: What its numbers mean.

    Raises:
        DatasetError: A map has the name of a measure, or the manifest's ``own_map`` is none.
    """

    def __init__(self, layout: Layout, manifest: Manifest) -> None:
        self.layout = layout
        self.num_draws = layout.num_draws
        self.measures_from_draws = layout.kind != MASKS
        self.ordered_draws = manifest.ordered_draws
        self.num_parameters = manifest.parameters
        computed = {**MEASURES, **LOGIT_MEASURES} if self.measures_from_draws else {}
        for name in layout.maps:
            if name in computed:
                raise DatasetError(
                    f"maps/{name}/ must not have the name of a measure that is computed from the "
                    f"draws ({', '.join(sorted(computed))}). Rename it, or leave it out."
                )
        self.own_map = manifest.own_map or (
            self.own_map if self.measures_from_draws else layout.maps[0]
        )
        known = [*layout.maps, *self._measures()]
        if self.own_map not in known:
            raise DatasetError(
                f"own_map in export.toml must be a folder of maps/ or a measure that is defined "
                f"here; got '{self.own_map}'. {did_you_mean(self.own_map, known)}"
            )

    def _measures(self) -> list[str]:
        """Return the names of the measures that are computed."""
        if not self.measures_from_draws:
            return []
        of_draws = [m.name for m in MEASURES.values() if self.num_draws >= m.least_draws]
        return of_draws + (list(LOGIT_MEASURES) if self._single_logits else [])

    @property
    def _single_logits(self) -> bool:
        return self.layout.logits and self.num_draws == 1 and self.measures_from_draws

    def prepare(self, state: Any, images: Tensor) -> Prepared:
        """Return the draws, ``(draws, batch, height, width, classes)``, and the maps, last axis.

        Args:
            state: Nothing.
            images: Rows of a ``PredictionStack``.
        """
        count = self.layout.numbers
        shape = (*images.shape[:3], self.num_draws, self.layout.num_classes)
        draws = ops.reshape(images[..., :count], shape)
        return ops.moveaxis(draws, 3, 0), images[..., count:]

    def draw(self, state: Any, prepared: Prepared, noise: Noise) -> Tensor:
        """Return the draw of the noise's index."""
        values = ops.take(prepared[0], noise.index, axis=0)
        return softmax(values) if self.layout.logits and self.measures_from_draws else values

    def maps(self, state: Any, prepared: Prepared) -> dict[str, Tensor]:
        """Return the exported maps, and the measures of logits where there is one draw of them."""
        draws, maps = prepared
        found = {name: maps[..., place] for place, name in enumerate(self.layout.maps)}
        if self._single_logits:
            logits = classes_first(draws[0])
            found |= {name: measured(logits) for name, measured in LOGIT_MEASURES.items()}
        return found


class ExportedSampler(Sampler):
    """Gives a predictive the predictions of the cases whose images are named.

    Args:
        layout: What a prediction is made of.
        predictions: The images of each role, and the predictions of the same cases.
    """

    def __init__(
        self,
        layout: Layout,
        predictions: Sequence[tuple[Stack[np.uint8], Stack[np.float32]]],
    ) -> None:
        case_bytes = nbytes(layout.row_shape, np.dtype(np.float32))
        super().__init__(layout.num_classes, batch_size=max(1, min(32, BATCH_BYTES // case_bytes)))
        self._predictions = predictions

    def predict(
        self, predictive: Predictive, images: Stack[np.uint8], seed: int, keep_masks: int = 0
    ) -> Iterator[Prediction]:
        """Yield the predictions of all cases, in order, one a batch; see ``Sampler.predict``."""
        # By identity: a role's images stand for its cases, and need not be there to be read.
        found = next(stack for shown, stack in self._predictions if shown is images)
        return super().predict(predictive, cast(Any, found), seed, keep_masks)
