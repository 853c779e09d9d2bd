"""Look up every pinned version among known vulnerabilities, with pip-audit.

    python -m tox run -e audit

Exit status 1 where one is known. Where the advisory service cannot be reached, or knows none of the
packages (a mirror in its place), this says so and exits with 0: nothing was found out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PINS = Path(__file__).parents[2] / "constraints.txt"


def look_up(pins: Path) -> tuple[list[dict[str, Any]], str]:
    """Return what pip-audit says of each package, and its messages; nothing where it failed."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(pins), "--no-deps"]
        command += ["--disable-pip", "--format", "json", "--output", str(answer)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = json.loads(answer.read_text())["dependencies"] if answer.exists() else []
    return found, done.stderr.strip()


def verdict(packages: list[dict[str, Any]], messages: str) -> tuple[str, int]:
    """Return what to say, and the exit status."""
    known = [package for package in packages if "skip_reason" not in package]
    if not known:
        reason = packages[0]["skip_reason"] if packages else messages.splitlines()[-1:]
        return f"Skipped: the advisory service could not be asked ({reason}).", 0
    lines = [f"{len(known)} of {len(packages)} packages looked up."]
    lines += [f"Not looked up: {p['name']}: {p['skip_reason']}" for p in packages if p not in known]
    vulnerable = [
        f"{package['name']} {package['version']}: {flaw['id']}, mended in "
        f"{', '.join(flaw['fix_versions']) or 'no version'}"
        for package in known
        for flaw in package["vulns"]
    ]
    return "\n".join([*lines, *(vulnerable or ["No known vulnerability."])]), int(bool(vulnerable))


def main() -> int:
    """Ask, print, and return the exit status."""
    said, status = verdict(*look_up(PINS))
    print(said)
    return status


if __name__ == "__main__":
    sys.exit(main())
