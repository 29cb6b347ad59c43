"""Damaged, absurd and malicious inputs of every kind that xaijax reads; `hostile.py` hands them to the commands.

Each input is a file or a folder that is made in an empty folder, the arguments of a command that reads it, and the name
that the refusal must contain.
"""

import dataclasses
import functools
import gzip
import io
import json
import pickle
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(0).integers(0, 256, 4096, np.uint8).tobytes()
CLASSES = ("glioma", "meningioma")  # of the model that comes with xaijax
BENCH = (
    "bench",
    "--calibration",
    "none",
    "--methods",
    "random",
    "--metrics",
    "sparseness",
    "--count",
    "4",
    "--out",
    "out",
)


@dataclasses.dataclass(frozen=True)
class Input:
    """One input.

    Attributes:
        kind: the door that it comes through.
        name: what is wrong with it.
        make: writes it into an empty folder.
        arguments: of the command, `{}` stands for that folder.
        named: what the refusal must contain, one of these with | between: the file's name, the option, its value.
        before: what is done in the process before the command, such as limiting what it may write.
    """

    kind: str
    name: str
    make: Callable[[Path], None]
    arguments: tuple[str, ...]
    named: str
    before: Callable[[], None] | None = None


def inputs() -> Iterator[Input]:
    """All of them, in the order of the doors."""
    for doors in (images, tables, masks, models, scripts, bundles, run_folders, calibrations, configurations, options):
        yield from doors()
    yield from conditions()


def picture(kind: str, side: int = 32) -> bytes:
    """A whole image of a format."""
    from PIL import Image

    pixels = np.random.default_rng(1).integers(0, 255, (side, side), np.uint8)
    if kind in ("dcm", "nii", "nii.gz"):
        return _medical(kind, pixels)
    found = io.BytesIO()
    names = {"jpg": "JPEG", "tif": "TIFF", "ppm": "PPM", "jp2": "JPEG2000"}
    Image.fromarray(pixels).convert("RGB").save(found, names.get(kind, kind.upper()))
    return found.getvalue()


def _medical(kind: str, pixels: np.ndarray, **changed: Any) -> bytes:
    if kind == "dcm":
        import pydicom
        from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

        made = pydicom.Dataset()
        made.file_meta = pydicom.dataset.FileMetaDataset()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = SecondaryCaptureImageStorage
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid(entropy_srcs=["hostile"])
        made.Modality, made.PhotometricInterpretation, made.SamplesPerPixel = "CR", "MONOCHROME2", 1
        made.Rows, made.Columns = pixels.shape
        made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
        made.PixelData = pixels.tobytes()
        for name, value in changed.items():
            setattr(made, name, value)
        found = io.BytesIO()
        pydicom.dcmwrite(found, made, enforce_file_format=True)
        return found.getvalue()
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, *changed.get("dim", (2, *pixels.shape, 1, 1, 1, 1, 1)))
    struct.pack_into("<2h", header, 70, changed.get("datatype", 2), 8)
    struct.pack_into("<8f", header, 76, *([1.0] * 8))
    struct.pack_into("<f", header, 108, 352.0)
    header[344:348] = b"n+1\0"
    whole = bytes(header) + pixels.tobytes()
    return gzip.compress(whole, mtime=0) if kind == "nii.gz" else whole


