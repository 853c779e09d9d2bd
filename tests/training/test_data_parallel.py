from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dicecast.errors import DicecastError
from dicecast.networks import backend

PROGRAM = """
import numpy as np, sys
from dicecast.networks.unet import UNet
from dicecast.training.backbone import _dice_score
from dicecast.training.batches import Examples
from dicecast.training.initial import initial_weights
from dicecast.training.objective import SegmentationLoss
from dicecast.training.schedule import Schedule
from dicecast.training.trainer import Task, train
import jax
assert jax.device_count() == 2 and "tensorflow" not in sys.modules
build = lambda: UNet(width=4, depth=1).build((16, 16, 3), 2)
images = np.random.default_rng(0).integers(0, 255, (8, 16, 16, 3)).astype(np.uint8)
data = Examples(images, (images[..., 0] > 128).astype(np.uint8))
for parallel in (False, True):
    task = Task(build(), SegmentationLoss(), _dice_score, data_parallel=parallel)
    log = train(task, initial_weights(build, 0), (data, data), Schedule(3, 4), 0).log
    print([entry.loss for entry in log])
"""


def test_two_devices_train_as_one_does() -> None:
    package = str(Path(backend.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ
        | {
            "KERAS_BACKEND": "jax",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
            "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")]),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    alone, together = (np.array(eval(line)) for line in done.stdout.splitlines()[-2:])
    np.testing.assert_allclose(together, alone, rtol=1e-4)


def test_tensorflow_names_the_backend_that_can() -> None:
    with pytest.raises(DicecastError, match="KERAS_BACKEND=jax"):
        backend.spread_over_devices(np.zeros((3, 5)), axis=1)
