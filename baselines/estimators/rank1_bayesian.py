"""Bayesian networks whose posterior has rank one."""

from dataclasses import dataclass
from math import expm1, log
from typing import Any

import keras
from keras import ops

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.backend import Tensor
from dicecast.networks.contract import ConvolutionSpec
from dicecast.networks.convolutions import FactoredConvolution2D, Factors
from dicecast.networks.noise import Noise
from dicecast.training.backbone import TrainBackbone
from dicecast.training.evidence import EvidenceLowerBound

PRIOR_MEAN = 1.0


class RankOneConvolution2D(FactoredConvolution2D):
    """A kernel of point weights, with Gaussian factors of each component's own."""

    def __init__(self, spec: ConvolutionSpec, posterior: "RankOnePosterior") -> None:
        super().__init__(spec, posterior.components)
        self.posterior = posterior

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create mean and (before softplus) standard deviation of the factors."""
        super().build(input_shape)
        untransformed = log(expm1(self.posterior.initial_std))
        starts = {
            "mean": keras.initializers.RandomNormal(PRIOR_MEAN, self.posterior.initial_std),
            "spread": keras.initializers.Constant(untransformed),
        }
        channels = {"incoming": input_shape[-1], "outgoing": self.spec.filters}
        # Float32 under mixed precision too: a posterior narrower than bfloat16 resolves is a point.
        self.gaussians = {
            side: {
                name: self.add_weight(
                    shape=(self.members, count),
                    initializer=start,
                    name=f"{side}_{name}",
                    autocast=False,
                )
                for name, start in starts.items()
            }
            for side, count in channels.items()
        }

    def factors(self, noise: Noise | None, member: Tensor) -> Factors:
        """Return factors drawn for each row, or their means without noise; add the divergence."""
        self.add_loss(self.divergence())
        return Factors(*(self._drawn(side, noise, member) for side in ("incoming", "outgoing")))

    def divergence(self) -> Tensor:
        """Return the mean over components of KL(component || prior), in nats.

        It bounds the divergence of their mixture, by convexity.
        """
        prior, total = self.posterior.prior_std, ops.zeros(())
        for gaussian in self.gaussians.values():
            mean, std = self._parameters(gaussian)
            squares = ops.square(std) + ops.square(mean - PRIOR_MEAN)
            total += ops.sum(ops.log(prior / std) + squares / (2.0 * prior**2) - 0.5)
        return total / self.members

    def _drawn(self, side: str, noise: Noise | None, member: Tensor) -> Tensor:
        mean, std = (
            ops.take(value, member, axis=0) for value in self._parameters(self.gaussians[side])
        )
        if noise is None:
            return mean
        return mean + std * noise.normal(f"{self.name}_{side}", tuple(ops.shape(mean)), "float32")

    def _parameters(self, gaussian: dict[str, Any]) -> tuple[Tensor, Tensor]:
        spread = ops.convert_to_tensor(gaussian["spread"])
        return ops.convert_to_tensor(gaussian["mean"]), ops.softplus(spread)


@dataclass(frozen=True)
class RankOnePosterior:
    """Makes the convolutions of a rank-one backbone; see ``RankOneBayesian`` for attributes."""

    components: int
    prior_std: float
    initial_std: float

    def layer(self, spec: ConvolutionSpec) -> Any:
        """Return a ``RankOneConvolution2D``; see ``Convolution``."""
        return RankOneConvolution2D(spec, self)


@register_estimator("rank1_bayesian")
@dataclass(frozen=True)
class RankOneBayesian:
    """Point kernels times a matrix of rank one, whose factors have a mixture of Gaussians.

    Dusenberry et al. 2020 (arXiv 2005.07186), section 3: ``W * r s^T`` with prior N(1, prior_std)
    on ``r`` and ``s``. Draw ``i`` has new factors from component ``i`` modulo ``components``. In
    training each example belongs to one component in turn and has factors of its own. Without draws
    the network is that of the first component's means. The divergence counts by 1 / (number of
    training images), as of ``variational``, and runs on every backend.

    Departs: means start at N(1, initial_std) (see ``batch_ensemble`` for what wider ones do);
    kernels have no weight decay. Cost: one training, ``draws`` forward passes.

    Attributes:
        components: Of the mixture, at least 1.
        draws: Forward passes, at least 2.
        prior_std: Standard deviation of the prior, above 0.
        initial_std: Standard deviation of the posterior at the start, above 0.
        weight: Factor of the divergence; below 1 tempers the posterior.
        warm_up: Share of training over which the divergence is faded in, in [0, 1].
    """

    components: int = 4
    draws: int = 8
    prior_std: float = 0.1
    initial_std: float = 0.1
    weight: float = 1.0
    warm_up: float = 0.8

    def __post_init__(self) -> None:
        positive = min(self.prior_std, self.initial_std) > 0.0 and self.weight >= 0.0
        counts = self.components >= 1 and self.draws >= 2
        if not counts or not positive or not 0.0 <= self.warm_up <= 1.0:
            raise DicecastError(
                "rank1_bayesian needs at least 1 component and 2 draws, prior_std and initial_std "
                f"above 0, a weight of at least 0 and a warm_up in [0, 1]; got {self}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train one backbone that holds all components."""
        backbone = train_backbone(
            seed,
            convolution=RankOnePosterior(self.components, self.prior_std, self.initial_std),
            objective=EvidenceLowerBound(self.weight, self.warm_up),
        )
        return BackbonePredictive([backbone], num_draws=self.draws, noisy=True)
