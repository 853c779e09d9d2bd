"""What estimators are tried on: a small dataset, a trainer of a small network, and a sampler."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dicecast.data.cases import SegmentationData
from dicecast.estimation.sampling import Sampler
from dicecast.networks.unet import UNet
from dicecast.plugins import datasets
from dicecast.store import Store
from dicecast.training.backbone import BackboneTrainer
from dicecast.training.schedule import Schedule

BATCH = 8
"""Cases a batch: all predictions but those of the check of batch sizes are made in such."""

SIZE = (32, 32)
CASES = {"train": 96, "validation": 16, "quality": 16, "test": 48, "raters": 1}


@dataclass(frozen=True)
class Ground:
    """What estimators are tried on; shared by many, so that equal networks are trained once.

    Attributes:
        data: A dataset; of its first test set the number of cases is at least ``BATCH``.
        trainer: Trains on it.
        sampler: Predicts in batches of ``BATCH``.
    """

    data: SegmentationData
    trainer: BackboneTrainer
    sampler: Sampler

    @classmethod
    def of(cls, data: SegmentationData, trainer: BackboneTrainer) -> Ground:
        """Return the ground of a dataset and a trainer on its training role."""
        return cls(data, trainer, Sampler(data.num_classes, batch_size=BATCH))

    @classmethod
    def embedded(cls, folder: Path) -> Ground:
        """Return made-up lesions of 32x32 pixels and a U-Net that learns them in a second.

        Args:
            folder: Where trained weights are kept.
        """
        made = datasets.create("lesions", {"shifts": [], **CASES})
        data = made.load(None, SIZE)
        schedule = Schedule(epochs=40, batch_size=BATCH, learning_rate=0.01, patience=0)
        architecture = UNet(width=4, depth=2)
        trainer = BackboneTrainer(data.for_fitting(), architecture, schedule, Store(folder))
        return cls.of(data, trainer)
