"""The run directory: one JSON file for the run, Parquet parts for what was measured.

    run.json                 configuration, versions, machine, seeds, data, models, the command that repeats the run
    scores/<part>.parquet    model, image, method, metric, value (NaN for none), reason ("" where there is a value)
    curves/<part>.parquet    model, image, method, curve, entropy, draw, and lists: position, value (the points of the
                             curve), information and response (raw, per revealed fraction)
    responses/<part>.parquet model, image, method, metric, area, and lists: fraction (of the pixels changed), value (the
                             model's response there); of perturbation metrics
    predictions/<part>.parquet   model, image, label, predicted, probability (of the predicted class)

Where the model has several findings to an image all four have the column target, the finding; label and predicted are
then "present", "absent" or "unknown", and the probability is that of the finding.

    calibration/<model>.json which metrics can be believed (`xaijax.bench.calibrated`)
    gallery/<part>.npz       images, masks and maps that the figures show
    pictures/<part>.parquet  image, what, method, fraction, webp: what the report shows of it (`xaijax.bench.pictures`)
    detections/<part>.parquet model, image, method, and what the map finds of the lesions at each threshold
                             (`xaijax.metrics.detection`)
    groups/<part>.parquet    image, group, value: patient, sex, site ... of each image, as far as the data say it
    maps/                    raw maps that several models' parts need, during a run that compares models
    report-images/           of the report, where they do not fit into the page
    figures/, report.html, summary.csv, statistics.csv, ranks.csv, stability.csv

    parts/<part>.json        the digests of a part's files, and what it was made of: images, model, versions, device
    checksums.json           the digests of figures, report and tables

A part is written whole, parts/<part>.json last: a part that has it is finished, and a run that is killed at any moment
loses only the part it was in. What is read back must have the bytes that were written.
"""

import dataclasses
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from xaijax._errors import InputError
from xaijax._files import write_whole
from xaijax._runs import checksums
from xaijax._runs.folder import DESCRIPTION, read_json, write_text

TARGET = "target"
ENDINGS = {
    "gallery": ".npz",
    "curves": ".parquet",
    "responses": ".parquet",
    "pictures": ".parquet",
    "groups": ".parquet",
    "detections": ".parquet",
    "predictions": ".parquet",
    "scores": ".parquet",
}
OPTIONAL = ("gallery", "curves", "responses", "pictures", "groups", "detections")
"""Folders in which a part may have no file."""
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

PICTURES = pa.schema(
    [
        ("image", pa.string()),
        ("what", pa.string()),
        ("method", pa.string()),
        ("fraction", pa.float64()),
        ("webp", pa.binary()),
    ]
)
GROUPS = pa.schema([("image", pa.string()), ("group", pa.string()), ("value", pa.string())])

DETECTIONS = pa.schema(
    [
        ("model", pa.string()),
        ("image", pa.string()),
        ("method", pa.string()),
        ("lesions", pa.int64()),
        ("hit", pa.bool_()),
        ("iou", pa.list_(pa.float64())),
        ("box_iou", pa.list_(pa.float64())),
        ("found", pa.list_(pa.int64())),
        ("false", pa.list_(pa.int64())),
    ]
)


def of_findings(schema: pa.Schema) -> pa.Schema:
    """A schema with the column of findings."""
    return schema.append(pa.field(TARGET, pa.string()))


def paired(table: pa.Table) -> pa.Table:
    """A table with "image: finding" as the image, for what compares row by row; unchanged where there are none."""
    if TARGET not in table.column_names:
        return table
    images, targets = table["image"].to_pylist(), table[TARGET].to_pylist()
    names = [f"{image}: {target}" if target else image for image, target in zip(images, targets, strict=True)]
    place = table.column_names.index("image")
    return table.set_column(place, "image", pa.array(names, pa.string())).drop_columns([TARGET])


@dataclasses.dataclass(frozen=True)
class Tables:
    """What was computed of one part.

    Attributes:
        scores: of schema `SCORES`.
        curves: of schema `CURVES`; may have no rows.
        responses: of schema `RESPONSES`; may have no rows.
        predictions: of schema `PREDICTIONS`.
        gallery: arrays for the figures; may be empty.
        pictures: of schema `PICTURES`; may have no rows.
        groups: of schema `GROUPS`; may have no rows.
        detections: of schema `DETECTIONS`; may have no rows.
    """

    scores: pa.Table
    curves: pa.Table
    responses: pa.Table
    predictions: pa.Table
    gallery: Mapping[str, np.ndarray]
    pictures: pa.Table = dataclasses.field(default_factory=PICTURES.empty_table)
    groups: pa.Table = dataclasses.field(default_factory=GROUPS.empty_table)
    detections: pa.Table = dataclasses.field(default_factory=DETECTIONS.empty_table)


