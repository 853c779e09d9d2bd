"""The last line of a record's sidecar, a hash of all lines above it.

No byte of a sealed file can be changed without being noticed, be it a digit that no number depends
on or a space. The seal tells an accident from what was written, not an author from another: who
edits a record can seal it again, and only the record that was there before says so.
"""

from __future__ import annotations

import hashlib

SEAL = "sha256"
"""The key of the hash, the last one of the file."""


def sealed(text: str) -> bytes:
    r"""Return the bytes of a file from the JSON text of an object, indented by one space.

    Example:
        >>> print(sealed('{\n "seed": 0\n}').decode()[:40])
        {
         "seed": 0,
         "sha256": "7c1f6d4ec5c
    """
    return _with_seal(text.removesuffix("\n}").encode())


def is_sealed(content: bytes) -> bool:
    """Return whether the bytes of a file are those that were sealed."""
    return content == _with_seal(content[: -len(_tail(""))])


def _with_seal(above: bytes) -> bytes:
    return above + _tail(hashlib.sha256(above).hexdigest())


def _tail(digest: str) -> bytes:
    return f',\n "{SEAL}": "{digest:64}"\n}}\n'.encode()
