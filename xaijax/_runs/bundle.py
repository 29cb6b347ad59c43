"""Evidence bundles: a folder of maps with what was explained, by which model, from which pixels (docs/bundle.md).

    manifest.json        written last: schema and its version, versions, classes, model, methods, SHA-256 of every file
    images.csv           a row per image: image, pixels, target, predicted, and the probability of each class
    maps/METHOD.npz      `maps` float32 [N, H, W], in the order of images.csv; a row of NaN is an image without a map
    errors/METHOD.npz    the same of the standard errors of the maps, of methods that have them
    overlays/...         figures; nothing reads them

A bundle is written under a temporary name and renamed, so a folder with a manifest is whole. Reading checks the version
of the schema, the names (which cannot leave the folder) and the SHA-256 of every file; fields that it does not know are
ignored. Nothing here needs JAX.
"""

import csv
import dataclasses
import io
import json
import math
import shutil
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

import numpy as np

from xaijax import _names
from xaijax._errors import InputError
from xaijax._files import TEMPORARY
from xaijax._runs import provenance
from xaijax._runs.checksums import digest
from xaijax._runs.folder import check_replaceable, write_folder, write_json, write_text

SCHEMA = "xaijax.bundle"
VERSION = 1
MANIFEST = "manifest.json"
IMAGES = "images.csv"
COVERS = ("image", "centre")
PROBABILITY = "probability "  # before the name of a class, in the heading of its column
COLUMNS = ("image", "pixels", "target", "predicted")
TINY = 1e-35  # float32 loses digits below 1e-38
LONGEST = 80  # letters of the name of a method


