"""Samples that every file here reads: scores and qualities, with and without ties."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(params=["distinct", "tied"])
def sample(request):
    """A score that follows the quality loosely: ``(score, quality)``, 60 cases."""
    generator = np.random.default_rng(7)
    quality = generator.beta(4.0, 2.0, size=60)
    score = quality + generator.normal(scale=0.2, size=60)
    if request.param == "tied":
        return np.round(score, 1), np.round(quality, 1)
    return score, quality