def images() -> Iterator[Input]:
    """Every format, cut off, overwritten, or with sizes that no memory has."""
    for kind in ("png", "jpg", "bmp", "gif", "tif", "webp", "tga", "ppm", "jp2", "dcm", "nii", "nii.gz"):
        whole = picture(kind)
        damaged = {
            "empty": b"",
            "20 bytes": whole[:20],
            "half": whole[: len(whole) // 2],
            "random bytes": RANDOM,
            "random after the first bytes": whole[:12] + RANDOM,
            "text": b"these are words, no pixels\n" * 40,
            "zeros": bytes(2048),
        }
        if kind in ("tga", "gif"):
            damaged.pop("half")  # what there is can be read
        for name, content in damaged.items():
            yield _image(kind, name, content)
    yield _image("png", "60,000 x 60,000 pixels", _png(60_000, 60_000))
    yield _image("png", "0 x 0 pixels", _png(0, 0))
    yield _image("png", "wrong check sums", picture("png")[:40] + bytes(200))
    yield _image("bmp", "100,000 x 100,000 pixels", _patched(picture("bmp"), 18, struct.pack("<ii", 100_000, 100_000)))
    yield _image("gif", "65,535 x 65,535 pixels", _patched(picture("gif"), 6, struct.pack("<HH", 65_535, 65_535)))
    yield _image("ppm", "99,999 x 99,999 pixels", b"P6\n99999 99999\n255\n" + RANDOM)
    yield _image("tga", "65,535 x 65,535 pixels", _patched(picture("tga"), 12, struct.pack("<HH", 65_535, 65_535)))
    yield _image(
        "dcm", "65,535 x 65,535 pixels", _medical("dcm", np.zeros((2, 2), np.uint8), Rows=65535, Columns=65535)
    )
    yield _image("dcm", "no pixels", _medical("dcm", np.zeros((2, 2), np.uint8), PixelData=b""))
    yield _image("dcm", "0 rows", _medical("dcm", np.zeros((2, 2), np.uint8), Rows=0))
    small = np.zeros((4, 4), np.uint8)
    yield _image("nii", "32,767 cubed", _medical("nii", small, dim=(3, 32767, 32767, 32767, 1, 1, 1, 1)))
    yield _image("nii", "negative sizes", _medical("nii", small, dim=(2, -4, -4, 1, 1, 1, 1, 1)))
    yield _image("nii", "unknown numbers", _medical("nii", small, datatype=9999))
    yield _image("nii.gz", "unpacks to 2 GB", _bomb())


def _image(kind: str, name: str, content: bytes) -> Input:
    def make(place: Path) -> None:
        for label in CLASSES:
            (place / label).mkdir()
            (place / label / f"scan.{kind}").write_bytes(content)

    return Input("images", f"{kind}: {name}", make, (*BENCH, "--data", "{}"), f"scan.{kind}")


def _png(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def _patched(content: bytes, place: int, changed: bytes) -> bytes:
    return content[:place] + changed + content[place + len(changed) :]


def _bomb() -> bytes:
    """A NIfTI image of 2 GB of zeros in 2 MB: members of one archive, one after the other."""
    head = _medical("nii", np.zeros((1, 1), np.uint8), dim=(3, 32767, 32767, 2, 1, 1, 1, 1))
    return gzip.compress(head, mtime=0) + gzip.compress(bytes(1 << 24), mtime=0) * 128


def _good_images(place: Path, *names: str) -> None:
    for number, name in enumerate(names or ("1.png", "2.png")):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(picture("png", 32 + number))


def tables() -> Iterator[Input]:
    """labels.csv and what lies in its place."""
    rows = "image,label\n1.png,a\n2.png,b\n"
    texts: dict[str, str | bytes] = {
        "empty": "",
        "blank lines": "\n\n\n",
        "a header alone": "image,label\n",
        "random bytes": RANDOM,
        "zero bytes": bytes(500),
        "zero bytes between": rows.replace("a", "a\0"),
        "UTF-16 without its mark": rows.encode("utf-16-le"),
        "no column of images": "x,label\n1.png,a\n2.png,b\n",
        "no column of labels": "image,x\n1.png,a\n2.png,b\n",
        "one column": "image\n1.png\n2.png\n",
        "no image there": "image,label\n8.png,a\n9.png,b\n",
        "no class": "image,label\n1.png,\n2.png,\n",
        "one class": "image,label\n1.png,a\n2.png,a\n",
        "NaN for classes": "image,label\n1.png,NaN\n2.png,NaN\n",
        "an image in two classes": "image,label\n1.png,a\n1.png,b\n2.png,b\n",
        "outside the folder": "image,label\n../../1.png,a\n../../2.png,b\n",
        "absolute paths": "image,label\n/etc/hostname,a\n/etc/passwd,b\n",
        "an open quote": 'image,label\n"1.png,a\n2.png,b\n',
        "a cell of 1 MB": "image,label\n" + "x" * 1_000_000 + ",a\n2.png,b\n",
        "a class of 1 MB": "image,label\n1.png," + "x" * 1_000_000 + "\n2.png,\n",
        "100,000 columns": ",".join(f"c{i}" for i in range(100_000)) + "\n" + "1," * 99_999 + "1\n",
        "two columns of one name": "image,label,label\n1.png,a,b\n2.png,b,a\n",
        "JSON": json.dumps({"image": ["1.png"], "label": ["a"]}),
        "HTML": "<!doctype html><html><body>Not found</body></html>",
        "a pickle": pickle.dumps({"image": ["1.png"], "label": ["a"]}),
        "a zip archive": _archive(labels=b"1.png"),
        "only the header of a spreadsheet": b"PK\x03\x04" + RANDOM,
        "line breaks in names": 'image,label\n"1\n.png",a\n"2\n.png",b\n',
    }
    for name, text in texts.items():

        def make(place: Path, text: str | bytes = text) -> None:
            _good_images(place)
            (place / "labels.csv").write_bytes(text if isinstance(text, bytes) else text.encode())

        arguments = (*BENCH, "--data", "{}", "--labels", "{}/labels.csv")
        yield Input("tables", name, make, arguments, "labels.csv|data set 'input'")
    columns = [(f"--{name}-column", "nowhere") for name in ("image", "label", "group", "split")]
    for name, column in (*columns, ("--label-column", ""), ("--image-column", "x" * 5000)):

        def plain(place: Path) -> None:
            _good_images(place)
            (place / "labels.csv").write_text(rows)

        arguments = (*BENCH, "--data", "{}", "--labels", "{}/labels.csv", name, column)
        yield Input("tables", f"{name} {column[:10]!r}", plain, arguments, f"{name}|labels.csv")


def masks() -> Iterator[Input]:
    """Masks, boxes and arrays of a data set that cannot be used where a metric needs them."""
    contents = {
        "empty": b"",
        "random bytes": RANDOM,
        "text": b"no mask",
        "60,000 x 60,000 pixels": _png(60_000, 60_000),
        "half": picture("png")[:200],
    }
    for name, content in contents.items():

        def make(place: Path, content: bytes = content) -> None:
            for label in CLASSES:
                _good_images(place, f"{label}/1.png")
                (place / label / "1_mask.png").write_bytes(content)

        arguments = (*(word.replace("sparseness", "iou") for word in BENCH), "--data", "{}", "--mask-role", "lesion")
        yield Input("masks", name, make, arguments, "iou")
    good = {"train_images": np.zeros((4, 8, 8), np.uint8), "train_labels": np.array([0, 1, 0, 1])}
    arrays: dict[str, Mapping[str, Any] | bytes] = {
        "empty": b"",
        "random bytes": RANDOM,
        "no zip archive": b"PK\x03\x04" + RANDOM,
        "no arrays": {},
        "no labels": {"train_images": good["train_images"]},
        "no images": {"train_labels": good["train_labels"]},
        "fewer labels than images": good | {"train_labels": np.array([0])},
        "images with one axis": good | {"train_images": np.zeros(4)},
        "images with six axes": good | {"train_images": np.zeros((4, 2, 2, 2, 2, 2), np.uint8)},
        "NaN for pixels": good | {"train_images": np.full((4, 8, 8), np.nan)},
        "infinity for pixels": good | {"train_images": np.full((4, 8, 8), np.inf)},
        "words for pixels": good | {"train_images": np.full((4, 8, 8), "x")},
        "complex pixels": good | {"train_images": np.zeros((4, 8, 8), complex)},
        "labels that are no whole numbers": good | {"train_labels": np.array([0.5, 1, 0, 1])},
        "one class": good | {"train_labels": np.zeros(4, int)},
        "a size that is not there": _huge_array("train_images", (4, 60_000, 60_000)),
        "pickled objects": _pickled("train_images"),
    }
    for name, content in arrays.items():

        def write(place: Path, content: Any = content) -> None:
            if isinstance(content, bytes):
                (place / "data.npz").write_bytes(content)
            else:
                np.savez(place / "data.npz", **content)

        yield Input("arrays", name, write, (*BENCH, "--data", "{}/data.npz"), "data.npz|data set 'data'")


def _archive(**members: bytes) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "."), content)
    return found.getvalue()


