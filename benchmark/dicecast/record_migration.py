"""From the sidecar of an older version to that of the next, as JSON values.

Each function takes the values of one version and returns those of the next, without changing what
it was given; ``migrate`` applies as many as are needed. So a record that was written once can be
read by every later program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dicecast.version import RECORD_SCHEMA_VERSION

Values = dict[str, Any]


def migrate(values: Values) -> Values:
    """Return a sidecar's values in the current version.

    Args:
        values: Of any version from 1 on; ``schema_version`` says which.

    Raises:
        ValueError: There is no such version, or the values are not of the version they name.
    """
    version = values.get("schema_version")
    if type(version) is not int or not 1 <= version <= RECORD_SCHEMA_VERSION:
        raise ValueError(
            f"schema_version must be a whole number from 1 to {RECORD_SCHEMA_VERSION}, "
            f"and is {version!r}"
        )
    for step in MIGRATIONS[version - 1 :]:
        values = step(values)
    return values


def from_version_1(values: Values) -> Values:
    """Say what early records left out; version 2 has every key, and seals its file.

    During version 1 metrics of pixels, intervals and the choice on the quality role were added as
    keys that a record may lack.
    """
    filled = {"own_map": "", "undefined_pixels": {}} | values | {"schema_version": 2}
    scores = values.get("scores", {})
    if isinstance(scores, dict):
        filled["scores"] = {name: _score_from_version_1(info) for name, info in scores.items()}
    return filled


def _score_from_version_1(info: Any) -> Any:
    if not isinstance(info, dict):
        return info
    return {"on_quality": {}, "interval_level": None} | info


MIGRATIONS: tuple[Callable[[Values], Values], ...] = (from_version_1,)
"""The step from version 1, that from version 2, and so on; one less than there are versions."""