@dataclasses.dataclass(frozen=True)
class MapsOf:
    """The maps of one method in a bundle.

    Attributes:
        name: of the method.
        file: in the bundle.
        shape: (N, H, W).
        absolute: whether the evidence is the magnitude of the maps; else it is the maps themselves.
        options: of the method, as they were given.
        errors: the file of their standard errors; `""` where there are none.
    """

    name: str
    file: str
    shape: tuple[int, int, int]
    absolute: bool
    options: Mapping[str, Any]
    errors: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle that was read and checked; its maps are read when they are asked for.

    Attributes:
        path: its folder.
        digest: SHA-256 of its manifest, which holds that of every file.
        images: `[N]` ids.
        pixels: `[N]` digests of the decoded pixels, `""` where there is none.
        targets: `[N]` names of the explained classes, `""` where the bundle does not say them.
        predicted: `[N]` names of the predicted classes, `""` likewise.
        classes: of the model, or empty.
        probabilities: `[N, K]`, NaN where there are none; None without classes.
        methods: name -> its maps.
        model: what is known of the model, such as `"name"` and `"digest"`.
        covers: `"image"`: maps cover the whole image; `"centre"`: its central part with the model's proportions.
    """

    path: Path
    digest: str
    images: tuple[str, ...] = dataclasses.field(repr=False)
    pixels: tuple[str, ...] = dataclasses.field(repr=False)
    targets: tuple[str, ...] = dataclasses.field(repr=False)
    predicted: tuple[str, ...] = dataclasses.field(repr=False)
    classes: tuple[str, ...]
    probabilities: np.ndarray | None = dataclasses.field(repr=False)
    methods: Mapping[str, MapsOf]
    model: Mapping[str, Any]
    covers: str

    @property
    def label(self) -> str:
        """A short name: that of the folder, or of the one above where it is just called "bundle"."""
        path = self.path.resolve()
        return path.parent.name if path.name == "bundle" and path.parent.name else path.name

    def maps(self, method: str, rows: Sequence[int] | None = None) -> np.ndarray:
        """Raw maps of a method.

        Args:
            method: a name in `methods`.
            rows: positions in `images`; default: all.

        Returns:
            `[n, H, W]` float32; NaN everywhere where an image has no map.
        """
        stored = _stored(self.path / self.methods[method].file, self.methods[method].shape)
        return np.array(stored if rows is None else stored[list(rows)], np.float32)

    def standard_errors(self, method: str, rows: Sequence[int] | None = None) -> np.ndarray | None:
        """Standard errors of the raw maps of a method, pixel by pixel.

        Args:
            method: a name in `methods`.
            rows: positions in `images`; default: all.

        Returns:
            `[n, H, W]` float32, or None where the bundle has none.
        """
        one = self.methods[method]
        if not one.errors:
            return None
        stored = _stored(self.path / one.errors, one.shape)
        return np.array(stored if rows is None else stored[list(rows)], np.float32)

    def evidence(self, method: str, maps: np.ndarray) -> np.ndarray:
        """Raw maps of a method as evidence, where higher means more important."""
        return np.abs(maps) if self.methods[method].absolute else maps

    def describe(self) -> dict[str, Any]:
        """What `run.json` keeps."""
        return {
            "path": str(self.path),
            "digest": self.digest,
            "images": len(self.images),
            "methods": list(self.methods),
            "model": dict(self.model),
        }


@dataclasses.dataclass(frozen=True)
class Row:
    """One image of a bundle.

    Attributes:
        image: its id.
        pixels: digest of its decoded pixels (`xaijax.data.images.fingerprint`), or `""`.
        target: name of the explained class, or `""`.
        probabilities: `[K]` of the classes, or None.
    """

    image: str
    pixels: str = ""
    target: str = ""
    probabilities: Sequence[float] | None = None


class Writer:
    """Fills a bundle image by image, so that no more than one map of each method is in memory.

    Args:
        folder: to fill; not in its final place yet (`writing` puts it there).
        classes: of the model, or empty.
    """

    def __init__(self, folder: Path, classes: Sequence[str] = ()) -> None:
        self.folder = folder
        self.classes = tuple(map(str, classes))
        self._rows: list[Row] = []
        self._ids: set[str] = set()
        self._shapes: dict[str, tuple[int, int]] = {}
        self._missing: dict[str, int] = {}
        self._with_errors: tuple[str, ...] = ()
        (folder / "maps").mkdir(parents=True)

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self,
        row: Row,
        maps: Mapping[str, np.ndarray | None],
        overlays: Mapping[str, bytes] | None = None,
        errors: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Adds an image.

        Args:
            row: what is known of it.
            maps: method -> `[H, W]` raw; None where there is none. The same methods, and one size for each, in every
                call.
            overlays: file name -> PNG.
            errors: method -> `[H, W]` standard errors of its map, of methods that have them; the same in every call.

        Raises:
            InputError: for ids that are used twice, maps that do not fit, and values that are not finite.
        """
        _check_text("an image id", row.image)
        if row.image in self._ids:
            raise InputError(f"the image id {row.image!r} is used twice; ids must be unique")
        if not self._rows:
            for number, name in enumerate(maps):
                _check_method(name, list(maps)[:number])
            self._missing = dict.fromkeys(maps, 0)
            self._with_errors = tuple(errors or ())
        if set(maps) != set(self._missing):
            raise InputError(f"image {row.image!r} must have maps of {', '.join(self._missing)}; got {', '.join(maps)}")
        ready = {name: None if heat is None else _checked(name, row.image, heat) for name, heat in maps.items()}
        sure = {name: _checked(name, row.image, error) for name, error in (errors or {}).items()}
        wrong = next((n for n in sure if ready.get(n) is None or ready[n].shape != sure[n].shape), None)  # type: ignore[union-attr]
        if set(sure) != set(self._with_errors) or wrong is not None:
            raise InputError(f"standard errors of {row.image!r} must be those of the maps of {self._with_errors}")
        if all(heat is None for heat in ready.values()):
            raise InputError(f"the image {row.image!r} has no map by any method; leave it out")
        for name, heat in ready.items():
            shape = self._shapes.get(name)
            if heat is not None and shape is None:
                self._shapes[name] = shape = (heat.shape[0], heat.shape[1])
                blank = np.full(shape, np.nan, "<f4").tobytes()
                with self._open(name) as file:  # those without a map so far
                    for _ in range(len(self._rows)):
                        file.write(blank)
            if heat is not None and heat.shape != shape:
                raise InputError(
                    f"the maps of {name} must have one size; {row.image!r} has {heat.shape}, the first had {shape}"
                )
            self._missing[name] += heat is None
            if shape is not None:
                with self._open(name) as file:
                    file.write((np.full(shape, np.nan) if heat is None else heat).astype("<f4").tobytes())
        for name, error in sure.items():
            with self._open(name, errors=True) as file:
                file.write(error.astype("<f4").tobytes())
        for name, data in (overlays or {}).items():
            path = self.folder / "overlays" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        self._rows.append(row)
        self._ids.add(row.image)

    def finish(
        self,
        *,
        absolute: Collection[str] = (),
        options: Mapping[str, Mapping[str, Any]] | None = None,
        model: Mapping[str, Any] | None = None,
        covers: str = "image",
        notes: Sequence[str] = (),
    ) -> None:
        """Writes the table of images, the files of maps, and the manifest last.

        Args:
            absolute: methods whose evidence is the magnitude of their maps.
            options: of the methods.
            model: what is known of the model, JSON values.
            covers: see `Bundle`.
            notes: sentences on what was assumed.

        Raises:
            InputError: for a bundle without images, or a method without maps.
        """
        empty = [name for name in self._missing if name not in self._shapes]
        if not self._rows or empty:
            raise InputError(f"a bundle needs maps; {f'{empty[0]} has none' if empty else 'there is no image'}")
        methods: dict[str, Any] = {}
        ids = np.array([row.image for row in self._rows])
        for number, (name, shape) in enumerate(self._shapes.items()):
            file = f"maps/{_file_name(name, number)}.npz"
            _pack(self._raw(name), self.folder / file, (len(ids), *shape), ids)
            more = {}
            if name in self._with_errors:
                more = {"errors": f"errors/{_file_name(name, number)}.npz"}
                (self.folder / "errors").mkdir(exist_ok=True)
                _pack(self._raw(name, errors=True), self.folder / more["errors"], (len(ids), *shape), ids)
            methods[name] = more | {
                "file": file,
                "shape": [len(ids), *shape],
                "absolute": name in absolute,
                "options": dict((options or {}).get(name, {})),
                "missing": self._missing[name],
            }
        write_text(self.folder / IMAGES, _table(self._rows, self.classes))
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        write_json(
            self.folder / MANIFEST,
            {
                "schema": SCHEMA,
                "version": VERSION,
                "created": provenance.now(),
                "versions": provenance.versions(),
                "images": IMAGES,
                "classes": list(self.classes),
                "covers": covers,
                "model": dict(model or {}),
                "methods": methods,
                "notes": list(notes),
                "files": {path.relative_to(self.folder).as_posix(): digest(path) for path in files},
            },
        )

    def _raw(self, name: str, *, errors: bool = False) -> Path:
        return self.folder / "maps" / f"{TEMPORARY}{list(self._missing).index(name)}{'e' * errors}"

    def _open(self, name: str, *, errors: bool = False) -> BinaryIO:
        return self._raw(name, errors=errors).open("ab")


