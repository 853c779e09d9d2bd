"""Two programs take turns at the same work, each in a process of its own.

TensorFlow and PyTorch in one process fight over OpenMP's threads, so each side has a long-lived
child process; while one works, the other waits for its next request.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "benchmark"
PEER_PYTHON = "DICECAST_PEER_PYTHON"
THREADS = 2
COUNT_OF_THREADS = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    ),
    str(THREADS),
)


class MissingError(Exception):
    """A side lacks a package that it needs."""


class Side:
    """A child process that runs functions of the modules beside this file.

    Args:
        python: Its interpreter; by default the one that runs this.
        environment: Variables it gets beside ours; by default the number of threads.
    """

    def __init__(
        self, python: str = sys.executable, environment: Mapping[str, str] = COUNT_OF_THREADS
    ) -> None:
        paths = [str(HERE), str(SOURCE), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [python, str(HERE / "child.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                **environment,
            },
        )

    def call(self, function: str, **arguments: Any) -> Any:
        """Run ``module:function`` there and return its result.

        Raises:
            MissingError: A module it imports is not installed.
            RuntimeError: It raised anything else, or its process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(
            json.dumps({"function": function, "arguments": arguments}),
            file=self._process.stdin,
            flush=True,
        )
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{function}: its process ended with {self._process.wait()}.")
        answer = json.loads(line)
        if "missing" in answer:
            raise MissingError(answer["missing"])
        if "error" in answer:
            raise RuntimeError(f"{function} failed:\n{answer['error']}")
        return answer["result"]

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def peer_side() -> Side:
    """Return the side of the peers, whose interpreter ``--peer-python`` may name."""
    return Side(os.environ.get(PEER_PYTHON, sys.executable))


def alternate(
    ours: Callable[[], float], peer: Callable[[], float], times: int
) -> tuple[list[float], list[float]]:
    """Measure both by turns, so that whatever slows the machine slows both.

    Args:
        ours: Does the work once and returns its seconds.
        peer: Likewise.
        times: How often each works; who begins changes every time.

    Returns:
        The seconds of each turn of ours and of the peer.
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn in range(times):
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            seconds[side].append((ours, peer)[side]())
    return seconds


def compare(
    ours: Callable[[], float],
    peers: Mapping[str, Callable[[], float]],
    times: int,
    images: int = 0,
) -> dict[str, Any]:
    """Alternate our work with that of the peer's fastest mode.

    Args:
        ours: Does the work once and returns its seconds.
        peers: Does the same, by the name of a mode; the fastest of two tries each is taken.
        times: How often the two alternate.
        images: How many are worked on each time, for images per second.

    Returns:
        ``ratio``: the median over the turns of peer time / our time; ``ratios``: each turn's;
        ``n``: how many; ``ours`` and ``peer``: medians, with the modes that were tried.
    """
    ours()  # Neither side's first time counts.
    tried = {name: min(peer(), peer()) for name, peer in peers.items()}
    fastest = min(tried, key=lambda name: tried[name])
    seconds = alternate(ours, peers[fastest], times)
    ratios = [theirs / mine for mine, theirs in zip(*seconds, strict=True)]
    mine, theirs = (_speed(statistics.median(turns), images) for turns in seconds)
    return {
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "n": len(ratios),
        "ours": mine,
        "peer": {"mode": fastest, **theirs},
        "modes": {name: _speed(best, images) for name, best in tried.items()},
    }


def _speed(seconds: float, images: int) -> dict[str, float]:
    return {"seconds": seconds} | ({"images_per_second": images / seconds} if images else {})


def must_agree(ours: Mapping[str, Any], peer: Mapping[str, Any], within: float) -> dict[str, float]:
    """Return the largest difference of each array that both sides computed.

    Raises:
        AssertionError: One is larger than ``within``: the two do not do the same work.
    """
    names = sorted(set(ours) & set(peer))
    found = {name: float(abs(ours[name] - peer[name]).max()) for name in names}
    assert found, f"no array in common: {sorted(ours)} and {sorted(peer)}"
    assert max(found.values()) <= within, f"the two sides differ by more than {within}: {found}"
    return found
