"""The truth of a training batch, for layers that learn from it; never there in prediction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dicecast.networks.backend import Tensor

_active: list[Tensor | None] = [None]


@contextmanager
def truth_in_network(targets: Tensor | None) -> Iterator[None]:
    """Show the targets of a training batch to the layers called inside."""
    _active.append(targets)
    try:
        yield
    finally:
        _active.pop()


def active_truth() -> Tensor | None:
    """Return the targets of the batch that is trained on, such as ``(batch, height, width)``.

    None while predicting, also of validation cases: a layer then does without, as a posterior that
    is replaced by its prior.
    """
    return _active[-1]
