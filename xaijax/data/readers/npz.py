"""An archive of arrays of images and labels, `.npz` or HDF5: MedMNIST, PCam, and archives like them.

Arrays are named `images` and `labels` (and `masks`), or `x` and `y`; those of a side start or end with its name:
`train_images`, `val_labels`, `x_test`. Images are `[N, H, W]` or `[N, H, W, 1 or 3]`, labels `[N]` or `[N, 1]`, or
`[N, K]` of 0 and 1: several findings, or classes where every row has a single 1 (one-hot). MedMNIST names its classes
by the file (`pneumoniamnist.npz`, `pneumoniamnist_224.npz`); other archives have classes "0", "1" ..., or the texts of
their labels. PCam is a folder of HDF5 files, one for the images and one for the labels of each side.

References:
    Yang et al., "MedMNIST v2", Sci. Data 10:41, 2023; names of classes as published with the package medmnist.
    Veeling et al., "Rotation equivariant CNNs for digital pathology", MICCAI 2018, for PCam: whether the 32 x 32 pixels
    in the middle of a patch hold tumor tissue.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax.data import images as _images
from xaijax.data._arrays import Archive
from xaijax.data._hdf5 import SUFFIXES, Hdf5, pcam_files
from xaijax.data._white import White
from xaijax.data.dataset import Case, Content, Dataset, Element
from xaijax.data.found import Census
from xaijax.data.masks import array, masks_of
from xaijax.data.reading import MaskRole, Reading, Table
from xaijax.data.scan import scan
from xaijax.data.tables import joined, unlabelled

_ORGANS = (
    "bladder",
    "femur-left",
    "femur-right",
    "heart",
    "kidney-left",
    "kidney-right",
    "liver",
    "lung-left",
    "lung-right",
    "pancreas",
    "spleen",
)
MEDMNIST: dict[str, tuple[str, ...]] = {
    "pathmnist": (
        "adipose",
        "background",
        "debris",
        "lymphocytes",
        "mucus",
        "smooth muscle",
        "normal colon mucosa",
        "cancer-associated stroma",
        "colorectal adenocarcinoma epithelium",
    ),
    "chestmnist": (
        "atelectasis",
        "cardiomegaly",
        "effusion",
        "infiltration",
        "mass",
        "nodule",
        "pneumonia",
        "pneumothorax",
        "consolidation",
        "edema",
        "emphysema",
        "fibrosis",
        "pleural",
        "hernia",
    ),
    "dermamnist": (
        "actinic keratoses and intraepithelial carcinoma",
        "basal cell carcinoma",
        "benign keratosis-like lesions",
        "dermatofibroma",
        "melanoma",
        "melanocytic nevi",
        "vascular lesions",
    ),
    "octmnist": ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    "pneumoniamnist": ("normal", "pneumonia"),
    "retinamnist": ("0", "1", "2", "3", "4"),
    "breastmnist": ("malignant", "normal, benign"),
    "bloodmnist": (
        "basophil",
        "eosinophil",
        "erythroblast",
        "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)",
        "lymphocyte",
        "monocyte",
        "neutrophil",
        "platelet",
    ),
    "tissuemnist": (
        "Collecting Duct, Connecting Tubule",
        "Distal Convoluted Tubule",
        "Glomerular endothelial cells",
        "Interstitial endothelial cells",
        "Leukocytes",
        "Podocytes",
        "Proximal Tubule Segments",
        "Thick Ascending Limb",
    ),
    "organamnist": _ORGANS,
    "organcmnist": _ORGANS,
    "organsmnist": _ORGANS,
}
PCAM = ("no tumor", "tumor")
UNLABELLED = "its label is -1, which is taken for no label"
LARGEST_LABELS = 1 << 28  # bytes; labels are read at opening
_SIDES = {"train": "training", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
_KINDS = {"images": "images", "image": "images", "x": "images", "labels": "labels", "label": "labels", "y": "labels"}
_KINDS |= {"masks": "masks", "mask": "masks"}
_NAME = re.compile(rf"(?:(?P<before>{'|'.join(_SIDES)})_)?(?P<kind>[a-z]+)(?:_(?P<after>{'|'.join(_SIDES)}))?")


@dataclass(frozen=True, slots=True)
class _Arrays:
    """The arrays of one side: what the images of a data set share."""

    archive: Archive | Hdf5
    images: str
    masks: str | None
    reading: Reading
    white: White


@dataclass(frozen=True, slots=True)
class ArrayImage:
    """One image of an array, with its mask."""

    arrays: _Arrays
    row: int

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        if self.arrays.masks is None:
            return ()
        return tuple(self.arrays.reading.mask_values) or (None,)

    def read(self, *, masks: bool) -> Content:
        arrays = self.arrays
        image, notes, stored = _pixels(arrays.archive.array(arrays.images)[self.row], arrays)
        elements: list[Element] = []
        if masks and arrays.masks is not None:
            elements, more = _elements(np.asarray(arrays.archive.array(arrays.masks)[self.row]), arrays.reading)
            notes += more
        return Content(image, tuple(elements), notes, stored)

    def fingerprint(self) -> str:
        return _images.fingerprint(self.read(masks=False).image)


def matches(source: object) -> bool:
    """Whether the source is such a file."""
    if not isinstance(source, str | Path):
        return False
    path = Path(source).expanduser()
    if path.is_dir():
        return {"x", "y"} <= {name[-1] for name in pcam_files(path)}
    return str(source).lower().endswith((".npz", *SUFFIXES))


def read(source: str | Path, reading: Reading, table: Table = Table()) -> Dataset:  # noqa: B008 - it is frozen
    """List the images of an archive; labels are read, pixels are not.

    Args:
        source: the file.
        reading: how to read images and masks.
        table: none; labels are in the archive.

    Returns:
        The data set: ids `train/12`, or `12` where there are no sides; with the archive's sides as its split.

    Raises:
        FileNotFoundError: if it is not there.
        InputError: for arrays that are not images and labels, or that do not fit each other.
    """
    if table != Table():
        raise InputError(f"{source} has its labels in itself; leave out --labels and the names of columns")
    path = Path(source).expanduser()
    if path.is_dir():
        archive: Archive | Hdf5 = Hdf5(path)
        census = Census("PCam")
        used = {one.name: "archive" for one in pcam_files(path).values()}
        scan(path, census).count(census, used)
        census.note("Patches of one slide are not kept together in a new split; --own-split keeps the published one.")
    elif path.is_file():
        archive = Archive(path) if path.suffix.lower() == ".npz" else Hdf5(path)
        kind = "NumPy archive" if isinstance(archive, Archive) else "HDF5 file"
        census = Census("MedMNIST" if _published(path) else kind)
        census.take("archive")
    else:
        raise FileNotFoundError(f"there is no file {source}; give a .npz or .h5 file of images and labels")
    sides, others = _sides(archive)
    if others:
        census.note(f"The archive has other arrays, which are not used: {', '.join(others)}.")
    labels = {side: _labels(archive, path, names) for side, names in sides.items()}
    labels = _classes_of_rows(labels, census) if not _published(path) else labels
    multi = {one.ndim == 2 for one in labels.values()}
    if len(multi) > 1:
        raise InputError(f"{path} has one label per image on one side and several on another; store them alike")
    classes = _classes(path, list(labels.values()), census)
    cases: list[Case] = []
    white = White(lambda: [archive.array(names["images"]) for names in sides.values()])
    for side, names in sides.items():
        arrays = _Arrays(archive, names["images"], names.get("masks"), reading, white)
        split = _SIDES.get(side)
        known: dict[bytes, tuple[float, ...]] = {}
        for row, label in enumerate(labels[side]):
            findings = None
            if multi == {False} and label.item() not in classes.position:
                census.leave_row(UNLABELLED, f"{side}/{row}" if side else str(row))
                continue
            if multi == {True}:
                findings = known.setdefault(label.tobytes(), tuple(label.astype(float).tolist()))
            cases.append(
                Case(
                    f"{side}/{row}" if side else str(row),
                    -1 if findings is not None else classes.index_of(label),
                    ArrayImage(arrays, row),
                    split=split,
                    findings=findings,
                )
            )
    return Dataset(path.stem, classes.names, reading.mask_role, tuple(cases), found=census.found())


@dataclass(frozen=True)
class _Classes:
    names: tuple[str, ...]
    position: dict[Any, int] = field(repr=False)

    def index_of(self, label: Any) -> int:
        return self.position[label.item()]


def _published(path: Path) -> str | None:
    """The MedMNIST set that a file is named after."""
    name = path.stem.lower().split("_")[0]
    return name if name in MEDMNIST else None


def _sides(archive: Archive | Hdf5) -> tuple[dict[str, dict[str, str]], list[str]]:
    """side -> what an array holds -> its name, and the other arrays."""
    sides: dict[str, dict[str, str]] = {}
    others = []
    for name in archive.headers:
        form = _NAME.fullmatch(name.lower())
        kind = _KINDS.get(form["kind"]) if form else None
        side = (form["before"] or form["after"] or "") if form else ""
        if kind is None or kind in sides.get(side, {}):
            others.append(name)
        else:
            sides.setdefault(side, {})[kind] = name
    whole = {side: names for side, names in sides.items() if {"images", "labels"} <= names.keys()}
    others += [name for side, names in sides.items() if side not in whole for name in names.values()]
    if not whole:
        raise InputError(
            f"{archive.path} has the arrays {', '.join(archive.headers) or 'none'}; give images and labels, "
            "or train_images and train_labels and so on"
        )
    for names in whole.values():
        shape, dtype = archive.headers[names["images"]]
        if dtype.kind not in "buif" or not (len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))):
            first = len(shape) == 4 and shape[1] in (1, 3)
            likely = "this looks like channels first: store images.transpose(0, 2, 3, 1)" if first else ""
            raise InputError(
                f"{archive.path}: array {names['images']} is {dtype} {list(shape)}; images are numbers [N, H, W] or "
                f"[N, H, W, 1 or 3]; {likely or 'volumes are not read'}"
            )
        if 0 in shape[1:3]:
            raise InputError(f"{archive.path}: array {names['images']} is {list(shape)}; images need pixels")
        _check_masks(archive, names, shape)
    return whole, others


def _check_masks(archive: Archive | Hdf5, names: dict[str, str], shape: tuple[int, ...]) -> None:
    if "masks" in names:
        masks, dtype = archive.headers[names["masks"]]
        if dtype.kind not in "bui" or masks[:3] != shape[:3] or masks[3:] not in ((), (1,)):
            raise InputError(
                f"{archive.path}: array {names['masks']} is {dtype} {list(masks)}; masks are whole numbers "
                f"{list(shape[:3])} like their images"
            )


def _labels(archive: Archive | Hdf5, path: Path, names: dict[str, str]) -> np.ndarray:
    """Labels `[N]`, or `[N, K]` of several findings."""
    name = names["labels"]
    shape, dtype = archive.headers[name]
    count = archive.headers[names["images"]][0][0]
    if not shape or shape[0] != count or len(shape) > 2 or dtype.kind not in "buifUS" or 0 in shape[1:]:
        raise InputError(
            f"{path}: array {name} is {dtype} {list(shape)}; labels are [{count}] or [{count}, findings], "
            "one row per image"
        )
    if int(np.prod(shape, dtype=object)) * dtype.itemsize > LARGEST_LABELS:
        raise InputError(f"{path}: array {name} is too large for labels ({list(shape)})")
    try:
        labels = np.array(archive.array(name))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind == "f" and labels.ndim == 1:
        if not (np.isfinite(labels).all() and (labels == np.rint(labels)).all()):
            raise InputError(f"{path}: array {name} has labels that are not whole numbers")
        labels = labels.astype(np.int64)
    if labels.ndim == 2 and (labels.dtype.kind == "U" or not np.isin(labels[~_unknown(labels)], (0, 1)).all()):
        raise InputError(f"{path}: array {name} has {labels.shape[1]} columns that hold more than 0 and 1")
    return labels


def _classes_of_rows(labels: dict[str, np.ndarray], census: Census) -> dict[str, np.ndarray]:
    """One-hot rows as numbers of classes: labels of which every row, on every side, has a single 1 and no unknown."""
    if not all(one.ndim == 2 and len(one) and (one.sum(axis=1) == 1).all() for one in labels.values()):
        return labels
    if len({one.shape[1] for one in labels.values()}) == 1:
        census.note("Every row of the labels has a single 1: they are read as classes, not as findings.")
        return {side: one.argmax(axis=1) for side, one in labels.items()}
    return labels


def _unknown(labels: np.ndarray) -> np.ndarray:
    return np.isnan(labels) if labels.dtype.kind == "f" else np.zeros(labels.shape, bool)


def _classes(path: Path, labels: list[np.ndarray], census: Census) -> _Classes:
    published = PCAM if path.is_dir() else MEDMNIST.get(_published(path) or "", ())
    if labels[0].ndim == 2:
        widths = {one.shape[1] for one in labels}
        if len(widths) > 1:
            raise InputError(
                f"{path} has {' and '.join(map(str, sorted(widths)))} findings per image; store them alike"
            )
        (count,) = widths
        names = published if len(published) == count else tuple(map(str, range(count)))
        return _Classes(names, {})
    found = {value for one in labels for value in np.unique(one).tolist()}
    if not found:
        raise InputError(f"{path} has no images")
    if all(isinstance(value, str) for value in found):
        spelled = joined(sorted(found), census)
        if len(spelled) < len(found):
            raise InputError(f"{path} has images with an empty label; give each a class")
        texts = sorted(set(spelled.values()))
        return _Classes(tuple(texts), {value: texts.index(name) for value, name in spelled.items()})
    if any(isinstance(value, str) for value in found):
        raise InputError(f"{path} has labels that are numbers on one side and text on another; store them alike")
    values = sorted(found)
    if unlabelled(map(str, values)):
        values.remove(-1)
    if published and values[0] >= 0 and values[-1] < len(published):
        return _Classes(published, {at: at for at in range(len(published))})
    if published:
        census.note(f"The labels are not those of {_published(path)}: classes are named by their values.")
    return _Classes(tuple(map(str, values)), {value: at for at, value in enumerate(values)})


def _pixels(stored: np.ndarray, arrays: _Arrays) -> tuple[np.ndarray, tuple[str, ...], str]:
    """uint8 `[h, w, 1 or 3]` by the rules of `_white` and `xaijax.data.images`, notes, and how they are stored."""
    reading = arrays.reading
    values = np.asarray(stored)
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * np.uint8(255)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    values, assumed = arrays.white.brought(values)
    whole = _images.Stored(values, kind="NumPy", notes=assumed)
    image, notes = _images.displayed(whole, reading.window)
    image = np.ascontiguousarray(image.transpose(1, 0, 2) if reading.transpose else image)
    return image, notes, _images.how_stored(whole, reading.window)


def _elements(values: np.ndarray, reading: Reading) -> tuple[list[Element], tuple[str, ...]]:
    """The masks of one image: two values as they are, more by the rule of `--mask-values`."""
    plane = values.reshape(values.shape[:2])
    found = masks_of(array(plane.T if reading.transpose else plane), None, reading.mask_values)
    return list(found.elements), found.notes
