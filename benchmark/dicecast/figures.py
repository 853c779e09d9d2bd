"""Figures that a person looks at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

COLUMNS = 5


@dataclass(frozen=True)
class CasePicture:
    """One case as an estimator sees it.

    Attributes:
        title: Above everything.
        image: ``(height, width, channels)``, uint8.
        truth: ``(height, width)``, class indices.
        mask: The predicted mask, likewise.
        maps: Uncertainty maps by name, each ``(height, width)``, high where unsure.
        facts: Lines such as ``true Dice 0.91``, beside the image.
    """

    title: str
    image: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    maps: dict[str, NDArray[np.float32]]
    facts: list[str]


def draw_case(picture: CasePicture, path: Path) -> None:
    """Write a PNG: image, truth, mask and all maps on one shared colour scale.

    The scale is shared so that maps can be compared; its maximum is the largest value of any map.
    """
    panels = 4 + len(picture.maps)
    rows = -(-panels // COLUMNS)
    figure = Figure(figsize=(2.6 * COLUMNS + 0.8, 2.75 * rows + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    # A dollar sign in the name of a file is no formula.
    figure.suptitle(picture.title, parse_math=False)
    axes = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    for axis in axes:
        axis.set_axis_off()
    gray = picture.image.shape[-1] == 1
    shown = picture.image[..., 0] if gray else picture.image
    axes[0].imshow(shown, cmap="gray" if gray else None)
    axes[0].set_title("image")
    last_class = max(int(picture.truth.max()), int(picture.mask.max()), 1)
    for axis, name, mask in ((axes[1], "truth", picture.truth), (axes[2], "mask", picture.mask)):
        axis.imshow(mask, cmap="gray", vmin=0, vmax=last_class, interpolation="nearest")
        axis.set_title(name)
    axes[3].imshow(shown, cmap="gray" if gray else None)
    axes[3].contour(picture.truth > 0, [0.5], colors=["#00c853"], linewidths=1.5)
    axes[3].contour(picture.mask > 0, [0.5], colors=["#ff1744"], linewidths=1.5, linestyles="--")
    axes[3].set_title("truth (green), mask (red)")
    scale = mpl.colors.Normalize(0.0, max(float(m.max()) for m in picture.maps.values()) or 1.0)
    for axis, (name, values) in zip(axes[4:], picture.maps.items(), strict=False):
        axis.imshow(values, cmap="magma", norm=scale, interpolation="nearest")
        axis.set_title(name.replace("_", " "))
    figure.colorbar(mpl.cm.ScalarMappable(scale, "magma"), ax=axes, shrink=0.6, label="uncertainty")
    figure.supxlabel("     ".join(picture.facts), fontsize=10, parse_math=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100, metadata={"Software": None})
