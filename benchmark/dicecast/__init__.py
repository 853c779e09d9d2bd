"""Dicecast forecasts the Dice score of a segmentation that nobody has checked.

A benchmark of uncertainty estimators, quality scores and quality heads for medical image
segmentation. Importing this package does not import TensorFlow.
"""

from dicecast.errors import DicecastError
from dicecast.plugins import (
    register_backbone,
    register_dataset,
    register_estimator,
    register_head,
)
from dicecast.version import PROTOCOL_VERSION, __version__

__all__ = [
    "PROTOCOL_VERSION",
    "DicecastError",
    "__version__",
    "register_backbone",
    "register_dataset",
    "register_estimator",
    "register_head",
]