def _huge_array(name: str, shape: tuple[int, ...], kind: str = "|u1") -> bytes:
    """An archive of an array whose header says much more than is there."""
    found = io.BytesIO()
    np.lib.format.write_array_header_1_0(found, {"descr": kind, "fortran_order": False, "shape": shape})
    return _archive(**{f"{name}__npy": found.getvalue() + bytes(64)})


class _Hostile:
    """Writes a file where it is unpickled."""

    def __reduce__(self) -> Any:
        return open, ("opened", "w")


def _pickled(name: str) -> bytes:
    found = io.BytesIO()
    np.lib.format.write_array(found, np.array([_Hostile()], object), allow_pickle=True)
    return _archive(**{f"{name}__npy": found.getvalue()})


def models() -> Iterator[Input]:
    """Files of weights in every format."""
    for ending in ("safetensors", "h5", "weights.h5", "keras", "npz", "pth", "ckpt", "pt2", "onnx"):
        name = f"net.{ending}"
        contents = {
            "empty": b"",
            "random bytes": RANDOM,
            "text": b"these are no weights\n" * 30,
            "a pickle that runs code": pickle.dumps(_Hostile()),
            "a zip archive of nothing": _archive(a=b""),
            "a zip archive with a pickle": _archive(**{"archive/data__pkl": pickle.dumps(_Hostile())}),
            "the first bytes alone": {"h5": b"\x89HDF\r\n\x1a\n", "weights.h5": b"\x89HDF\r\n\x1a\n"}.get(
                ending, b"PK\x03\x04"
            ),
        }
        for wrong, content in contents.items():
            yield _model(name, wrong, content)
    for wrong, header in (
        ("a header of 2^60 bytes", struct.pack("<Q", 2**60)),
        ("a header that is a list", _header([])),
        ("an array beyond the end", _header({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 800]}})),
        ("an array of 10^18 numbers", _header({"w": {"dtype": "F32", "shape": [10**18], "data_offsets": [0, 8]}})),
        ("numbers of an unknown kind", _header({"w": {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}})),
        ("a description that is a number", _header({"__metadata__": {"xaijax": "3"}})),
        ("a description in 100,000 brackets", _header({"__metadata__": {"xaijax": "[" * 100_000}})),
    ):
        yield _model("net.safetensors", wrong, header)
    yield _model("net.npz", "an array of 10^12 numbers", _huge_array("w", (10**12,), "<f4"))
    yield _model("net.npz", "pickled objects", _pickled("w"))
    yield _model("net.keras", "an architecture that is no JSON", _archive(config__json=b"{", model__weights__h5=b""))
    lambdas = {"class_name": "Functional", "config": {"layers": [{"class_name": "Lambda", "config": {}}]}}
    yield _model("net.keras", "a layer of code", _archive(config__json=json.dumps(lambdas).encode()))
    yield _model("net.json", "an unknown ending", b"{}")
    yield _model("net", "no ending", RANDOM)
    yield Input("models", "a folder without a model", lambda place: (place / "net").mkdir(), _of_model("net"), "net")
    yield Input("models", "not there", lambda place: None, _of_model("absent.safetensors"), "absent.safetensors")
    yield Input("models", "an unknown name", lambda place: None, (*BENCH, "--model", "timm:no_such_net"), "no_such_net")


