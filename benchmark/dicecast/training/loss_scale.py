"""Loss scaling: small gradients that float16 would lose are trained on all the same."""

from __future__ import annotations

from typing import NamedTuple

from keras import ops

from dicecast.networks.backend import Tensor

INITIAL, STEPS_TO_DOUBLE = 2.0**15, 2000


class LossScale(NamedTuple):
    """The factor of the loss, and for how many steps its gradients have been finite.

    Micikevicius et al. 2018 (arXiv 1710.03740), section 3.2: a step whose gradient overflows is
    left out and halves the factor; after 2,000 steps without, it doubles.
    """

    factor: Tensor
    finite_steps: Tensor

    @classmethod
    def start(cls, needed: bool) -> LossScale:
        """Return the factor of the first step; 1 where gradients do not vanish."""
        return cls(ops.convert_to_tensor(INITIAL if needed else 1.0, "float32"), ops.zeros(()))

    def after(self, finite: Tensor) -> LossScale:
        """Return the scale of the next step, given whether this one's gradient was finite."""
        steps = ops.where(finite, self.finite_steps + 1.0, 0.0)
        doubled = steps >= STEPS_TO_DOUBLE
        factor = ops.where(finite, ops.where(doubled, 2.0, 1.0), 0.5) * self.factor
        return LossScale(ops.maximum(factor, 1.0), ops.where(doubled, 0.0, steps))
