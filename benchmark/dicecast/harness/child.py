"""Calls a function in a process of its own, with limits, and survives whatever becomes of it."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from dicecast.errors import DicecastError, shown

SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_END = 5.0
LAST_BYTES, LAST_LINES, LAST_CHARACTERS = 4096, 3, 400
"""How much is kept of what a process prints, and how much of that a message repeats."""


@dataclass(frozen=True)
class Limits:
    """What a process may take.

    Attributes:
        seconds: Wall-clock time, start included; 0 for no limit.
        memory_mb: Resident memory in MiB; 0 for no limit. Looked at ten times a second.

    Raises:
        DicecastError: One is below 0, or this system does not say how much memory a process has.
    """

    seconds: float = 0.0
    memory_mb: int = 0

    def __post_init__(self) -> None:
        if not self.seconds >= 0.0 or self.memory_mb < 0:
            raise DicecastError(f"Limits must be above 0, or 0 for none; got {self}.")
        if self.memory_mb and not _memory_file(os.getpid()).is_file():
            raise DicecastError(
                "A limit of memory needs /proc, which Linux has. Leave --memory-limit out here."
            )


class StoppedError(Exception):
    """The process came to no result; the text says why, and what it printed last."""


def call_in_child(function: Callable[..., Any], arguments: tuple[Any, ...], limits: Limits) -> Any:
    """Return what ``function`` returns, as JSON carries it.

    It and all processes that it starts end with this call. What it prints is held back.

    Args:
        function: Of a module, so that another process finds it.
        arguments: What pickle carries.
        limits: What it may take.

    Raises:
        DicecastError: The function raised one.
        StoppedError: It raised anything else, was stopped at a limit, or its process died.
    """
    context = multiprocessing.get_context("spawn")
    answers, answer = context.Pipe(duplex=False)
    printed, output = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(function, arguments, answer, output))
    process.start()
    answer.close()
    output.close()
    last = _LastBytes(printed)
    try:
        found, reason = _awaited(process, answers, limits)
    finally:
        _end(process)
        last.join()
    if found is None:
        raise StoppedError(reason + last.text())
    if "error" in found:
        raise DicecastError(found["error"])
    return found["result"]


def _child(
    function: Callable[..., Any], arguments: tuple[Any, ...], answer: Connection, output: Connection
) -> None:
    os.setsid()
    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    output.close()
    try:
        found = {"result": function(*arguments)}
    except DicecastError as error:
        found = {"error": str(error)}
    answer.send_bytes(json.dumps(found).encode())


def _awaited(
    process: BaseProcess, answers: Connection, limits: Limits
) -> tuple[dict[str, Any] | None, str]:
    """Return the answer, or None and why there is none."""
    started = time.monotonic()
    while not answers.poll(SECONDS_BETWEEN_LOOKS):
        if limits.seconds and time.monotonic() - started > limits.seconds:
            return None, f"stopped at its time limit of {limits.seconds:g} s"
        memory = _memory_mb(process.pid)
        if memory > limits.memory_mb > 0:
            return None, f"stopped with {memory} MB of memory; its limit is {limits.memory_mb} MB"
    try:
        found: dict[str, Any] = json.loads(answers.recv_bytes())
    except EOFError:
        process.join(SECONDS_TO_END)
        return None, _how_it_ended(process.exitcode)
    process.join(SECONDS_TO_END)
    return found, ""


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"its process was ended by the signal {signal.Signals(-code).name}"
    return f"its process ended with exit status {code}, before there was a result"


def _end(process: BaseProcess) -> None:
    """End the process, and what it may have started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.kill()
    process.join()


def _memory_file(pid: int) -> Path:
    return Path(f"/proc/{pid}/statm")


def _memory_mb(pid: int | None) -> int:
    try:
        pages = int(_memory_file(pid or 0).read_text().split()[1])
    except (OSError, IndexError):  # It has just ended.
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


class _LastBytes(threading.Thread):
    """Reads all that a process prints, and keeps the end of it."""

    def __init__(self, printed: Connection) -> None:
        super().__init__(daemon=True)
        self._printed, self._kept = printed, b""
        self.start()

    def run(self) -> None:
        """Read until no process has the other end any more."""
        while part := os.read(self._printed.fileno(), 2**16):
            self._kept = (self._kept + part)[-LAST_BYTES:]

    def text(self) -> str:
        """Return the last lines as the end of a message, or nothing where there are none."""
        lines = self._kept.decode(errors="replace").split("\n")
        last = " | ".join([line.strip() for line in lines if line.strip()][-LAST_LINES:])
        return f"; printed last: {shown(last[-LAST_CHARACTERS:])}" if last else ""