SCHEMAS = {
    "scores": SCORES,
    "curves": CURVES,
    "responses": RESPONSES,
    "predictions": PREDICTIONS,
    "pictures": PICTURES,
    "groups": GROUPS,
    "detections": DETECTIONS,
}


@dataclasses.dataclass(frozen=True)
class Part:
    """A finished part of a run folder; what is read of it has the bytes that were written, or is refused.

    Attributes:
        root: the run folder.
        name: of the part.
        files: its files, by their paths in the run folder -> their digests.
    """

    root: Path
    name: str
    files: Mapping[str, str]

    def has(self, folder: str) -> bool:
        """Whether it has a file in "scores", "curves", "responses", "predictions" or "gallery"."""
        return self._file(folder) in self.files

    def table(self, folder: str) -> pa.Table | None:
        """Its table in "scores", "curves", "responses" or "predictions"; None where it has none.

        Raises:
            InputError: for a file that is gone, was changed, or is no such table.
        """
        if not self.has(folder):
            return None
        content = self._content(folder)
        return _read_parquet(pa.BufferReader(content), self.root / self._file(folder), SCHEMAS[folder])

    def checked(self, folder: str) -> Path | None:
        """The path of its file in a folder, which has the bytes that were written; None where it has none."""
        if not self.has(folder):
            return None
        self._content(folder)
        return self.root / self._file(folder)

    def gallery(self) -> dict[str, np.ndarray]:
        """Its arrays for the figures; empty where it has none."""
        if not self.has("gallery"):
            return {}
        with np.load(io.BytesIO(self._content("gallery"))) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def _file(self, folder: str) -> str:
        return f"{folder}/{self.name}{ENDINGS[folder]}"

    def _content(self, folder: str) -> bytes:
        path = self.root / self._file(folder)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise InputError(f"{path} is gone; the command of the run with --resume computes it again") from None
        checksums.check_content(self.root, path, content, self.files)
        return content


class Store:
    """The results in a run folder.

    Args:
        root: the run folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def any_finished(self) -> bool:
        """Whether any part is complete."""
        return bool(checksums.part_files(self.root))

    def read_run(self) -> dict[str, Any]:
        """The contents of run.json."""
        return read_json(self.root / DESCRIPTION, "run")

    def finished(self, part: str) -> bool:
        """Whether a part is complete."""
        return (self.root / checksums.PARTS / f"{part}.json").is_file()

    def made(self, part: str) -> dict[str, Any]:
        """What a finished part was made of.

        Raises:
            InputError: where its description is not as it was written.
        """
        return dict(checksums.read_part(self.root, part)["made"])

    def forget(self, part: str) -> None:
        """Makes a part count as not finished."""
        (self.root / checksums.PARTS / f"{part}.json").unlink(missing_ok=True)

    def discard(self, part: str) -> None:
        """Removes a part that takes no part in the run any more, and its files."""
        if self.finished(part):
            files = checksums.read_part(self.root, part)["files"]
            self.forget(part)
            for name in files:
                (self.root / name).unlink(missing_ok=True)

    def write_part(
        self, part: str, content: Tables | Mapping[str, bytes], made: Mapping[str, Any] | None = None
    ) -> None:
        """Writes one part, whoever computed it, and marks it as finished.

        Args:
            part: its name, which becomes the file name.
            content: what was computed, or the bytes of its files, see `encoded`.
            made: JSON values that say what of and by what.
        """
        contents = encoded(content) if isinstance(content, Tables) else content
        files = []
        for folder, own in contents.items():
            path = self.root / folder / f"{part}{ENDINGS[folder]}"
            write_whole(path, lambda file, own=own: file.write(own))  # type: ignore[misc]
            files.append(path)
        for folder in OPTIONAL:  # of the part as it was before, where it is written again
            if folder not in contents:
                (self.root / folder / f"{part}{ENDINGS[folder]}").unlink(missing_ok=True)
        checksums.write_part(self.root, part, files, made or {})

    def parts(self) -> Iterator[Part]:
        """The finished parts in their order, one at a time."""
        for name in checksums.part_files(self.root):
            yield self.part(name)

    def part(self, name: str) -> Part:
        """A finished part.

        Raises:
            InputError: where its description is not as it was written.
        """
        return Part(self.root, name, checksums.read_part(self.root, name)["files"])

    def _read_tables(self, folder: str) -> pa.Table:
        """The tables of finished parts, in their order."""
        return together(list(self.parts()), folder)

    def scores(self) -> pa.Table:
        """All finished scores, in the order of the parts."""
        return self._read_tables("scores")

    def scores_of(self, part: str) -> pa.Table:
        """The scores of one finished part."""
        found = self.part(part).table("scores")
        if found is None:
            raise InputError(
                f"the part {part} in {self.root} lists no scores; the command with --resume computes it again"
            )
        return found

    def curves(self) -> pa.Table:
        """The curves of all finished parts, in the order of the parts."""
        return self._read_tables("curves")

    def responses(self) -> pa.Table:
        """The perturbation curves of all finished parts, in the order of the parts."""
        return self._read_tables("responses")

    def predictions(self) -> pa.Table:
        """What the models predicted for the images of all finished parts, in the order of the parts."""
        return self._read_tables("predictions")

    def galleries(self) -> dict[str, dict[str, np.ndarray]]:
        """The arrays kept for the figures, by part."""
        return {part.name: arrays for part in self.parts() if (arrays := part.gallery())}

    def pictures(self) -> Iterator[tuple[Part, pa.Table]]:
        """The parts with what the report's browser shows, and a table of it of schema `PICTURES`, one at a time."""
        for part in self.parts():
            table = part.table("pictures")
            if table is not None:
                yield part, table

    def detections(self) -> pa.Table:
        """What the maps of all finished parts find of the lesions, in the order of the parts."""
        return self._read_tables("detections")

    def groups(self) -> pa.Table:
        """What the images belong to, each said once, in the order of the parts."""
        return self._read_tables("groups").group_by(GROUPS.names, use_threads=False).aggregate([])

    def write_text(self, name: str, text: str) -> Path:
        """Writes a text file of the run, whole, and returns its path."""
        write_text(self.root / name, text)
        return self.root / name