def _header(value: Any) -> bytes:
    text = json.dumps(value).encode()
    return struct.pack("<Q", len(text)) + text


def _of_model(name: str) -> tuple[str, ...]:
    return (*BENCH, "--model", f"{{}}/{name}")


def _model(name: str, wrong: str, content: bytes) -> Input:
    return Input("models", f"{name}: {wrong}", lambda place: _write(place / name, content), _of_model(name), name)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def scripts() -> Iterator[Input]:
    """Functions of scripts that fail, or give what is no prediction."""
    begin = "import numpy as np\nclasses = ('glioma', 'meningioma', 'pituitary')\ninput_shape = (32, 32, 1)\n"
    codes = {
        "no Python": "this is no Python",
        "an error at the start": "raise RuntimeError('no licence')",
        "a package that is not there": "import no_such_package",
        "it exits": "import sys\nsys.exit(3)",
        "no function of this name": begin,
        "no function but a number": begin + "predict = 3",
        "no size of images": "import numpy as np\ndef predict(x): return np.ones((len(x), 3)) / 3",
        "it raises": begin + "def predict(x): raise KeyError('gone')",
        "it needs two arguments": begin + "def predict(x, y): return x",
        "None": begin + "def predict(x): return None",
        "words": begin + "def predict(x): return ['a'] * len(x)",
        "NaN": begin + "def predict(x): return np.full((len(x), 3), np.nan)",
        "infinity": begin + "def predict(x): return np.full((len(x), 3), np.inf)",
        "too few rows": begin + "def predict(x): return np.ones((1, 3)) / 3",
        "too few classes": begin + "def predict(x): return np.ones((len(x), 2)) / 2",
        "no probabilities": begin + "def predict(x): return np.full((len(x), 3), 7.0)",
        "images of 10^6 x 10^6": begin.replace("32, 32", "10**6, 10**6")
        + "def predict(x): return np.ones((len(x), 3)) / 3",
        "images of no size": begin.replace("32, 32", "0, 0") + "def predict(x): return np.ones((len(x), 3)) / 3",
        "zero bytes": "\0\0\0",
    }
    for name, code in codes.items():
        yield Input(
            "scripts",
            name,
            lambda place, code=code: (place / "net.py").write_text(code),
            (*BENCH, "--model", "{}/net.py:predict"),
            "net.py",
        )


