"""Lets torchvision be imported beside a PyTorch for the CPU alone.

The torchvision of the Python package index is built for CUDA: beside a CPU build of PyTorch its
operators do not load, and then it refuses to be imported, for want of two names that it describes.
torch-uncertainty imports it, but nothing here calls it.
"""

from __future__ import annotations

import torch

_DECLARED = torch.library.Library("torchvision", "FRAGMENT")


def declare() -> None:
    """Declare the operators that torchvision describes, where PyTorch has no CUDA."""
    if torch.version.cuda is None and not hasattr(torch.ops.torchvision, "nms"):
        for name in ("nms", "qnms"):
            _DECLARED.define(f"{name}(Tensor dets, Tensor scores, float threshold) -> Tensor")
