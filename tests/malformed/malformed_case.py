"""One malformed input: the files and the command that it is made of, and what became of it.

The command runs in a process that is forked from one that has imported everything, so that a case
takes milliseconds, has limits of time and memory of its own, and leaves nothing behind.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import resource
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

SECONDS = 30
MEMORY_MB = 768
"""What a case may take beside the imported program; an image may have 80 million pixels."""

# The process that others are forked from knows no other path.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
)
_ROOT = Path(__file__).parents[2]
_BOX = re.compile(r"[─│╭╮╰╯\s]+")


@dataclass(frozen=True)
class Case:
    """A malformed input.

    Attributes:
        family: What kind of input it is.
        title: What is wrong with it.
        build: Writes its files into a folder, and returns the arguments of the command.
        says: What the message must hold: the name of the file, the key or the value.
    """

    family: str
    title: str
    build: Callable[[Path], Sequence[str]]
    says: str


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        status: The exit status, None where the command was stopped for its time.
        out: What was printed.
        message: What was printed as an error, paths relative to the folder of the case.
        changes: The files that were made, changed or removed.
        memory_mb: The most memory, beside what the imported program had.
        seconds: Wall time.
    """

    status: int | None
    out: str
    message: str
    changes: tuple[str, ...]
    memory_mb: float
    seconds: float


def outcome_of(case: Case, folder: Path) -> Outcome:
    """Build a case in ``folder``, run its command there and return what became of it."""
    work = folder / "work"
    work.mkdir(parents=True)
    arguments = list(case.build(work))
    before, started = _tree(folder), time.perf_counter()
    status, memory, out, message = _in_a_child(work, arguments)
    seconds = time.perf_counter() - started
    after = _tree(folder)
    changes = sorted({*before.items()} ^ {*after.items()})
    return Outcome(
        status,
        out,
        _relative(message, work),
        tuple(dict.fromkeys(name for name, _ in changes)),
        memory,
        seconds,
    )


def _in_a_child(work: Path, arguments: list[str]) -> tuple[int | None, float, str, str]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["malformed_imports"])
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(str(work), arguments, theirs))
    child.start()
    theirs.close()
    try:
        if not ours.poll(SECONDS + 60 * (not _started)):
            return None, 0.0, "", "stopped: it took too long"
        _started.append(True)
        found: tuple[int | None, float, str, str] = ours.recv()
    except EOFError:
        return None, 0.0, "", f"the process ended with {child.exitcode}"
    finally:
        child.kill()
        child.join()
    return found


_started: list[bool] = []
"""Not empty once the first child has waited for the imports."""


def _run(work: str, arguments: list[str], answer: Connection) -> None:
    """Run the command in this process, and send what came of it."""
    os.chdir(work)
    os.environ["COLUMNS"] = "4000"
    memory = _memory_mb("VmSize")
    limit = int((memory + MEMORY_MB) * 2**20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resident = _memory_mb("VmRSS")
    texts = [open(os.dup(_unnamed()), "w+", encoding="utf-8") for _ in range(2)]  # noqa: PTH123, SIM115
    for number, text in enumerate(texts, start=1):
        os.dup2(text.fileno(), number)
    sys.stdout, sys.stderr = texts
    sys.argv = ["dicecast", *arguments]
    status = _status()
    for text in texts:
        text.flush()
        text.seek(0)
    out, message = (text.read() for text in texts)
    answer.send((status, max(0.0, _memory_mb("VmHWM") - resident), out, message))


def _status() -> int:
    from dicecast.cli.main import main  # noqa: PLC0415  imported already in the process it is from

    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:  # noqa: BLE001  a traceback is what a case must not end in
        traceback.print_exc()
        return 1
    return 0


def _unnamed() -> int:
    return os.memfd_create("output")


def _memory_mb(name: str) -> float:
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def _tree(folder: Path) -> dict[str, Any]:
    """Return what tells every file below a folder from another one; no file is opened."""
    found: dict[str, Any] = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in [*folders, *names]:
            path = Path(place, name)
            known = path.lstat()
            size = 0 if path.is_dir() else (known.st_size, known.st_mtime_ns, known.st_ino)
            found[str(path.relative_to(folder))] = (known.st_mode, size)
    return found


def _relative(message: str, work: Path) -> str:
    text = message.replace(f"{work}/", "").replace(str(work), ".").replace(f"{_ROOT}/", "").strip()
    return _BOX.sub(" ", text).strip() if "─" in text else text
