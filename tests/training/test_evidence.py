from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from dicecast.networks.noise import Noise
from dicecast.training.evidence import EvidenceLowerBound
from dicecast.training.objective import SegmentationLoss, Step


@pytest.mark.parametrize("weight", [0.0, 1.0, 0.25])
@pytest.mark.parametrize(
    ("progress", "warm_up", "share"),
    [(0.0, 0.5, 0.0), (0.25, 0.5, 0.5), (0.5, 0.5, 1.0), (0.9, 0.5, 1.0), (0.5, 0.0, 1.0)],
)
def test_the_divergence_counts_by_images_and_pixels_and_is_faded_in(
    weight: float, progress: float, warm_up: float, share: float
) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 6, 5, 2)).astype(np.float32)
    targets = rng.integers(0, 2, (2, 6, 5)).astype(np.int32)
    noise = Noise(np.int32(0), np.int32(0), shared=False)
    step = Step(ops.convert_to_tensor(progress), 40, ops.convert_to_tensor(900.0), noise)
    bound = EvidenceLowerBound(weight, warm_up)
    loss, state = bound({"logits": logits}, targets, step, {})
    plain = step._replace(regularisation=ops.zeros(()))
    segmentation, _ = SegmentationLoss()({"logits": logits}, targets, plain, {})
    per_pixel = 900.0 / (40 * 6 * 5)
    expected = float(segmentation) + weight * share * per_pixel
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(state["divergence"]) == pytest.approx(per_pixel, rel=1e-5)
    assert bound.initial_state().keys() == state.keys()
