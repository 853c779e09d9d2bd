"""Print, as constraints, the installed versions of everything that dicecast[dev] needs.

.tox/newest/bin/python tests/supply_chain/pins.py > constraints.txt
"""

from __future__ import annotations

from importlib.metadata import distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "dicecast[dev]"
HEAD = """\
# The versions that CI installs: python -m pip install --constraint constraints.txt -e .[dev]
# They serve Python 3.11 to 3.13. Made anew from an environment of newest versions that passes the
# tests: python -m tox run -e newest, then .tox/newest/bin/python tests/supply_chain/pins.py
"""


def needed(root: str) -> dict[str, str]:
    """Return the version of each package that ``root`` needs here, itself left out, by name."""
    open_ends, seen = [Requirement(root)], set[tuple[str, str]]()
    versions: dict[str, str] = {}
    while open_ends:
        requirement = open_ends.pop()
        for extra in {"", *requirement.extras}:
            place = canonicalize_name(requirement.name), extra
            if place in seen:
                continue
            seen.add(place)
            found = distribution(requirement.name)
            versions[place[0]] = found.version
            for text in found.requires or []:
                further = Requirement(text)
                if further.marker is None or further.marker.evaluate({"extra": extra}):
                    open_ends.append(further)
    del versions[canonicalize_name(Requirement(root).name)]
    return versions


if __name__ == "__main__":
    print(HEAD, end="")
    for name, version in sorted(needed(ROOT).items()):
        print(f"{name}=={version}")
