"""Results in a folder, in a file, or at a revision of a git repository."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from dicecast.errors import DicecastError, shown

_REGULAR = ("100644", "100755")


@contextmanager
def opened(source: str) -> Iterator[Path]:
    """Give the path of a folder or file; one of a revision is there for as long as it is needed.

    Args:
        source: A path, or ``REVISION:PATH`` with a path from the root of the repository of this
            folder, such as ``origin/main:results``.

    Raises:
        DicecastError: There is no such path or revision, or git is missing.
    """
    path = Path(source)
    if path.exists():
        yield path
        return
    revision, colon, inside = source.partition(":")
    if not colon:
        raise DicecastError(
            f"There is no {shown(source)}. Name a folder of results, a leaderboard.csv, or "
            "REVISION:PATH, such as origin/main:results."
        )
    with tempfile.TemporaryDirectory(prefix="dicecast-") as folder:
        # Its last part too: a record is checked to be in the folder of its suite.
        place = Path(folder) / (PurePosixPath(inside).name or "results")
        _check_out(revision, f"{revision}:{inside.rstrip('/')}", place)
        yield place


def _check_out(revision: str, name: str, place: Path) -> None:
    """Write a file or folder of a revision; links and modules of a repository are left out."""
    if revision.startswith("-") or not revision:
        raise DicecastError(f"A revision must be one such as origin/main; got '{revision}'.")
    _git(f"There is no revision '{revision}'", "rev-parse", "--verify", f"{revision}^{{commit}}")
    absent = f"There is no {name.partition(':')[2]} at the revision '{revision}'"
    if _git(absent, "cat-file", "-t", name).strip() == b"blob":
        place.write_bytes(_git(absent, "cat-file", "blob", name))
        return
    for line in _git(absent, "ls-tree", "-r", "-z", name).split(b"\0"):
        if line:
            facts, _, path = line.decode(errors="replace").partition("\t")
            mode, _, digest = facts.split(" ")
            if mode in _REGULAR:
                _write(place, path, _git(absent, "cat-file", "blob", digest))


def _write(place: Path, path: str, content: bytes) -> None:
    if ".." in PurePosixPath(path).parts or path.startswith("/"):
        raise DicecastError(f"A path in a repository must stay in it; got {shown(path)}.")
    (place / path).parent.mkdir(parents=True, exist_ok=True)
    (place / path).write_bytes(content)


def _git(fault: str, *arguments: str) -> bytes:
    try:
        return subprocess.run(["git", *arguments], check=True, capture_output=True).stdout
    except FileNotFoundError as error:
        raise DicecastError(
            "Reading a revision needs git, which is not installed. Install it, or name a folder."
        ) from error
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.decode(errors="replace").split())
        raise DicecastError(
            f"{fault}: {shown(said)}. Fetch it, for instance by 'git fetch origin main', or name "
            "another one."
        ) from error
