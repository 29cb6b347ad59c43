"""The run directory: one JSON file for the run, Parquet parts for what was measured.

    run.json                 configuration, versions, machine, seeds, data, models, the command that repeats the run
    scores/<part>.parquet    model, image, method, metric, value (NaN for none), reason ("" where there is a value)
    curves/<part>.parquet    model, image, method, curve, entropy, draw, and lists: position, value (the points of the
                             curve), information and response (raw, per revealed fraction)
    responses/<part>.parquet model, image, method, metric, area, and lists: fraction (of the pixels changed), value (the
                             model's response there); of perturbation metrics
    predictions/<part>.parquet   model, image, label, predicted, probability (of the predicted class)
    gallery/<part>.npz       images, masks and maps that the figures show
    maps/                    raw maps that several models' parts need, while a run goes on that compares models
    figures/, report.html, summary.csv, statistics.csv, ranks.csv, stability.csv

A part is written to a temporary name and renamed into place, its scores last: a part whose scores are there is
finished, and a run that is killed at any moment loses only the part it was in.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xaijax._errors import InputError

SCORES = pa.schema(
    [
        ("model", pa.string()),
        ("image", pa.string()),
        ("method", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("reason", pa.string()),
    ]
)
CURVES = pa.schema(
    [
        ("model", pa.string()),
        ("image", pa.string()),
        ("method", pa.string()),
        ("curve", pa.string()),
        ("entropy", pa.string()),
        ("draw", pa.int64()),
        ("position", pa.list_(pa.float64())),
        ("value", pa.list_(pa.float64())),
        ("information", pa.list_(pa.float64())),
        ("response", pa.list_(pa.float64())),
    ]
)
RESPONSES = pa.schema(
    [
        ("model", pa.string()),
        ("image", pa.string()),
        ("method", pa.string()),
        ("metric", pa.string()),
        ("area", pa.float64()),
        ("fraction", pa.list_(pa.float64())),
        ("value", pa.list_(pa.float64())),
    ]
)
PREDICTIONS = pa.schema(
    [
        ("model", pa.string()),
        ("image", pa.string()),
        ("label", pa.string()),
        ("predicted", pa.string()),
        ("probability", pa.float64()),
    ]
)
_TEMPORARY = ".writing-"


def write_whole(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Writes a file under a temporary name in its folder and renames it, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{path.name}")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class Store:
    """A run directory.

    Example:
        >>> import tempfile, pathlib
        >>> store = Store.create(pathlib.Path(tempfile.mkdtemp()) / "run", {"config": {}})
        >>> store.finished("a-0000")
        False
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def create(cls, root: Path, run: Mapping[str, Any]) -> "Store":
        """Starts a run directory; one that holds anything is refused."""
        refuse_existing(root)
        store = cls(root)
        root.mkdir(parents=True, exist_ok=True)
        store.write_run(run)
        return store

    @classmethod
    def open(cls, root: Path) -> "Store":
        """Opens a run directory to resume it, and clears away what a killed run was writing."""
        if not (root / "run.json").is_file():
            raise InputError(f"{root} holds no run to resume (no run.json); leave --resume away to start one there")
        for left in root.rglob(f"{_TEMPORARY}*"):
            left.unlink(missing_ok=True)
        return cls(root)

    def discard_if_empty(self) -> None:
        """Removes the run directory when no part was finished, so that a failed start leaves nothing behind."""
        if not any(self.root.glob("scores/*.parquet")):
            shutil.rmtree(self.root, ignore_errors=True)

    def read_run(self) -> dict[str, Any]:
        """The contents of run.json."""
        path = self.root / "run.json"
        try:
            run = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read: {error}; start a new run in another directory") from error
        if not isinstance(run, dict):
            raise InputError(f"{path} is not a run description; start a new run in another directory")
        return run

    def write_run(self, run: Mapping[str, Any]) -> None:
        """Writes run.json, whole."""
        text = json.dumps(run, indent=2, ensure_ascii=False) + "\n"
        write_whole(self.root / "run.json", lambda file: file.write(text.encode()))

    def finished(self, part: str) -> bool:
        """Whether a part is complete."""
        return (self.root / "scores" / f"{part}.parquet").is_file()

    def write_part(
        self,
        part: str,
        scores: pa.Table,
        curves: pa.Table,
        gallery: Mapping[str, np.ndarray] | None = None,
        predictions: pa.Table | None = None,
        responses: pa.Table | None = None,
    ) -> None:
        """Writes one part; its scores come last and mark it as finished.

        Args:
            part: Name of the part, which becomes the file name.
            scores: Table of schema `SCORES`.
            curves: Table of schema `CURVES`; may have no rows.
            gallery: Arrays for the figures, or None.
            predictions: Table of schema `PREDICTIONS`, or None.
            responses: Table of schema `RESPONSES`, or None.
        """
        if gallery:
            arrays: dict[str, Any] = dict(gallery)
            write_whole(self.root / "gallery" / f"{part}.npz", lambda file: np.savez_compressed(file, **arrays))
        if curves.num_rows:
            self._write_table("curves", part, curves, CURVES)
        if responses is not None and responses.num_rows:
            self._write_table("responses", part, responses, RESPONSES)
        if predictions is not None:
            self._write_table("predictions", part, predictions, PREDICTIONS)
        self._write_table("scores", part, scores, SCORES)

    def _write_table(self, folder: str, part: str, table: pa.Table, schema: pa.Schema) -> None:
        rows = table.select(schema.names).cast(schema)
        write_whole(self.root / folder / f"{part}.parquet", lambda file: _write_parquet(rows, file))

    def _read_tables(self, folder: str, schema: pa.Schema) -> pa.Table:
        """The tables of finished parts, in the order of their names."""
        paths = [path for path in sorted((self.root / folder).glob("*.parquet")) if self.finished(path.stem)]
        if not paths:
            return schema.empty_table()
        # One file at a time and no data-set discovery: that would read a column out of a folder name.
        return pa.concat_tables([pq.ParquetFile(path).read().cast(schema) for path in paths])

    def scores(self) -> pa.Table:
        """All finished scores, in the order of the parts."""
        return self._read_tables("scores", SCORES)

    def curves(self) -> pa.Table:
        """The curves of all finished parts, in the order of the parts."""
        return self._read_tables("curves", CURVES)

    def responses(self) -> pa.Table:
        """The perturbation curves of all finished parts, in the order of the parts."""
        return self._read_tables("responses", RESPONSES)

    def predictions(self) -> pa.Table:
        """What the models predicted for the images of all finished parts, in the order of the parts."""
        return self._read_tables("predictions", PREDICTIONS)

    def galleries(self) -> dict[str, dict[str, np.ndarray]]:
        """The arrays kept for the figures, by part."""
        found = {}
        for path in sorted(self.root.glob("gallery/*.npz")):
            if self.finished(path.stem):
                with np.load(path) as arrays:
                    found[path.stem] = {name: arrays[name] for name in arrays.files}
        return found

    def write_text(self, name: str, text: str) -> Path:
        """Writes a text file of the run, whole, and returns its path."""
        path = self.root / name
        write_whole(path, lambda file: file.write(text.encode()))
        return path


def refuse_existing(root: Path) -> None:
    """Raises `InputError` where a new run cannot go: a file, or a directory that holds anything."""
    if root.is_file():
        raise InputError(f"{root} is a file; name a directory for the run with --out")
    if (root / "run.json").exists():
        raise InputError(f"{root} already holds a run; add --resume to go on with it, or name another --out")
    if root.is_dir() and any(root.iterdir()):
        raise InputError(f"{root} is not empty; name another directory with --out")


def _write_parquet(table: pa.Table, file: BinaryIO) -> None:
    pq.write_table(table, file, compression="zstd")
