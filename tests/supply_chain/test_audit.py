"""What an audit concludes, and that the pins are those of what is needed."""

from __future__ import annotations

import re
from configparser import ConfigParser
from typing import Any

import pytest
from audit import PINS, verdict
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SOUND = {"name": "sound", "version": "1", "vulns": []}
UNKNOWN = {"name": "unknown", "skip_reason": "not on the index"}
FLAWED = {"name": "flawed", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}


@pytest.mark.parametrize(
    ("packages", "status", "said"),
    [
        ([SOUND], 0, "No known vulnerability"),
        ([SOUND, UNKNOWN], 0, "Not looked up: unknown: not on the index"),
        ([SOUND, FLAWED], 1, "flawed 2: CVE-1, mended in 3"),
        ([UNKNOWN], 0, "Skipped"),
        ([], 0, "Skipped: the advisory service could not be asked (['no route'])"),
    ],
    ids=["sound", "some unknown", "flawed", "none known", "no answer"],
)
def test_what_was_not_looked_up_is_never_called_sound(
    packages: list[dict[str, Any]], status: int, said: str
) -> None:
    text, found = verdict(packages, "connecting\nno route")
    assert found == status
    assert said in text
    assert ("No known" in text) == (packages[:1] == [SOUND] and status == 0)


def test_each_direct_requirement_is_pinned_to_one_version_within_its_bounds() -> None:
    lines = [line for line in PINS.read_text().splitlines() if not line.startswith("#")]
    pins = dict(line.split("==") for line in lines)
    assert len(pins) == len(lines)
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in pins)
    settings = ConfigParser()
    settings.read(PINS.parent / "setup.cfg")
    needed = settings["options"]["install_requires"] + settings["options.extras_require"]["dev"]
    for line in filter(None, needed.splitlines()):
        requirement = Requirement(line)
        version = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement
