"""DropConnect: single weights are dropped."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from dicecast import DicecastError, register_estimator
from dicecast.data.cases import FittingData
from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.networks.backend import Tensor
from dicecast.networks.contract import ConvolutionSpec
from dicecast.networks.convolutions import DrawnConvolution2D
from dicecast.networks.noise import active_noise, kept_chance
from dicecast.training.backbone import TrainBackbone


class DropConnectConvolution2D(DrawnConvolution2D):
    """A convolution that drops weights of its kernel while noise is active."""

    def __init__(self, spec: ConvolutionSpec, rate: float) -> None:
        super().__init__(spec)
        self.rate = rate

    def call(self, inputs: Tensor) -> Tensor:
        """Convolve with what is left of the kernel, or with all of it without noise."""
        kernel: Any = ops.convert_to_tensor(self.kernel)
        noise = active_noise()
        if noise is not None and self.rate > 0.0:
            mask = noise.kept(self.name, (1, *kernel.shape), self.rate, kernel.dtype)[0]
            kernel = kernel * mask / kept_chance(self.rate)
        return self.biased(self.convolved(inputs, kernel), ops.zeros((1,), "int32"))


@dataclass(frozen=True)
class DropConnectConvolution:
    """Makes convolutions that drop weights at a rate."""

    rate: float

    def layer(self, spec: ConvolutionSpec) -> Any:
        """Return a ``DropConnectConvolution2D``; see ``Convolution``."""
        return DropConnectConvolution2D(spec, self.rate)


@register_estimator("drop_connect")
@dataclass(frozen=True)
class DropConnect:
    """Every weight of a convolution is dropped by chance, in training and in each draw.

    Wan et al. 2013 (ICML, eq. 3-4); as a sampler Mobiny et al. 2021 (arXiv 1906.04569). Kept
    weights are divided by ``1 - rate``, so the network without draws has the mean kernel; biases
    are kept. Departs: one mask a training step, not one an example; draws in place of Wan's
    Gaussian approximation. Cost: one training, ``draws`` forward passes.

    Attributes:
        rate: Share of weights dropped, in (0, 1).
        draws: Forward passes, at least 2.
    """

    rate: float = 0.05
    draws: int = 20

    def __post_init__(self) -> None:
        if not 0.0 < self.rate < 1.0 or self.draws < 2:
            raise DicecastError(
                "drop_connect needs a rate in (0, 1) and at least 2 draws; "
                f"got rate = {self.rate}, draws = {self.draws}."
            )

    def fit(self, data: FittingData, train_backbone: TrainBackbone, seed: int) -> Predictive:
        """Train one backbone whose convolutions drop weights."""
        backbone = train_backbone(seed, convolution=DropConnectConvolution(self.rate))
        return BackbonePredictive([backbone], num_draws=self.draws, noisy=True)
