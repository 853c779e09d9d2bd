"""The JSON Schema of a record's sidecar: ``schemas/record-<version>.json``, one for each version.

For programs that read records and are not this one. That of the current version is made from the
``Sidecar``; those of older versions stay as they are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dicecast.record_seal import SEAL
from dicecast.records import Sidecar
from dicecast.version import RECORD_SCHEMA_VERSION

SCHEMAS = Path(__file__).parent / "schemas"


def schema_path(version: int = RECORD_SCHEMA_VERSION) -> Path:
    """Return the path of the JSON Schema of a version."""
    return SCHEMAS / f"record-{version}.json"


def record_schema() -> str:
    """Return the text of the JSON Schema of the current version."""
    schema = _without_titles(Sidecar.model_json_schema(mode="serialization"))
    schema["properties"]["schema_version"] = {"const": RECORD_SCHEMA_VERSION}
    schema["properties"][SEAL] = {
        "description": "SHA-256 of the file's bytes before the comma that ends the line above.",
        "pattern": "^[0-9a-f]{64}$",
        "type": "string",
    }
    schema["required"].append(SEAL)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Dicecast record, version {RECORD_SCHEMA_VERSION}",
    }
    return json.dumps(head | schema, indent=1) + "\n"


def _without_titles(schema: Any) -> Any:
    """Leave out the titles that only repeat the names of keys."""
    if isinstance(schema, dict):
        kept = {k: v for k, v in schema.items() if not (k == "title" and isinstance(v, str))}
        return {key: _without_titles(value) for key, value in kept.items()}
    return [_without_titles(item) for item in schema] if isinstance(schema, list) else schema


if __name__ == "__main__":
    schema_path().write_text(record_schema(), encoding="utf-8")
