"""An estimator and a head that remember what they were given."""

from dataclasses import dataclass

import numpy as np

from dicecast import register_estimator, register_head
from dicecast.estimation.contract import BackbonePredictive

FITTED: list = []
EXAMPLES: list = []


@register_estimator("spy")
@dataclass(frozen=True)
class Spy:
    def fit(self, data, train_backbone, seed):
        FITTED.append(data)
        return BackbonePredictive([train_backbone(seed)])


@register_head("spy_head")
@dataclass(frozen=True)
class SpyHead:
    score_name = "spy_head"

    def fit(self, examples, seed):
        EXAMPLES.append(examples)
        return self

    def predict(self, evidence):
        return np.full(len(evidence), 0.5)
