from __future__ import annotations

import numpy as np
import pytest

from dicecast.data.cases import SegmentationData


@pytest.fixture(scope="session")
def images(disc_data: SegmentationData) -> np.ndarray:
    """Test images, ``(9, 16, 16, 3)``, uint8."""
    return disc_data.test["in_distribution"].images
