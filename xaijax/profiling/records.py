"""The records of a profile: one JSON object a line, appended as cells are finished; the last one of a cell counts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xaijax._errors import InputError

# What tells cells apart: of explainers and of kernels.
IDENTITY = ("kind", "model", "method", "batch", "size", "precision", "device", "options", "backend", "threads")


def identity(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells a record's cell from others."""
    return tuple(json.dumps(record.get(key), sort_keys=True) for key in IDENTITY)


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Adds a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def read(path: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The records by identity. A last line that was cut off by a kill is passed over.

    Raises:
        InputError: for a file that holds something else.
    """
    found = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            if number == len(lines):
                break
            raise InputError(f"{path} is no profile: line {number} is not JSON") from None
        if not isinstance(record, dict) or "method" not in record:
            raise InputError(f"{path} is no profile: line {number} is not a record of one")
        found[identity(record)] = record
    return found


def finished(record: Mapping[str, Any] | None, repeat: int) -> bool:
    """Whether a cell needs no more calls: left out, or timed as often as asked or as the limit allows."""
    if record is None or record.get("warming"):
        return False
    return "skipped" in record or len(record["seconds"]) >= min(repeat, record["repeats"])


def calls(record: Mapping[str, Any] | None) -> int:
    """How many timed calls a record holds; that of the warming-up is none."""
    return 0 if record is None or record.get("warming") else len(record.get("seconds", ()))
