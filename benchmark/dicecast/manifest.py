"""The files of a stored artifact and their checksums: what is known of it without reading it.

An artifact is a folder whose file ``manifest.json`` holds the SHA-256 of each of the others, one of
which, ``info.json``, says what it was computed from. The text of a manifest follows from what it
says, so that no byte of it can change unseen; the folder is named by the hash of what the artifact
was computed from, so that one under another's name is not taken for it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dicecast.identity import hash_of

MANIFEST, INFO = "manifest.json", "info.json"


class DamageError(Exception):
    """An artifact is not what was written; the text says what is wrong with it."""


def manifest_bytes(checksums: Mapping[str, str]) -> bytes:
    """Return the manifest of files with these SHA-256."""
    return json.dumps(checksums, indent=1, sort_keys=True).encode()


def read_manifest(place: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of an artifact, by name.

    Names are those of regular files in the folder, so none leads out of it.

    Raises:
        DamageError: The manifest was changed, or a file is missing or too many.
        OSError: The folder or the manifest cannot be read.
    """
    content = (place / MANIFEST).read_bytes()
    try:
        checksums = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamageError(f"{MANIFEST} is no JSON: {error}") from error
    if not isinstance(checksums, dict) or manifest_bytes(checksums) != content:
        raise DamageError(f"{MANIFEST} was changed")
    with os.scandir(place) as entries:
        # What begins with a dot is a file manager's or a network file system's.
        found = {e.name for e in entries if e.is_file() and not e.name.startswith(".")}
    for name in sorted(found ^ {*checksums, MANIFEST}):
        raise DamageError(f"{name} is {'not in the manifest' if name in found else 'missing'}")
    if INFO not in checksums:
        raise DamageError(f"{INFO} is missing")
    return checksums


def check_sum(name: str, digest: Any, checksum: str) -> None:
    """Compare the digest of a file's content with its checksum.

    Raises:
        DamageError: They differ.
    """
    if digest.hexdigest() != checksum:
        raise DamageError(f"{name} does not match its checksum")


def check_name(place: Path, content: Any) -> dict[str, Any]:
    """Return the content of ``info.json`` if the artifact is under its own name.

    Raises:
        DamageError: It is another's.
    """
    if not isinstance(content, dict) or not {"identity", "info"} <= set(content):
        raise DamageError(f"{INFO} does not say what the artifact is of")
    if not place.name.startswith(hash_of(content["identity"])):
        raise DamageError("the artifact was computed from other things than its name says")
    return content


def check_artifact(place: Path) -> None:
    """Check every byte of an artifact.

    Raises:
        DamageError: It is not what was written.
        OSError: It cannot be read.
    """
    for name, checksum in read_manifest(place).items():
        with (place / name).open("rb") as file:
            check_sum(name, hashlib.file_digest(file, "sha256"), checksum)
    check_name(place, json.loads((place / INFO).read_bytes()))
