"""An estimator of somebody's own: the softmax at a temperature chosen on validation."""

from dataclasses import dataclass

import numpy as np
from keras import ops

from dicecast import register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.training.backbone import TrainBackbone


class _Tempered(BackbonePredictive):
    temperature = 1.0

    def draw(self, state, prepared, noise):
        return ops.softmax(self.outputs(state, prepared, noise)["logits"] / self.temperature)


@register_estimator("tempered")
@dataclass(frozen=True)
class Tempered:
    """Softer probabilities, at the temperature with the least validation cross-entropy."""

    grid: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 3.0)

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        backbone = train_backbone(seed)
        images = ops.convert_to_tensor(np.asarray(data.validation.images, np.float32) / 255.0)
        logits = ops.convert_to_numpy(backbone.outputs(backbone.weights, images)["logits"])
        truth = np.eye(data.num_classes)[np.asarray(data.validation.masks)]
        losses = [
            -np.mean(truth * ops.convert_to_numpy(ops.log_softmax(logits / t))) for t in self.grid
        ]
        predictive = _Tempered([backbone])
        predictive.temperature = self.grid[int(np.argmin(losses))]
        predictive.graph_key = None
        return predictive
