"""Keeps TensorFlow's greetings off the screen."""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_GREETING = re.compile(rb"(WARNING: All log messages before absl::InitializeLog|I0000 )")


@contextmanager
def quiet_start() -> Iterator[None]:
    """Hold back what is written to stderr meanwhile, and pass on all but informational lines.

    TensorFlow writes to the file descriptor while it is loaded, before any setting of its own can
    silence it; its information is about kernels, not about the run.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    # What Pillow warns of, such as a file cut short, is refused with an error that names the file.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # Its advice on retracing is meant for the author of a graph, not for who runs it.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            lines = [line for line in held if not _GREETING.match(line)]
            os.write(2, b"".join(lines))