def _bundle(place: Path) -> Path:
    from xaijax import bundle

    maps = {"cam": np.random.default_rng(0).random((3, 8, 8))}
    return bundle.write(place / "maps", images=["1", "2", "3"], maps=maps, classes=["a", "b"])


def bundles() -> Iterator[Input]:
    """Evidence bundles that were altered."""
    changes: dict[str, Mapping[str, Any]] = {
        "another version": {"version": 9},
        "another schema": {"schema": "other"},
        "no files": {"files": {}},
        "files that are no table": {"files": None},
        "a file outside": {"files": {"../secret": "00"}},
        "an absolute file": {"files": {"/etc/hostname": "00"}},
        "a file that is not there": {"files": {"absent.npz": "00"}},
        "a wrong digest": {"files": {"images.csv": "00"}},
        "no methods": {"methods": {}},
        "a map of another shape": {"methods": {"m": {"file": "maps/cam.npz", "shape": [3, 1, 1]}}},
        "10^12 maps": {"methods": {"m": {"file": "maps/cam.npz", "shape": [10**12, 8, 8]}}},
        "a shape of words": {"methods": {"m": {"file": "maps/cam.npz", "shape": ["x"]}}},
    }
    for name, change in changes.items():

        def make(place: Path, change: Mapping[str, Any] = change) -> None:
            manifest = _bundle(place) / "manifest.json"
            manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))

        yield Input("bundles", name, make, (*BENCH, "--maps", "{}/maps"), "maps")
    files: dict[str, tuple[str, bytes]] = {
        "a manifest of random bytes": ("manifest.json", RANDOM),
        "an empty manifest": ("manifest.json", b""),
        "a manifest that is a list": ("manifest.json", b"[]"),
        "a manifest in 100,000 brackets": ("manifest.json", b"[" * 100_000),
        "images of random bytes": ("images.csv", RANDOM),
        "maps of random bytes": ("maps/cam.npz", RANDOM),
        "maps of pickled objects": ("maps/cam.npz", _pickled("maps")),
        "maps larger than any memory": ("maps/cam.npz", _huge_array("maps", (3, 10**6, 10**6), "<f4")),
    }
    for name, (file, content) in files.items():

        def spoil(place: Path, file: str = file, content: bytes = content) -> None:
            _write(_bundle(place) / file, content)

        yield Input("bundles", name, spoil, (*BENCH, "--maps", "{}/maps"), "maps")
    yield Input("bundles", "not there", lambda place: None, (*BENCH, "--maps", "{}/absent"), "absent")


JSON = {
    "empty": b"",
    "random bytes": RANDOM,
    "an open bracket": b"{",
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "no entries": b"{}",
    "100,000 brackets": b"[" * 100_000,
    "a number of 10,000 digits": b'{"config": ' + b"9" * 10_000 + b"}",
    "words for values": b'{"config": "x", "metrics": "y", "model": "z", "data": "w"}',
    "UTF-16": '{"config": {}}'.encode("utf-16"),
}


