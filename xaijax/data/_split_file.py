"""The split that a file says: a table `file,split`, or JSON."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax._names import normal
from xaijax.data._own_split import Sides, side_name, with_validation
from xaijax.data.dataset import Dataset
from xaijax.data.files import is_image
from xaijax.data.spelling import SIDES

EXAMPLES = 3  # names in a sentence


def read_split(
    path: str | Path, dataset: Dataset, *, validation: float = 0.1, seed: int = 0, pixels: bool = True
) -> tuple[Sides, list[str]]:
    """The sides that a file says.

    Args:
        path: a table (CSV, or TSV) with the columns `file` and `split`; or JSON: a list of objects with these two, an
            object side -> files, or the `run.json` of a training. A file is the id of an image (its path in the data's
            folder), with or without its suffix; or a path that ends in one, or the file's name alone, where that is
            clear.
        dataset: the cases.
        validation: where the file has no validation side: the share of its training images that becomes one, by groups.
        seed: of what is drawn.
        pixels: keep identical pixels together in what is drawn (reads the training images once).

    Returns:
        The sides training, validation and test, and sentences on files that are not in the data, on images that the
        file does not name, which are left out, and on what was drawn.

    Raises:
        InputError: for a file that cannot be read, another side, a file on two sides, a name that fits several images,
            no file of the data set, or no image for training.

    Example:
        >>> import json, pathlib, tempfile
        >>> from xaijax.data import open_dataset, read_split
        >>> dataset = open_dataset("phantoms", count=6, size=32)
        >>> ids = [case.id for case in dataset.cases]
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "split.json"
        >>> _ = path.write_text(json.dumps({"training": ids[:3], "validation": ids[3:5], "test": ids[5:]}))
        >>> sides, notes = read_split(path, dataset)
        >>> {side: positions.tolist() for side, positions in sides.items()}, notes
        ({'training': [0, 1, 2], 'validation': [3, 4], 'test': [5]}, [])
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"--split-file is {path}, and there is no such file")
    position = {case.id: at for at, case in enumerate(dataset.cases)}
    names = _Names(position)
    named: dict[str, str] = {}
    written: dict[str, str] = {}
    unknown: list[str] = []
    for file, text in _entries(path):
        side = side_name(text)
        if side not in SIDES:
            raise InputError(f"{path} puts {file!r} on the side {text!r}; choose from training, validation and test")
        fitting = names.find(file)
        if len(fitting) > 1:
            raise InputError(
                f"{path} names {file!r}, which fits {len(fitting)} images, such as {fitting[0]} and {fitting[1]}: "
                "give each by its path in the data"
            )
        if not fitting:
            unknown += [] if file in named else [file]
        image = fitting[0] if fitting else file
        if named.setdefault(image, side) != side:
            raise InputError(f"{path} puts {file!r} on two sides, {named[image]} and {side}: leave one out")
        if fitting and image != file:
            written[image] = file
    if len(unknown) == len(named):
        raise InputError(
            f"{path} names no image of data set {dataset.name!r}: it has "
            f"{', '.join(unknown[:EXAMPLES]) or 'none'}, the data have {', '.join(list(position)[:EXAMPLES])}"
        )
    missing = [name for name in position if name not in named]
    found = {
        side: np.array(
            sorted(position[file] for file, own in named.items() if own == side and file in position), np.int64
        )
        for side in SIDES
    }
    if not len(found["training"]):
        raise InputError(f"{path} names no image for training")
    notes = []
    if written:
        image, file = next(iter(written.items()))
        notes.append(
            f"{_images(len(written), path.name)} written in another way than in the data, such as {file} for {image}."
        )
    if unknown:
        notes.append(f"{_images(len(unknown), path.name)} not in the data, such as {_examples(unknown)}")
    if missing:
        notes.append(
            f"{_images(len(missing), 'the data')} not in {path.name} and left out, such as {_examples(missing)}"
        )
    if not len(found["validation"]):
        found, note = with_validation(dataset, found, path.name, validation, seed, pixels)
        notes.append(note)
    return found, notes


class _Names:
    """The images that a name may mean."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = set(ids)
        self._short: dict[str, list[str]] | None = None  # path without suffix, name, name without suffix -> ids

    def find(self, name: str) -> list[str]:
        """The ids that fit best: the id itself, a path that ends in it, the id without a suffix, the file's name."""
        if name in self._ids:
            return [name]
        path = name.replace("\\", "/").removeprefix("./")
        ends = [path]
        while "/" in ends[-1]:
            ends.append(ends[-1].partition("/")[2])
        if self._short is None:
            self._short = {}
            for one in sorted(self._ids):
                last = one.rpartition("/")[2]
                for key in {_stem(one), last, _stem(last)}:
                    self._short.setdefault(key, []).append(one)
        for end in ends:
            if end and end in self._ids:
                return [end]
            # A name alone means an image in any folder; at the end of a path it would be one in another folder.
            bare = end == path and "/" not in end
            same = [one for one in self._short.get(end, []) if bare or _stem(one) == end]
            if same:
                return same
        return []


def _stem(name: str) -> str:
    """A path without the suffix of an image."""
    if not is_image(name):
        return name
    return name[:-7] if name.lower().endswith(".nii.gz") else name.rpartition(".")[0]


def _entries(path: Path) -> Iterable[tuple[str, str]]:
    """(file, side) of every entry of a split file."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text ({' '.join(str(error).split())})") from None
    if path.suffix.lower() == ".json":
        return _json_entries(path, text)
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise InputError(f"--split-file is {path}; give a .csv, .tsv or .json file")
    return _table_entries(path, text)


def _table_entries(path: Path, text: str) -> list[tuple[str, str]]:
    first = text.partition("\n")[0]
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count)))
    except csv.Error as error:
        raise InputError(f"{path} is not a table ({error}); give the columns file and split") from None
    columns = {normal(name): name for name in (rows[0] if rows else {}) if name}
    if not {"file", "split"} <= set(columns):
        there = ", ".join(columns.values()) or "no rows"
        raise InputError(f"{path} must be a table with the columns file and split; it has {there}")
    return [((row[columns["file"]] or "").strip(), (row[columns["split"]] or "").strip()) for row in rows]


def _json_entries(path: Path, text: str) -> list[tuple[str, str]]:
    wanted = "give a list of objects with file and split, or an object with a list of files for each side"
    try:
        values: Any = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); {wanted}") from None
    if isinstance(values, dict) and isinstance(values.get("data"), dict) and "training" in values["data"]:
        values = {side: values["data"].get(side, []) for side in SIDES}  # run.json of a training
    if isinstance(values, dict) and all(isinstance(files, list) for files in values.values()):
        return [(str(file), str(side)) for side, files in values.items() for file in files]
    if isinstance(values, list) and all(isinstance(row, dict) and {"file", "split"} <= set(row) for row in values):
        return [(str(row["file"]), str(row["split"])) for row in values]
    raise InputError(f"{path} holds something else; {wanted}")


def _examples(names: Sequence[str]) -> str:
    """The first names, as the end of a sentence."""
    return ", ".join(names[:EXAMPLES]) + (" ..." if len(names) > EXAMPLES else ".")


def _images(count: int, place: str) -> str:
    return f"1 image of {place} is" if count == 1 else f"{count} images of {place} are"
