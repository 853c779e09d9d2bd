"""Division that says what 0 over 0 is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ratio(part: NDArray[Any], whole: NDArray[Any], empty: float) -> Floats:
    """Return ``part / whole``, and ``empty`` where the whole is 0; shapes are broadcast."""
    shape = np.broadcast_shapes(part.shape, whole.shape)
    divided: Floats = np.divide(part, whole, out=np.full(shape, empty), where=whole != 0)
    return divided