def run_folders() -> Iterator[Input]:
    """Run folders to be resumed or verified whose files are others."""
    for name, content in JSON.items():
        yield Input(
            "run folders",
            f"run.json: {name}",
            lambda place, content=content: _write(place / "run.json", content),
            ("bench", "--out", "{}", "--resume"),
            "run.json",
        )
    for file in ("checksums.json", "parts/00-builtin-0000.json"):
        for name in ("empty", "random bytes", "a list", "no entries", "100,000 brackets"):

            def make(place: Path, file: str = file, content: bytes = JSON[name]) -> None:
                from xaijax._runs import checksums

                checksums.write_signed(place / "run.json", {"kind": "run", "config": {}})
                (place / file).parent.mkdir(exist_ok=True)
                _write(place / file, content)

            yield Input("run folders", f"{file}: {name}", make, ("verify", "{}"), Path(file).name)
    yield Input("run folders", "a file", lambda place: _write(place / "run", b""), ("verify", "{}/run"), "run")
    yield Input("run folders", "an empty folder", lambda place: None, ("verify", "{}"), "no run")
    yield Input("run folders", "not there", lambda place: None, ("bench", "--out", "{}/x", "--resume"), "x")


def calibrations() -> Iterator[Input]:
    """calibration.json of a folder that --calibration names."""
    more = {
        "no metrics": b'{"schema": "xaijax.calibration", "version": 1, "metrics": {}}',
        "metrics that are a list": b'{"schema": "xaijax.calibration", "version": 1, "metrics": []}',
        "a version to come": b'{"schema": "xaijax.calibration", "version": 99}',
        "NaN for a version": b'{"version": NaN}',
    }
    words = [word for word in BENCH if word not in ("--calibration", "none")]
    words[words.index("sparseness")] = "deletion_black"
    for name, content in (JSON | more).items():
        yield Input(
            "calibrations",
            name,
            lambda place, content=content: _write(place / "calibration.json", content),
            (*words, "--calibration", "{}"),
            "calibration",
        )
    yield Input("calibrations", "an empty folder", lambda place: None, (*words, "--calibration", "{}"), "calibration")


def configurations() -> Iterator[Input]:
    """Files of --config."""
    lol = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for one, other in zip("abcdefgh", "bcdefghi", strict=True):
        lol += f"{other}: &{other} [{', '.join([f'*{one}'] * 10)}]\n"
    texts: dict[str, tuple[str, str | bytes]] = {
        "a list": ("c.yaml", "- a\n- b\n"),
        "a word": ("c.yaml", "word"),
        "an unknown option": ("c.yaml", "metrcs: [iou]\n"),
        "Python objects": ("c.yaml", "count: !!python/object/apply:os.system ['touch opened']\n"),
        "aliases of aliases": ("c.yaml", lol),
        "10,000 brackets": ("c.yaml", "[" * 10_000),
        "tabs": ("c.yaml", "count:\n\t- 4\n"),
        "random bytes": ("c.yaml", RANDOM),
        "zero bytes": ("c.yaml", bytes(100)),
        "an open quote": ("c.yaml", 'data: "x\n'),
        "a table for a number": ("c.yaml", "count: {a: 1}\n"),
        "a list for a number": ("c.yaml", "count: [1, 2]\n"),
        "a number below its range": ("c.yaml", "count: -4\n"),
        "a date for a number": ("c.yaml", "count: 2024-01-01\n"),
        "NaN for a number": ("c.yaml", "count: .nan\n"),
        "no TOML": ("c.toml", "= = ="),
        "TOML of random bytes": ("c.toml", RANDOM),
        "a key twice": ("c.toml", "count = 1\ncount = 2\n"),
        "another ending": ("c.ini", "count = 1\n"),
    }
    for name, (file, text) in texts.items():
        yield Input(
            "configurations",
            name,
            lambda place, file=file, text=text: _write(
                place / file, text if isinstance(text, bytes) else text.encode()
            ),
            ("bench", "--config", f"{{}}/{file}", "--out", "out"),
            "count" if "number" in name else file,
        )
    yield Input("configurations", "not there", lambda place: None, ("bench", "--config", "{}/x.yaml"), "x.yaml")
    yield Input(
        "configurations",
        "a folder",
        lambda place: (place / "x.yaml").mkdir(),
        ("bench", "--config", "{}/x.yaml"),
        "x.yaml",
    )


