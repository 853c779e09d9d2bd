"""Estimators that break one rule of the contract each; the name of the class says which."""

import gc
import os
from dataclasses import dataclass

import numpy as np
from keras import ops, random

from dicecast.data.cases import FittingData, SegmentationData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.noise import Noise

BROKEN = {}
"""The class by the check that names its rule."""


def breaks(check):
    def decorate(cls):
        BROKEN[check] = cls
        return cls

    return decorate


class Ordinary:
    """Trains one backbone; what the predictive does wrong is in ``made``."""

    def fit(self, data, train_backbone, seed):
        return self.made(train_backbone(seed))


class Dropping:
    """Trains one backbone with dropout; it draws 4 times."""

    def fit(self, data, train_backbone, seed):
        backbone = train_backbone(seed, dropout_rate=0.3)
        return self.made([backbone], num_draws=4, noisy=True)


@breaks("settings")
@dataclass
class MutableSettings(Ordinary):
    """Its settings may change after it is made."""

    made = staticmethod(lambda backbone: BackbonePredictive([backbone]))


@breaks("fits")
@dataclass(frozen=True)
class ReturnsTheBackbone(Ordinary):
    """Hands back what it trained, which is no distribution."""

    made = staticmethod(lambda backbone: backbone)


@breaks("data_untouched")
@dataclass(frozen=True)
class ChangesTheData(Ordinary):
    """Normalises the images that it was handed, in place."""

    made = staticmethod(lambda backbone: BackbonePredictive([backbone]))

    def fit(self, data, train_backbone, seed):
        predictive = super().fit(data, train_backbone, seed)
        np.asarray(data.validation.images)[:] //= 2
        return predictive


@breaks("global_state_untouched")
@dataclass(frozen=True)
class SeedsNumpy(Ordinary):
    """Seeds the generator that everybody shares, and one more thing."""

    made = staticmethod(lambda backbone: BackbonePredictive([backbone]))

    def fit(self, data, train_backbone, seed):
        np.random.seed(seed)  # noqa: NPY002
        os.environ["CHOSEN_BY_A_PLUGIN"] = "1"
        return super().fit(data, train_backbone, seed)


@breaks("test_truth_unread")
@dataclass(frozen=True)
class ReadsTheTruth(Ordinary):
    """Looks for the test set's masks among all objects of the process."""

    made = staticmethod(lambda backbone: BackbonePredictive([backbone]))

    def fit(self, data, train_backbone, seed):
        for found in gc.get_objects():
            if type(found) is SegmentationData:
                for cases in found.test.values():
                    np.asarray(cases.masks).mean()
        return super().fit(data, train_backbone, seed)


class LeavesClassesOut(BackbonePredictive):
    def draw(self, state, prepared, noise):
        return super().draw(state, prepared, noise)[..., 1]


@breaks("shapes")
@dataclass(frozen=True)
class GivesForegroundOnly(Ordinary):
    """Its draws are of one class."""

    made = staticmethod(lambda backbone: LeavesClassesOut([backbone]))


class DividesByZero(BackbonePredictive):
    def draw(self, state, prepared, noise):
        probability = super().draw(state, prepared, noise)
        return probability / ops.cast(probability > 0.5, "float32")


@breaks("finite")
@dataclass(frozen=True)
class GivesNaN(Ordinary):
    """Divides by what may be zero."""

    made = staticmethod(lambda backbone: DividesByZero([backbone]))


class ForgetsTheSoftmax(BackbonePredictive):
    def draw(self, state, prepared, noise):
        return self.outputs(state, prepared, noise)["logits"]


@breaks("probabilities")
@dataclass(frozen=True)
class GivesLogits(Ordinary):
    """Its draws are logits."""

    made = staticmethod(lambda backbone: ForgetsTheSoftmax([backbone]))


class NamesNoMap(BackbonePredictive):
    own_map = "confidence"


@breaks("own_map")
@dataclass(frozen=True)
class NamesAMapThatIsNotThere(Ordinary):
    """Misspells the name of its map."""

    made = staticmethod(lambda backbone: NamesNoMap([backbone]))


class GivesConfidence(BackbonePredictive):
    own_map = "confidence"

    def maps(self, state, prepared):
        return {"confidence": ops.max(super().draw(state, prepared, None), axis=-1)}


