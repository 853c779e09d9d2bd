"""Images that both sides see: bright blobs on a noisy ground, and their masks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Images(NamedTuple):
    """``images`` ``(n, height, width, 3)`` and ``masks`` ``(n, height, width)``, both uint8."""

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]


def blobs(count: int, seed: int, height: int = 64, width: int = 64) -> Images:
    """Return ellipses of random place, size and contrast; the same for the same arguments."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / np.array([height, width])[:, None, None]
    centre = random.uniform(0.3, 0.7, (count, 2, 1, 1))
    radius = random.uniform(0.1, 0.3, (count, 2, 1, 1))
    distance = ((rows - centre[:, 0]) / radius[:, 0]) ** 2
    distance += ((columns - centre[:, 1]) / radius[:, 1]) ** 2
    masks = (distance < 1).astype(np.uint8)
    contrast = random.uniform(10, 60, (count, 1, 1, 1))
    noise = random.normal(0, 25, (count, height, width, 3))
    images = np.clip(100 + contrast * masks[..., None] + noise, 0, 255).astype(np.uint8)
    return Images(images, masks)
