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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
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
            for path in (self.root / folder).glob(f"{part}.*"):
                if path not in files:
                    path.unlink()
        checksums.write_part(self.root, part, files, made or {})

    def _read_tables(self, folder: str, schema: pa.Schema) -> pa.Table:
        """The tables of finished parts, in the order of their names."""
        # One file at a time and no data-set discovery: that would read a column out of a folder name.
        tables = [_read_parquet(path, schema) for path in self._listed(folder, ".parquet")]
        if not tables:
            return schema.empty_table()
        if any(TARGET in table.column_names for table in tables):  # a part may have no finding to score, so no column
            tables = [table for table in tables if table.num_rows] or [of_findings(schema).empty_table()]
        return pa.concat_tables(tables)

    def _listed(self, folder: str, ending: str) -> list[Path]:
        """The files of finished parts in a folder, in the order of the parts, each with the bytes that were written."""
        found = []
        for part in checksums.part_files(self.root):
            files = checksums.read_part(self.root, part)["files"]
            name = f"{folder}/{part}{ending}"
            if name in files:
                path = self.root / name
                if not path.is_file():
                    raise InputError(f"{path} is gone; the command of the run with --resume computes it again")
                checksums.check(self.root, path, files)
                found.append(path)
        return found

    def scores(self) -> pa.Table:
        """All finished scores, in the order of the parts."""
        return self._read_tables("scores", SCORES)

    def scores_of(self, part: str) -> pa.Table:
        """The scores of one finished part."""
        path = self.root / "scores" / f"{part}.parquet"
        if not path.is_file():
            raise InputError(f"{path} is gone; the command of the run with --resume computes it again")
        checksums.check(self.root, path, checksums.read_part(self.root, part)["files"])
        return _read_parquet(path, SCORES)

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
        for path in self._listed("gallery", ".npz"):
            with np.load(path) as arrays:
                found[path.stem] = {name: arrays[name] for name in arrays.files}
        return found

    def pictures(self) -> Iterator[tuple[str, pa.Table]]:
        """Part by part what the report's browser shows: the part's name and a table of schema `PICTURES`."""
        for path in self._listed("pictures", ".parquet"):
            yield path.stem, _read_parquet(path, PICTURES)

    def detections(self) -> pa.Table:
        """What the maps of all finished parts find of the lesions, in the order of the parts."""
        return self._read_tables("detections", DETECTIONS)

    def groups(self) -> pa.Table:
        """What the images belong to, each said once, in the order of the parts."""
        return self._read_tables("groups", GROUPS).group_by(GROUPS.names, use_threads=False).aggregate([])

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


def _read_parquet(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        table = pq.ParquetFile(path).read()
        return table.cast(of_findings(schema) if TARGET in table.column_names else schema)
    except (OSError, pa.ArrowException, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path} is not a table of a run ({reason}); the command of the run with --resume computes it again"
        ) from error