def writing(out: Path, fill: Callable[[Path], None], *, overwrite: bool = False) -> None:
    """Lets `fill` make a bundle in a temporary folder and puts it at `out`, whole; after an error nothing is there.

    Args:
        out: the folder; it must not exist, or be empty, or with `overwrite` hold a bundle.
        fill: makes the bundle in the folder that it is given.
        overwrite: whether a bundle in `out` is replaced.

    Raises:
        InputError: where `out` holds something else.
    """
    write_folder(out, fill, "bundle", is_one=_is_bundle, overwrite=overwrite)


def check_out(out: Path, *, overwrite: bool = False) -> None:
    """Refuses a folder that a bundle cannot be written to; see `writing`."""
    check_replaceable(out, "bundle", is_one=_is_bundle, overwrite=overwrite)


def _is_bundle(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


def read(path: str | Path) -> Bundle:
    """Reads and checks a bundle.

    Args:
        path: its folder.

    Raises:
        InputError: for a folder without a manifest, another schema or version, a file that is missing, outside the
            folder or altered, and maps that do not fit.
    """
    folder = Path(path).expanduser()
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise InputError(f"{path} is not an evidence bundle: it has no {MANIFEST}")
    try:
        said = json.loads(manifest.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{manifest} cannot be read: {' '.join(str(error).split())}; write the bundle again"
        ) from error
    if not isinstance(said, dict) or said.get("schema") != SCHEMA:
        raise InputError(f"{manifest} does not describe an evidence bundle: its schema is not {SCHEMA!r}")
    if said.get("version") != VERSION:
        raise InputError(
            f"the bundle {path} has version {said.get('version')!r} of the schema and this xaijax reads {VERSION}; "
            "write it again, or use the xaijax that wrote it"
        )
    try:
        return _read(folder, said)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{manifest} is damaged ({type(error).__name__}: {error})") from error


def _read(folder: Path, said: Mapping[str, Any]) -> Bundle:
    for name, kept in said["files"].items():
        file = _inside(folder, name)
        if not file.is_file():
            raise InputError(f"the bundle {folder} lacks its file {name}: put it back, or write the bundle again")
        if digest(file) != kept:
            raise InputError(
                f"the file {name} of the bundle {folder} is not the one that was written: its SHA-256 differs"
            )
    listed = said["files"]
    table = said["images"]
    if table not in listed:
        raise InputError(f"the manifest of {folder} lists no SHA-256 of {table}")
    classes = tuple(map(str, said.get("classes", ())))
    columns, probabilities = _parse(_inside(folder, table), classes)
    covers = said.get("covers", "image")
    if covers not in COVERS:
        raise InputError(f"the bundle {folder} covers {covers!r}; this xaijax knows {' and '.join(COVERS)}")
    methods: dict[str, MapsOf] = {}
    for name, entry in said["methods"].items():
        _check_method(name, list(methods))
        shape = tuple(map(int, entry["shape"]))
        if entry["file"] not in listed:
            raise InputError(f"the manifest of {folder} lists no SHA-256 of {entry['file']}")
        if len(shape) != 3 or shape[0] != len(columns["image"]) or min(shape) < 1:
            raise InputError(
                f"the maps of {name} in {folder} must be [N, H, W] with N = {len(columns['image'])}; got {shape}"
            )
        _stored(_inside(folder, entry["file"]), shape)
        errors = str(entry.get("errors", ""))
        if errors and errors not in listed:
            raise InputError(f"the manifest of {folder} lists no SHA-256 of {errors}")
        if errors:
            _stored(_inside(folder, errors), shape)
        own = dict(entry.get("options", {}))
        methods[name] = MapsOf(name, entry["file"], shape, bool(entry.get("absolute")), own, errors)
    if not methods:
        raise InputError(f"the bundle {folder} has no maps: write it again with the maps of a method")
    return Bundle(
        path=folder,
        digest=digest(folder / MANIFEST),
        images=tuple(columns["image"]),
        pixels=tuple(columns["pixels"]),
        targets=tuple(columns["target"]),
        predicted=tuple(columns["predicted"]),
        classes=classes,
        probabilities=probabilities,
        methods=methods,
        model=dict(said.get("model", {})),
        covers=covers,
    )


def _inside(folder: Path, name: str) -> Path:
    """The path of a file of a bundle, which cannot leave its folder."""
    parts = PurePosixPath(name).parts
    windows = PureWindowsPath(name)  # a bundle may travel
    outside = not parts or name.startswith("/") or ".." in (*parts, *windows.parts) or windows.anchor or "\0" in name
    path = folder / name
    if outside or not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"the manifest of {folder} names {name!r}, which is outside the bundle: put the file inside")
    return path