def encoded(tables: Tables) -> dict[str, bytes]:
    """The contents of a part's files, by the folder that each lies in; the same tables give the same bytes."""
    found: dict[str, bytes] = {}
    if tables.gallery:
        arrays: dict[str, Any] = dict(tables.gallery)
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        found["gallery"] = file.getvalue()
    if tables.curves.num_rows:
        found["curves"] = _parquet(tables.curves, CURVES)
    if tables.responses.num_rows:
        found["responses"] = _parquet(tables.responses, RESPONSES)
    for folder, table, schema in (
        ("pictures", tables.pictures, PICTURES),
        ("groups", tables.groups, GROUPS),
        ("detections", tables.detections, DETECTIONS),
    ):
        if table.num_rows:
            found[folder] = _parquet(table, schema)
    found["predictions"] = _parquet(tables.predictions, PREDICTIONS)
    found["scores"] = _parquet(tables.scores, SCORES)
    return found


def _parquet(table: pa.Table, schema: pa.Schema) -> bytes:
    schema = of_findings(schema) if TARGET in table.column_names else schema
    file = io.BytesIO()
    _write_parquet(table.select(schema.names).cast(schema), file)
    return file.getvalue()


def _write_parquet(table: pa.Table, file: BinaryIO) -> None:
    pq.write_table(table, file, compression="zstd")


def _read_parquet(source: Any, path: Path, schema: pa.Schema) -> pa.Table:
    try:
        table = pq.ParquetFile(source).read(use_threads=False)
        wanted = of_findings(schema) if TARGET in table.column_names else schema
        return table if table.schema.equals(wanted) else table.cast(wanted)
    except (OSError, pa.ArrowException, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path} is not a table of a run ({reason}); the command of the run with --resume computes it again"
        ) from error


def together(parts: Sequence[Part], folder: str) -> pa.Table:
    """The tables of several parts one below the other; with a column of findings where one of them has it.

    Args:
        parts: of one run.
        folder: "scores", "curves", "responses" or "predictions"; a part without a table there has no rows.

    Raises:
        InputError: for a file that is gone, was changed, or is no such table.
    """
    schema = SCHEMAS[folder]
    paths = [str(path) for part in parts if (path := part.checked(folder)) is not None]
    if not paths:
        return schema.empty_table()
    try:
        # The files are named one by one: discovery would read a column out of a folder name.
        table = pads.dataset(paths, schema=of_findings(schema), format="parquet").to_table()
    except (OSError, pa.ArrowException, ValueError):
        for part in parts:
            part.table(folder)  # names the file
        raise
    # A part may have no finding to score, so no column, and no rows either.
    return table if table[TARGET].null_count < table.num_rows else table.drop_columns([TARGET])
