"""The objective of networks whose weights have a posterior."""

from __future__ import annotations

from dataclasses import dataclass

from keras import ops

from dicecast.networks.backend import Tensor
from dicecast.training.objective import SegmentationLoss, State, Step


@dataclass(frozen=True)
class EvidenceLowerBound:
    """The negative evidence lower bound of an image, divided by its pixels.

    An image's log-likelihood is a sum over pixels and its share of the divergence is 1 / (number of
    training images); the segmentation loss is a mean over pixels, so both are divided by them. The
    layers give the divergence, in nats, through ``add_loss``.

    Attributes:
        weight: Factor of the divergence; 1 is the bound itself.
        warm_up: Share of training over which the factor rises from 0.
    """

    weight: float
    warm_up: float

    def initial_state(self) -> dict[str, float]:
        """Log the divergence for each training image."""
        return {"divergence": 0.0}

    def __call__(
        self, outputs: dict[str, Tensor], targets: Tensor, step: Step, state: State
    ) -> tuple[Tensor, State]:
        """Return the loss; see ``Objective``."""
        pixels = targets.shape[1] * targets.shape[2]
        divergence = step.regularisation / (step.examples * pixels)
        factor = self.weight * ops.minimum(step.progress / max(self.warm_up, 1e-6), 1.0)
        plain = step._replace(regularisation=factor * divergence)
        loss, _ = SegmentationLoss()(outputs, targets, plain, {})
        return loss, {"divergence": divergence}
