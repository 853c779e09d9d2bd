"""The last check of a cut: nothing that is tested on is fitted on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dicecast.data.cases import Cases, SegmentationData
from dicecast.data.problems import raise_problems

_SAME: dict[str, Callable[[Cases], Sequence[str]]] = {
    "name": lambda cases: cases.stems,
    "patient": lambda cases: cases.groups,
    "pixels": lambda cases: cases.fingerprints,
}
"""What no case of a test set may share with one of another role."""


def check_test_apart(data: SegmentationData) -> None:
    """Check that no test set shares a case, a patient or an image with what is fitted on.

    Whoever made the dataset: its roles are compared as they are, images by the SHA-256 of their
    pixels.

    Raises:
        DatasetError: Some do; the text names the first of them.
    """
    shared: dict[tuple[str, str], str] = {}
    for what, values in _SAME.items():
        fitted = {
            value: f"{stem} ({role})"
            for role, cases in data.roles()
            if not role.startswith("test/")
            for stem, value in zip(cases.stems, values(cases), strict=True)
        }
        for domain, cases in data.test.items():
            for stem, value in zip(cases.stems, values(cases), strict=True):
                if value in fitted:
                    shared.setdefault((domain, stem), f"{fitted[value]}, the same {what}")
    raise_problems(
        [f"{stem} (test/{domain}) and {other}" for (domain, stem), other in shared.items()],
        f"Dataset '{data.name}': no case, patient or image of a test set may be in another role, "
        "or what is tested was fitted on; pairs that are:",
        "Give both cases one group, so that they are in one role, or leave one of them out.",
    )
