"""Reads whole files into memory that somebody else may have put there."""

from __future__ import annotations

import errno
from pathlib import Path


def read_plain_file(path: Path, most_bytes: int) -> bytes:
    """Return the bytes of a file.

    Raises:
        OSError: It cannot be read, is larger, or is none: reading a named pipe may never end, and
            a device may never be empty.
    """
    if path.exists() and not path.is_file():
        code = errno.EISDIR if path.is_dir() else errno.EINVAL
        raise OSError(code, "it is a folder, a pipe or a device, and not a file", str(path))
    size = path.stat().st_size
    if size > most_bytes:
        raise OSError(
            errno.EFBIG, f"it has {size:,} bytes, more than the {most_bytes:,} allowed", str(path)
        )
    return path.read_bytes()
