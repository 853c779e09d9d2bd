"""Further examples of bad segmentations, which a good network makes too few of."""

from __future__ import annotations

from dataclasses import replace
from math import gcd
from typing import Any, Literal

import numpy as np
from keras import ops
from numpy.typing import NDArray
from scipy import ndimage

from dicecast.heads.contract import Examples
from dicecast.heads.patients import patient_cut
from dicecast.networks.backend import Tensor
from dicecast.networks.unet import UNet
from dicecast.training.backbone import Backbone
from dicecast.training.batches import Examples as Arrays
from dicecast.training.initial import initial_weights
from dicecast.training.objective import SegmentationLoss
from dicecast.training.schedule import Schedule
from dicecast.training.trainer import Task, train

Kind = Literal["none", "moved", "under_trained", "moved+under_trained"]

ROTATION, SCALING, SHIFT = 0.26, 0.2, 0.05
"""At most: radians, relative size, and share of the side."""

EARLY_EPOCHS = (1, 2, 4)
"""After which the under-trained network segments the examples."""


def with_worse_masks(examples: Examples, kind: Kind, seed: int) -> list[Examples]:
    """Return the examples, followed by as many copies with worse masks as ``kind`` asks for.

    A copy has the images of the examples and their patients; masks, and the quality that is
    measured anew, are its own.

    Args:
        examples: What a head is fitted on.
        kind: "moved", "under_trained", both, or "none".
        seed: Decides everything random.
    """
    kinds = kind.split("+")
    found = [examples]
    if "moved" in kinds:
        found.append(_with_masks(examples, moved(np.asarray(examples.evidence.masks), seed)))
    if "under_trained" in kinds:
        found += under_trained(examples, seed)
    return found


def moved(masks: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Return each mask turned, scaled and shifted at random about the centre of the image.

    Zenk et al. 2025 (MedIA 101:103392): up to 0.26 radians, a fifth of the size, and 10 pixels,
    here a twentieth of the side. What leaves the image is lost; what enters it is background.

    Args:
        masks: ``(cases, height, width)``.
        seed: Decides the motions.
    """
    generator = np.random.default_rng(seed)
    found = np.empty_like(masks)
    centre = (np.array(masks.shape[1:]) - 1) / 2
    for mask, result in zip(masks, found, strict=True):
        angle = generator.uniform(-ROTATION, ROTATION)
        scale = 1.0 + generator.uniform(-SCALING, SCALING)
        shift = generator.uniform(-SHIFT, SHIFT, 2) * mask.shape
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
        offset = centre - turn @ (centre + shift)
        ndimage.affine_transform(mask, turn, offset, order=0, output=result)
    return found


def under_trained(examples: Examples, seed: int) -> list[Examples]:
    """Return the examples as a small U-Net segments them early in its training.

    It learns from the reference, after the idea of QCResUNet (Qiu et al. 2023): quality levels
    from checkpoints. The map is the entropy of its softmax.
    """
    evidence, reference = examples.evidence, examples.reference
    _, height, width, channels = evidence.images.shape
    depth = next(d for d in (3, 2, 1, 0) if gcd(height, width) % 2**d == 0)
    if depth == 0:
        return []
    network = UNet(width=8, depth=depth)

    def build() -> Any:
        return network.build((height, width, channels), evidence.num_classes)

    held = patient_cut([str(group) for group in reference.table["group"]], 0.1, seed)
    whole = build()
    trained = train(
        Task(whole, SegmentationLoss(), _same_for_all),
        initial_weights(build, seed),
        (
            Arrays(reference.images[~held], reference.masks[~held]),
            Arrays(reference.images[held], reference.masks[held]),
        ),
        Schedule(EARLY_EPOCHS[-1], patience=0, final_rate=1.0, snapshots=EARLY_EPOCHS),
        seed,
    )
    return [_segmented(examples, Backbone(whole, w, [], "")) for w in trained.snapshots]


def _same_for_all(outputs: dict[str, Tensor], targets: Tensor) -> Tensor:
    """Score no epoch above another: the snapshots are what is wanted."""
    return ops.zeros(ops.shape(targets)[:1])


def _segmented(examples: Examples, backbone: Backbone) -> Examples:
    masks, maps = [], []
    for _, outputs in backbone.predict(examples.evidence.images):
        logits = outputs["logits"].astype(np.float64)
        exponential = np.exp(logits - logits.max(axis=-1, keepdims=True))
        probability = exponential / exponential.sum(axis=-1, keepdims=True)
        logs = np.log(np.maximum(probability, 1e-10))
        masks.append(logits.argmax(axis=-1).astype(np.uint8))
        maps.append(-(probability * logs).sum(axis=-1) / np.log(logits.shape[-1]))
    worse = _with_masks(examples, np.concatenate(masks))
    uncertainty = np.concatenate(maps).astype(np.float32)
    return replace(worse, evidence=replace(worse.evidence, uncertainty=uncertainty))


def _with_masks(examples: Examples, masks: NDArray[np.uint8]) -> Examples:
    evidence = replace(examples.evidence, masks=masks)
    quality = examples.target(masks, np.asarray(examples.truth), evidence.num_classes)
    return replace(examples, evidence=evidence, quality=quality, folds=())
