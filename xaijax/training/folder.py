"""What a training or an evaluation writes: JSON and figures, each file whole and renamed into place."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any


def write(path: Path, text: str) -> None:
    """A text file."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(text, "utf-8")
    os.replace(partial, path)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """One JSON object."""
    write(path, json.dumps(values, indent=1) + "\n")


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """JSON objects, one a line."""
    write(path, "".join(json.dumps(row) + "\n" for row in rows))


def draw(path: Path, draw: Callable[[Path], None]) -> None:
    """A figure, which `draw` writes to the path it is given."""
    partial = path.with_name(f".{os.getpid()}.{path.name}")
    draw(partial)
    os.replace(partial, path)