@breaks("orientation")
@dataclass(frozen=True)
class ReversedMap(Ordinary):
    """Its map is high where it is sure."""

    made = staticmethod(lambda backbone: GivesConfidence([backbone]))


class GoesOn(BackbonePredictive):
    graph_key = None

    def __init__(self, *arguments, **fields):
        super().__init__(*arguments, **fields)
        self.graph_key, self.generator = None, random.SeedGenerator(0)

    def draw(self, state, prepared, noise):
        logits = self.outputs(state, prepared, noise)["logits"]
        step = random.normal((1, *logits.shape[1:]), seed=self.generator)
        return ops.softmax(logits + step)


@breaks("same_seed")
@dataclass(frozen=True)
class DrawsFromAGenerator(Dropping):
    """Its random numbers go on from one prediction to the next."""

    made = GoesOn


class OneSeed(BackbonePredictive):
    def draw(self, state, prepared, noise):
        return super().draw(state, prepared, Noise(np.int32(7), noise.index, shared=True))


@breaks("other_seed")
@dataclass(frozen=True)
class IgnoresTheSeed(Dropping):
    """Draws under a seed of its own."""

    made = OneSeed


@breaks("draws_differ")
@dataclass(frozen=True)
class SilentDropout(Ordinary):
    """Claims four draws, and its dropout is silent."""

    made = staticmethod(lambda backbone: BackbonePredictive([backbone], num_draws=4))


@breaks("draws_declared")
@dataclass(frozen=True)
class CountsMembersTwice:
    """Claims twice as many draws as it has members."""

    def fit(self, data, train_backbone, seed):
        return BackbonePredictive([train_backbone(seed), train_backbone(seed + 9)], num_draws=4)


class DeclaresOne(BackbonePredictive):
    @property
    def num_parameters(self):
        return 1

    @num_parameters.setter
    def num_parameters(self, value):
        pass


@breaks("parameters_declared")
@dataclass(frozen=True)
class DeclaresOneWeight(Ordinary):
    """Says that its network has one weight."""

    made = staticmethod(lambda backbone: DeclaresOne([backbone]))


class ByPlace(BackbonePredictive):
    def draw(self, state, prepared, noise):
        logits = self.outputs(state, prepared, noise)["logits"]
        own = Noise(noise.seed, noise.index, shared=False)
        return ops.softmax(logits + own.normal("by_place", logits.shape, "float32"))


@breaks("order")
@dataclass(frozen=True)
class NoiseByPlace(Dropping):
    """The noise of a case follows from its place in the batch."""

    made = ByPlace


class Centred(BackbonePredictive):
    def draw(self, state, prepared, noise):
        logits = self.outputs(state, prepared, noise)["logits"]
        return ops.softmax(logits - ops.mean(logits, axis=0, keepdims=True) / 2)


@breaks("batch_size")
@dataclass(frozen=True)
class CentresTheBatch(Ordinary):
    """Takes away the mean of the batch."""

    made = staticmethod(lambda backbone: Centred([backbone]))


class Moving(BackbonePredictive):
    def prepare(self, state, images):
        moving = self.backbone.network.non_trainable_variables[0]
        moving.assign(moving * 0.9 + 0.1)
        return super().prepare(state, images)


@breaks("networks_stand_still")
@dataclass(frozen=True)
class MovesBatchNorm(Ordinary):
    """Updates the statistics of BatchNormalization while it predicts."""

    made = staticmethod(lambda backbone: Moving([backbone]))


@breaks("fit_again")
@dataclass(frozen=True)
class FitsByChance(Ordinary):
    """Jitters the weights by a generator without a seed."""

    def made(self, backbone):
        jitter = np.random.default_rng()
        moved = [w * np.float32(jitter.uniform(0.95, 1.05)) for w in backbone.weights]
        return BackbonePredictive([backbone.with_weights(moved)])


class Tempered(BackbonePredictive):
    temperature = 1.0

    def draw(self, state, prepared, noise):
        return ops.softmax(self.outputs(state, prepared, noise)["logits"] / self.temperature)


@breaks("shared_graph")
@dataclass(frozen=True)
class TemperatureInTheGraph(Ordinary):
    """Keeps its temperature beside the state, so that a shared graph has another's."""

    def fit(self, data: FittingData, train_backbone, seed) -> Predictive:
        predictive = Tempered([train_backbone(seed)])
        predictive.temperature = 1.0 + seed
        return predictive