def _parse(path: Path, classes: Sequence[str]) -> tuple[dict[str, list[str]], np.ndarray | None]:
    """The columns of the table of images, and the probabilities `[N, K]`."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    if not rows or "image" not in rows[0]:
        raise InputError(f"{path} must have a row for each image, with the column image")
    columns = {name: [row.get(name) or "" for row in rows] for name in COLUMNS}
    ids = columns["image"]
    if len(set(ids)) != len(ids) or "" in ids:
        raise InputError(f"{path} must have a different id in every row")
    if not classes:
        return columns, None
    texts = [[row.get(PROBABILITY + name) or "nan" for name in classes] for row in rows]
    return columns, np.array(texts, np.float64).reshape(len(ids), len(classes))


def _table(rows: Sequence[Row], classes: Sequence[str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, *(PROBABILITY + name for name in classes)])
    for row in rows:
        given = row.probabilities
        chances = [] if given is None else [float(value) for value in given]
        if given is not None and (len(chances) != len(classes) or not all(map(math.isfinite, chances))):
            raise InputError(
                f"the predictions of {row.image!r} must be {len(classes)} finite numbers, one per class; got {chances}"
            )
        guess = "" if not chances else classes[int(np.argmax(chances))]
        texts = [repr(value) for value in chances] or [""] * len(classes)
        writer.writerow([row.image, row.pixels, row.target, guess, *texts])
    return out.getvalue()


def _checked(method: str, image: str, heat: Any) -> np.ndarray:
    values = np.asarray(heat)
    if values.ndim != 2 or values.dtype.kind not in "fiu" or 0 in values.shape:
        raise InputError(f"the map of {image!r} by {method} must be [H, W] numbers; got {values.dtype} {values.shape}")
    largest = float(np.abs(values).max())
    values = values.astype(np.float32)
    if 0 < largest < TINY:
        raise InputError(
            f"the map of {image!r} by {method} holds numbers up to {largest:.1e}, which float32 cannot tell apart; "
            "multiply all maps of the method by one large number"
        )
    if not np.isfinite(values).all():
        raise InputError(
            f"the map of {image!r} by {method} holds NaN or infinity; leave the image out or repair the map"
        )
    return values


def _check_text(what: str, text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"{what} must be text in Unicode; got {text!r}") from None
    if not text or any(ord(letter) < 32 for letter in text):
        raise InputError(f"{what} must be text without line breaks; got {text!r}")


def _check_method(name: str, others: Sequence[str]) -> None:
    _check_text("the name of a method", name)
    if len(name) > LONGEST or not _names.normal(name):
        raise InputError(f"the name of a method must be 1 to {LONGEST} letters or digits; got {name!r}")
    double = next((other for other in others if _names.normal(other) == _names.normal(name)), None)
    if double is not None:
        raise InputError(f"the methods {double} and {name} have one name: case, spaces and hyphens do not count")


def _file_name(method: str, number: int) -> str:
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in method)
    return letters if letters == method.replace(" ", "_").replace("-", "_") else f"{number:02d}_{letters}"


def _pack(raw: Path, path: Path, shape: tuple[int, int, int], ids: np.ndarray) -> None:
    """Rows of float32 as an `.npz` that is not compressed, so that single rows can be read; removes the rows."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        with archive.open(_entry("maps.npy"), "w", force_zip64=True) as target, raw.open("rb") as source:
            np.lib.format.write_array_header_1_0(target, header)
            shutil.copyfileobj(source, target, 1 << 20)
        with archive.open(_entry("images.npy"), "w") as target:
            np.lib.format.write_array(target, ids, allow_pickle=False)
    raw.unlink()


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name)  # a fixed date: the same maps give the same file


def _stored(path: Path, shape: Sequence[int]) -> np.ndarray:
    """`maps` of an `.npz`: on the disk where it is stored plainly, else in memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo("maps.npy")
            with archive.open(entry) as file:
                version = np.lib.format.read_magic(file)
                reader = (
                    np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                )
                found, fortran, kind = reader(file)
                start = file.tell()
            if tuple(found) != tuple(shape) or kind != np.dtype("<f4") or fortran:
                raise InputError(
                    f"{path} holds maps of {kind} {tuple(found)}; the manifest says float32 {tuple(shape)}, rows first"
                )
            if entry.file_size - start != 4 * math.prod(shape):
                raise InputError(f"{path} holds fewer or more values than its maps need")
            if entry.compress_type != zipfile.ZIP_STORED:
                with np.load(path) as arrays:
                    return np.asarray(arrays["maps"])
        with path.open("rb") as raw:
            raw.seek(entry.header_offset)
            local = raw.read(30)
            # The local header has a name and an extra field of its own lengths, the last two of its numbers.
            skipped = 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
        offset = entry.header_offset + skipped + start
        return np.memmap(path, np.dtype("<f4"), "r", offset, tuple(shape))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not a readable file of maps ({' '.join(str(error).split())})") from error
