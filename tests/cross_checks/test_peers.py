"""The same numbers as independent implementations, installed by the extra ``peers``.

python -m tox run -e cross-checks
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from dicecast.metrics.pixels.calibration import ece, maximum_calibration_error
from dicecast.metrics.pixels.probabilities import Probabilities, count_probabilities
from dicecast.metrics.quality import dice
from dicecast.metrics.surface import hausdorff_95, normalised_surface_dice
from dicecast.scores.aggregations import MAP_AGGREGATIONS, MapContext
from dicecast.scores.regions import MaskRegions

RNG = np.random.default_rng(0)
CASES, SIDE, CLASSES = 12, 40, 3


def blobs(seed: int) -> np.ndarray:
    """Masks of smooth structures, none of them empty."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    masks = np.zeros((CASES, SIDE, SIDE), np.uint8)
    for mask in masks:
        for index in range(1, CLASSES):
            centre, radius = rng.uniform(10, 30, 2), rng.uniform(4, 9)
            mask[np.hypot(rows - centre[0], columns - centre[1]) < radius] = index
        for index in range(1, CLASSES):
            mask[index, index] = index
    return masks


PREDICTED, TRUTH = blobs(1), blobs(2)


def one_hot(masks: np.ndarray) -> np.ndarray:
    """Return ``(cases, classes, height, width)``."""
    return np.moveaxis(np.eye(CLASSES)[masks], -1, 1)


def test_monai_has_the_same_dice_and_surface_dice_and_hausdorff_distance() -> None:
    torch, monai = pytest.importorskip("torch"), pytest.importorskip("monai.metrics")
    pair = [torch.tensor(one_hot(masks)) for masks in (PREDICTED, TRUTH)]
    theirs = monai.compute_dice(*pair, include_background=False).numpy()
    np.testing.assert_allclose(dice(PREDICTED, TRUTH, CLASSES), theirs, rtol=0, atol=1e-6)

    surface = monai.compute_surface_dice(*pair, [2.0] * (CLASSES - 1), include_background=False)
    ours = normalised_surface_dice(PREDICTED, TRUTH, CLASSES, 2.0)
    np.testing.assert_allclose(ours, surface.numpy(), rtol=0, atol=1e-6)

    distance = monai.compute_hausdorff_distance(*pair, include_background=False, percentile=95)
    # MONAI takes its percentile in float32; see the docstring of hausdorff_95.
    ours = hausdorff_95(PREDICTED, TRUTH, CLASSES)
    np.testing.assert_allclose(ours, distance.numpy(), rtol=1e-5, atol=5e-4)


@pytest.mark.parametrize(
    ("ours", "norm"), [(ece, "l1"), (maximum_calibration_error, "max")], ids=["ece", "maximum"]
)
def test_torchmetrics_has_the_same_calibration_errors(
    ours: Callable[[Probabilities], np.ndarray], norm: str
) -> None:
    torch = pytest.importorskip("torch")
    import_module("workloads.torchvision_operators").declare()
    classification = pytest.importorskip("torchmetrics.functional.classification")
    logits = RNG.normal(0, 2, (CASES, SIDE, SIDE, CLASSES))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    probabilities = probabilities.astype(np.float32)
    predicted = probabilities.argmax(axis=-1).astype(np.uint8)
    theirs = [
        classification.multiclass_calibration_error(
            torch.tensor(case.reshape(-1, CLASSES)),
            torch.tensor(truth.ravel().astype(np.int64)),
            CLASSES,
            n_bins=20,
            norm=norm,
        ).item()
        for case, truth in zip(probabilities, TRUTH, strict=True)
    ]
    found = ours(count_probabilities(probabilities, TRUTH, predicted))
    np.testing.assert_allclose(found, theirs, rtol=0, atol=1e-6)


def test_esda_has_the_same_spatial_autocorrelation() -> None:
    esda, weights = pytest.importorskip("esda"), pytest.importorskip("libpysal.weights")
    maps = RNG.random((3, 12, 10))
    neighbours = weights.lat2W(12, 10, rook=True)
    context = MapContext(MaskRegions(np.zeros(maps.shape, np.uint8)), 0.5)
    moran = [esda.Moran(one.ravel(), neighbours, "B", permutations=0).I for one in maps]
    np.testing.assert_allclose(MAP_AGGREGATIONS["morans_i"](maps, context), moran, atol=1e-12)
    # Ours is high where uncertainty is smooth, as Moran's I: one minus Geary's C.
    geary = [1 - esda.Geary(one.ravel(), neighbours, "B", permutations=0).C for one in maps]
    np.testing.assert_allclose(MAP_AGGREGATIONS["gearys_c"](maps, context), geary, atol=1e-12)


def test_aggrigator_and_scikit_image_have_the_same_aggregations(tmp_path: Path) -> None:
    pytest.importorskip("aggrigator")
    found = {}
    for side in ("our_aggregations", "peer_aggregations"):
        workload, path = import_module(f"workloads.{side}"), tmp_path / f"{side}.npz"
        workload.start()
        workload.answers(str(path))
        with np.load(path) as answers:
            found[side] = dict(answers)
    assert len(found["peer_aggregations"]) > 8
    for name, theirs in found["peer_aggregations"].items():
        ours = found["our_aggregations"][name]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6, err_msg=name)