def options() -> Iterator[Input]:
    """Values of options beyond their ranges, of other kinds, or with sizes that no memory has."""
    for option, values in {
        "--count": ("-1", "1.5", "NaN", "1e99", "", "ten", "٣٣٣٣x", str(10**18), "0x10"),
        "--part": ("0", "-3", "NaN", str(10**30)),
        "--gallery": ("-1", "1001", "inf"),
        "--batch-size": ("0", "-1", "1e3"),
        "--seed": ("-1", "x", str(2**70)),
        "--methods": ("no_such_method", "", "random'; drop", "x" * 5000),
        "--metrics": ("no_such_metric", "", "iou; x"),
        "--target": ("no_such_class",),
        "--split": ("fold-99", "sideways", "training"),
        "--device": ("quantum",),
        "--size": ("0", "-5", "15", "1000000"),
        "--set": (
            "rise",
            "rise.count",
            "rise.count=-1",
            "no.such=3",
            "pic.convention=x",
            "pic.random_masks=" + "9" * 30,
        ),
        "--data": ("no/such/folder", "phantoms:no_such_kind", "\0", "x" * 5000, "/dev/null", "/proc/self/mem"),
        "--model": ("no/such/model", "", "/dev/zero"),
        "--correlation": ("2", "-1", "NaN"),
        "--alpha": ("0", "1", "NaN"),
        "--no-such-option": ("1",),
    }.items():
        for value in values:
            arguments = ("bench", option, value, *(() if option == "--count" else ("--count", "3")), "--out", "out")
            yield Input(
                "options",
                f"{option} {value[:24]!r}",
                lambda place: None,
                arguments,
                "|".join((option[2:], option[2:-1], value, value.rpartition(":")[2], value.partition(".")[0])),
            )
    yield Input("options", "--out in a file", lambda place: _write(place / "f", b""), ("bench", "--out", "{}/f/x"), "f")
    yield Input("options", "--out is a file", lambda place: _write(place / "f", b""), ("bench", "--out", "{}/f"), "f")
    yield Input("options", "an unknown command", lambda place: None, ("bnech",), "bnech")


def conditions() -> Iterator[Input]:
    """A system that refuses to write, and a folder that another process uses."""
    commands = {
        "bench": BENCH,
        "calibrate": ("calibrate", "--count", "4", "--metrics", "sparseness", "--out", "out"),
        "train": ("train", "--data", "phantoms", "--count", "12", "--size", "32", "--epochs", "1", "--out", "out"),
        "cascade": ("cascade", "--data", "phantoms", "--count", "12", "--size", "32", "--epochs", "1", "--out", "out"),
    }
    for name, arguments in commands.items():
        for size in (0, 1000):
            full = functools.partial(_limit_files, size)
            yield Input(
                "conditions", f"{name}: disk full after {size} bytes", _nothing, arguments, "run.json|.lock", full
            )
        other = (*arguments[:-1], "/proc/nowhere")
        yield Input("conditions", f"{name}: a folder that cannot be written to", _nothing, other, "/proc/nowhere")
    inside = (*BENCH[:-1], "{}/run", "--resume")
    yield Input("conditions", "another process uses the folder", _held, inside, "another process is using")
    explain = ("explain", "{}/1.png", "--methods", "random", "--model", "builtin", "--out", "out")
    full = functools.partial(_limit_files, 0)
    yield Input("conditions", "explain: disk full", lambda place: _good_images(place, "1.png"), explain, "1", full)


def _nothing(place: Path) -> None:
    pass


def _limit_files(size: int) -> None:
    """No file of this process may be larger: to the process it is a full disk."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


_locks: list[Any] = []


def _held(place: Path) -> None:
    """A run folder that this process, from which the command is another one, holds."""
    from xaijax._runs import checksums, lock

    while _locks:
        _locks.pop().close()
    (place / "run").mkdir()
    checksums.write_signed(place / "run" / "run.json", {"kind": "run", "config": {}})
    _locks.append(lock.Lock(place / "run"))


def clean(place: Path) -> None:
    """An empty folder at a path."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
