"""The far end of a ``Side``: runs the functions it is asked for, one after another."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from typing import Any


def answer(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call ``module:function`` and return its result, or why there is none."""
    module, name = function.split(":")
    try:
        return {"result": getattr(importlib.import_module(module), name)(**arguments)}
    except ImportError as error:
        return {"missing": f"{type(error).__name__}: {error}"}
    except Exception:  # noqa: BLE001  told to the other end, which raises it
        return {"error": traceback.format_exc()}


def main() -> None:
    """Answer each line of standard input by a line of standard output, both JSON."""
    answers = os.fdopen(os.dup(1), "w")
    # What a library prints must not mix with the answers.
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
