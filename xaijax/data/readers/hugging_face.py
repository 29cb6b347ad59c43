"""Hugging Face data sets: a `datasets.Dataset` or `DatasetDict`, or a folder that `save_to_disk` wrote.

Images are the column of type `Image`; masks are other columns of that type named `mask`, `mask_lesion`, `mask_organ` or
`mask_artefact`. The label is the column of type `ClassLabel`, or a list of them: several findings; or a column under a
usual name, whose whole numbers are positions in a model's output. The keys of a `DatasetDict` are the sides of a split.
Rows are decoded when they are read. Needs `pip install 'xaijax[hub]'`; nothing is downloaded.

An `IterableDataset` (`load_dataset(..., streaming=True)`) is run through once, `xaijax.data._streamed` has the rule.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from xaijax._errors import InputError
from xaijax._names import normal
from xaijax.data._spool import Spool
from xaijax.data._spooled import SpooledImage
from xaijax.data._streamed import Rows, spooled
from xaijax.data.dataset import Case, Dataset
from xaijax.data.files import primary_role
from xaijax.data.found import Census
from xaijax.data.reading import MaskRole, Reading, Table
from xaijax.data.spelling import side
from xaijax.data.tables import FileIndex, is_blank, present
from xaijax.data.tables.columns import group_name, named_column, usual
from xaijax.data.tables.labels import placed

_STATE, _DESCRIPTION, _SIDES = "state.json", "dataset_info.json", "dataset_dict.json"
_MASKS: Mapping[str, MaskRole | None] = {"mask": None} | {f"mask_{role}": role for role in get_args(MaskRole)}


@dataclass(frozen=True, slots=True)
class Cell:
    """The bytes of one image of a data set.

    Attributes:
        rows: the data set, images not decoded.
        row: which row.
        column: which column.
        inside: the folder that files named by the row may lie in; None for any.
    """

    rows: Any
    row: int
    column: str
    inside: str | None

    def read(self) -> bytes:
        """The bytes. Raises OSError or ValueError, with the reason in words."""
        stored = self.rows[self.row][self.column]
        if stored is None:
            raise ValueError("its row has no image")
        if stored.get("bytes") is not None:
            return bytes(stored["bytes"])
        path = stored.get("path")
        if not path or "://" in path:
            raise ValueError("its row names no local file")
        if self.inside is not None and not os.path.realpath(path).startswith(self.inside + os.sep):
            raise ValueError("its file lies outside the folder (--allow-outside takes it)")
        if not os.path.isfile(path):
            raise FileNotFoundError(path)
        return Path(path).read_bytes()


def matches(source: object) -> bool:
    """Whether the source is such an object, or a folder of `save_to_disk`."""
    if isinstance(source, str | Path):
        folder = Path(source).expanduser()
        return (folder / _SIDES).is_file() or all((folder / name).is_file() for name in (_STATE, _DESCRIPTION))
    return type(source).__module__.partition(".")[0] == "datasets"


def read(source: Any, reading: Reading, table: Table = Table()) -> Dataset:  # noqa: B008 - it is frozen
    """List the images of a data set; labels are read, images are not.

    Args:
        source: the object or the folder.
        reading: how to read images and masks.
        table: its columns, where they are not recognised.

    Returns:
        The data set: ids `train/12`, or `12` where there is one part; classes in the order of `ClassLabel`.

    Raises:
        InputError: for a data set without a column of images or labels, with several that fit, a stream that does not
            say its columns or is too large, or a folder that names files elsewhere.
    """
    try:
        import datasets
    except ImportError:
        raise InputError("Hugging Face data sets need datasets: pip install 'xaijax[hub]'") from None
    if table.file is not None:
        raise InputError("a Hugging Face data set has its labels in itself; leave out --labels")
    census = Census("Hugging Face data set")
    inside = None
    name = ""
    if isinstance(source, str | Path):
        folder = Path(source).expanduser()
        name = folder.resolve().name
        inside = None if reading.allow_outside else os.path.realpath(folder)
        source = _loaded(datasets, folder, census)
    kinds = datasets.Dataset, datasets.DatasetDict, datasets.IterableDataset, datasets.IterableDatasetDict
    if not isinstance(source, kinds):
        raise InputError(f"a {type(source).__name__} is not a data set; give a datasets.Dataset or DatasetDict")
    parts = dict(source) if isinstance(source, datasets.DatasetDict | datasets.IterableDatasetDict) else {"": source}
    if any(one.features is None for one in parts.values()):
        raise InputError(
            "the stream does not say what its columns are: give it to open_dataset with "
            "stream.cast(datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=[...])))"
        )
    streamed = isinstance(source, datasets.IterableDataset | datasets.IterableDatasetDict)
    in_memory = not name
    if in_memory:
        name = next((one.info.dataset_name or one.info.builder_name for one in parts.values()), None) or "dataset"
    columns = _columns(datasets, parts, table)
    words = {"image": "images", "label": "classes", "group": "groups", "split": "split"}
    assumed = [f"{words[holds]} by {columns[holds]}" for holds in words if columns[holds] is not None]
    census.note(f"Columns of the data set: {'; '.join(assumed)}.")
    feature = next(iter(parts.values())).features[columns["label"]]
    if streamed:
        spool = Spool()
        tables = {key: spooled(datasets, part, columns, spool) for key, part in parts.items()}
        census.note("The stream was run through once; its images lie in a temporary file until the data set is closed.")
    else:
        tables = {key: _rows(datasets, part, columns) for key, part in parts.items()}
    if in_memory:
        census.take("image", sum(len(one.labels) for one in tables.values()))
    classes, answers = _labelled(datasets, feature, {key: one.labels for key, one in tables.items()}, census)
    cases: list[Case] = []
    for key, rows in tables.items():
        cases += _cases(key, rows, columns, answers[key], inside, reading, census)
    if not cases:
        raise InputError(f"data set {name!r} has no row with an image and a label")
    primary = primary_role(case.source for case in cases)
    return Dataset(name, classes, reading.mask_role or primary, tuple(cases), found=census.found())


def _loaded(datasets: Any, folder: Path, census: Census) -> Any:
    """The data set of a folder, whose descriptions may name nothing outside it."""
    index = FileIndex(folder)
    for path in index:
        if path.endswith((_STATE, _DESCRIPTION, _SIDES)):
            index.take(path, "description")
        elif path.endswith(".arrow"):
            index.take(path, "rows")
    try:
        if (folder / _SIDES).is_file():
            keys = json.loads((folder / _SIDES).read_text("utf-8"))["splits"]
            places = [folder / _inside(key) for key in keys]
        else:
            places = [folder]
        for place in places:
            for file in json.loads((place / _STATE).read_text("utf-8"))["_data_files"]:
                _inside(file["filename"])
        loaded = datasets.load_from_disk(str(folder))
    except InputError:
        raise
    except Exception as error:  # the library raises those of Arrow, JSON and its own
        words = " ".join(str(error).split())
        raise InputError(f"{folder} is not a whole folder of datasets.save_to_disk ({words}); save it again") from error
    index.leave_rest(census)
    return loaded


def _inside(name: object) -> str:
    if not isinstance(name, str) or not name or name in (".", "..") or "/" in name or os.sep in name:
        raise InputError(f"the folder of datasets.save_to_disk names {name!r}, which lies elsewhere; save it again")
    return name


def _columns(datasets: Any, parts: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """What holds what: image, label, group, split, and masks as a mapping of columns to roles."""
    features = next(iter(parts.values())).features
    for key, part in parts.items():
        if part.features != features:
            raise InputError(f"the part {key} of the data set has other columns than the first part; load them apart")
    names = list(features)
    named = {
        holds: None if given is None else named_column("the data set", given, names)
        for holds, given in table.columns().items()
    }
    images = [name for name in names if isinstance(features[name], datasets.Image)]
    masks = {name: _MASKS[name.lower()] for name in images if name.lower() in _MASKS and name != named["image"]}
    image = named["image"] or _one("image", "image", [name for name in images if name not in masks], names)
    if image not in images:
        raise InputError(f"the column {image} of the data set is not of type Image; cast it with cast_column")
    classes = [name for name in names if _class_label(datasets, features[name]) is not None]
    label = named["label"] or _one("label", "label", classes or _usual("label", names), names)
    group = named["group"] or next(iter(_usual("group", names)), None)
    split = named["split"] or (next(iter(_usual("split", names)), None) if len(parts) == 1 else None)
    return {"image": image, "label": label, "group": group, "split": split, "masks": masks}


def _usual(holds: str, names: Sequence[str]) -> list[str]:
    """The columns of the best usual names."""
    for tier in usual(holds):
        found = [name for name in names if normal(name) in tier]
        if found:
            return found
    return []


def _one(holds: str, what: str, fitting: Sequence[str], names: Sequence[str]) -> str:
    best = [name for name in fitting if name in _usual(holds, fitting)] if len(fitting) > 1 else list(fitting)
    if len(best) == 1:
        return best[0]
    if fitting:
        raise InputError(
            f"the data set has several columns that may hold the {what}: {', '.join(fitting)}; name one with "
            f"--{holds}-column"
        )
    raise InputError(f"the data set has no column that holds the {what}; it has {', '.join(names)}")


def _class_label(datasets: Any, feature: Any) -> Any:
    """The `ClassLabel` of a column, or of the items of its lists; else None."""
    inner = getattr(feature, "feature", feature)
    return inner if isinstance(inner, datasets.ClassLabel) else None


def _cells(part: Any, column: str) -> list[Any]:
    return list(part.select_columns([column]).with_format(None)[:][column])


def _there(part: Any, column: str) -> list[bool]:
    """Whether each row has a value; the values themselves are not read."""
    batches = part.select_columns([column]).with_format("arrow").iter(batch_size=1000)
    return [one for batch in batches for one in batch[column].is_valid().to_pylist()]


def _labelled(
    datasets: Any, feature: Any, labels: Mapping[str, list[Any]], census: Census
) -> tuple[tuple[str, ...], dict[str, list[Any]]]:
    """Classes; and for every row the position of its class, its findings as a tuple, or None."""
    known = _class_label(datasets, feature)
    if known is None:
        texts = {key: ["" if one is None else str(one) for one in cells] for key, cells in labels.items()}
        classes, position = placed([one for cells in texts.values() for one in cells if not is_blank(one)], census)
        return classes, {key: [position.get(one) for one in cells] for key, cells in texts.items()}
    classes = tuple(known.names)
    if known is feature:
        return classes, {
            key: [one if one is not None and one >= 0 else None for one in cells] for key, cells in labels.items()
        }
    return classes, {
        key: [None if one is None else present(classes, {classes[at] for at in one}) for one in cells]
        for key, cells in labels.items()
    }


def _rows(datasets: Any, part: Any, columns: Mapping[str, Any]) -> Rows:
    """A data set that has positions; images are not decoded."""
    masks = columns["masks"]
    stored = part.select_columns([columns["image"], *masks]).with_format(None)
    for name in (columns["image"], *masks):
        stored = stored.cast_column(name, datasets.Image(decode=False))
    group, split = (columns[holds] and _cells(part, columns[holds]) for holds in ("group", "split"))
    there = {name: _there(part, name) for name in masks}
    return Rows(stored, _cells(part, columns["label"]), group, split, there)


def _cases(
    key: str,
    rows: Rows,
    columns: Mapping[str, Any],
    answers: Sequence[Any],
    inside: str | None,
    reading: Reading,
    census: Census,
) -> list[Case]:
    masks = columns["masks"]
    what = group_name(columns["group"] or "")
    own = side(key)
    if key and own is None:
        census.note(f"The part {key} of the data set is not a side of a split: training, validation or test.")
    strange = [str(one) for one in dict.fromkeys(rows.splits or ()) if one is not None and side(str(one)) is None]
    if strange:
        census.note(f"The column {columns['split']} names no sides of a split: {', '.join(strange[:5])}.")
    found = []
    for row, answer in enumerate(answers):
        place = f"{key}/{row}" if key else str(row)
        if answer is None:
            census.leave_row("it has no label", place)
            continue
        group = rows.groups[row] if rows.groups is not None else None
        outlines = [
            (role, "", Cell(rows.stored, row, name, inside)) for name, role in masks.items() if rows.there[name][row]
        ]
        found.append(
            Case(
                place,
                -1 if isinstance(answer, tuple) else answer,
                SpooledImage("", Cell(rows.stored, row, columns["image"], inside), tuple(outlines), reading),
                group=None if group is None or is_blank(str(group)) else f"{what} {group}",
                split=own if rows.splits is None else side(str(rows.splits[row])),
                findings=answer if isinstance(answer, tuple) else None,
            )
        )
    return found
