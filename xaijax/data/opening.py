"""`open_dataset`: from the name of a source to a data set."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from xaijax._errors import InputError
from xaijax._names import match
from xaijax.data import _folder_names, files, formats, phantoms
from xaijax.data import cues as planting
from xaijax.data._classes import choose_classes
from xaijax.data.dataset import MASK_ROLES, Dataset
from xaijax.data.found import Census
from xaijax.data.readers import (
    brats,
    breakhis,
    cascam,
    cbis_ddsm,
    chest_xray14,
    chexpert,
    class_folders,
    figshare,
    ham10000,
    hugging_face,
    isic,
    labels_csv,
    mimic_cxr,
    mura,
    npz,
    oxford_pets,
    patient_folders,
    retinopathy,
    rsna_pneumonia,
    side_tables,
    split_folders,
    tuberculosis,
    vindr_cxr,
    webdataset,
    yolo,
)
from xaijax.data.reading import MaskRole, MaskValue, Reading, Table, parse_mask_values, parse_window
from xaijax.data.scan import OUTSIDE, Tree, scan

# Sources that hold images in themselves: objects, archives, shards. They come before layouts of folders.
CONTAINERS = (hugging_face, npz, webdataset)
# Layouts of folders, the first that matches is read; they do not know of each other. Those that are told by the names
# of folders or files come first: class folders may have any name.
TABLES = (ham10000, isic, chest_xray14, chexpert, mimic_cxr, vindr_cxr, rsna_pneumonia, retinopathy, cbis_ddsm)
READERS = (
    labels_csv,
    *TABLES,
    cascam,
    oxford_pets,
    brats,
    breakhis,
    mura,
    tuberculosis,
    yolo,
    split_folders,
    side_tables,
    patient_folders,
    class_folders,
    figshare,
)
# Those that may consist of links to other places alone, which a match follows only if that is allowed.
LINKED = (split_folders, patient_folders, class_folders, figshare)
CORRELATION = 0.95
LOOKED_AT = 1000  # files of a folder of no known layout, to say what it holds
_FOLDER_HELP = (
    "a folder needs a labels.csv with the columns file and label, one folder of images per class (in train/, val/ and "
    "test/ too), or the files of a published set as they come"
)


def open_dataset(
    source: str | Path | Any,
    *,
    mask_role: MaskRole | None = None,
    mask_values: Sequence[str] | Mapping[MaskRole | None, Sequence[MaskValue]] = (),
    window: Sequence[str | float] | str | None = None,
    transpose: bool = False,
    classes: Sequence[str] = (),
    allow_outside: bool = False,
    labels: str | Path | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    split_column: str | None = None,
    count: int | None = None,
    size: int | None = None,
    seed: int | None = None,
    lesions: int | None = None,
    findings: bool = False,
    fixed_anatomy: bool = False,
    cues: Sequence[str] = (),
    correlation: float | None = None,
    covered: bool = False,
) -> Dataset:
    """List the images of a source; pixels are read later, by `Dataset.read`.

    Args:
        source: `"phantoms"` (the same as `"phantoms:brain_mri"`), `"phantoms:chest_xray"`, `"phantoms:lung_ct"` or
            `"phantoms:dermoscopy"` for generated images, in any spelling ("phantoms:Brain MRI"), or a folder: with
            `labels.csv`, with one folder per class, or with a data set as it was published. Write `./phantoms` for a
            folder of that name. Or a `.npz` file (MedMNIST), WebDataset shards (`"shards/{000..003}.tar"`, a folder of
            them, or a URL for fsspec), a `datasets.Dataset` or `DatasetDict`, or the folder it was saved to.
        mask_role: what the masks outline, `"lesion"`, `"organ"` or `"artefact"`. Nothing is guessed from a folder's
            name: scores that need masks refuse them unless the role is given here, in `labels.csv`, or by the format.
        mask_values: what the values of label maps mean, as in `["lesion=1,4", "organ=2"]` or `["1,3"]` for the role
            `mask_role`. Masks of two values need no rule; others are left out without one, with their values named.
        window: `(low, high)`, the stored values that become 0 and 255; `"auto"`, each image's own range; `"file"` (the
            default), the window that the file states, and `"auto"` where it states none. 8-bit values are kept by the
            last two.
        transpose: swap rows and columns of images and masks. Without it files are taken as stored; some copies of the
            figshare set as PNG are the transpose of the upright head.
        classes: take these classes alone.
        allow_outside: take files outside the folder that a table or a symbolic link names.
        labels: a table of images and labels (CSV or TSV), in the folder or elsewhere.
        image_column, label_column, group_column, split_column: columns of the table that hold the file, its class (or
            classes), what must stay together in a split, and the side of a split; by default they are recognised by
            their usual names.
        count: phantoms only: number of images, default 300; classes alternate.
        size: phantoms only: side in pixels, 16 to 2048, default 128.
        lesions: phantoms only: lesions in each image of a class that has any, default 1.
        findings: phantoms of chest X-rays only: several findings per image (a multi-label data set).
        fixed_anatomy: phantoms of brain MRI only: tumours leave the rest of the head unchanged.
        seed: phantoms and planted cues only: default 0; the same seed gives the same images.
        cues: plant these in the images, as in `["text", "ruler:melanoma"]`; see `xaijax.data.cues`.
        correlation: with cues only: share of the images of every class on which a cue agrees with the label, default
            0.95.
        covered: cover the artefacts of the images, planted ones or others, as `xaijax.data.cover` does.

    Returns:
        The `Dataset`.

    Raises:
        FileNotFoundError: if there is no such folder or file.
        NotADirectoryError: if the source is a file of another kind.
        InputError: for an empty or unknown layout, a damaged table, an unknown modality, role or cue, or an option that
            the source does not have.

    Example:
        >>> from xaijax.data import open_dataset
        >>> dataset = open_dataset("phantoms:brain_mri", count=30, size=64, seed=1)
        >>> dataset.class_counts(), dataset.mask_role
        ({'glioma': 10, 'meningioma': 10, 'pituitary': 10}, 'lesion')
    """
    if correlation is not None and not cues:
        raise InputError("a correlation needs planted cues; name them with --cues (cues= in Python)")
    generated = isinstance(source, str) and source.partition(":")[0] == "phantoms"
    # A folder has a seed for its cues alone.
    own_seed = None if cues and not generated else seed
    reading = Reading(
        None if mask_role is None else cast(MaskRole, match("mask role", mask_role, MASK_ROLES)),
        parse_mask_values(mask_values),
        parse_window(window),
        transpose,
        allow_outside,
        tuple(classes),
    )
    table = Table(None if labels is None else Path(labels), image_column, label_column, group_column, split_column)
    dataset = _open(
        source,
        reading,
        table,
        count=count,
        size=size,
        seed=own_seed,
        lesions=lesions,
        findings=findings or None,
        fixed_anatomy=fixed_anatomy or None,
    )
    if cues:
        dataset = planting.plant(
            dataset, cues, correlation=CORRELATION if correlation is None else correlation, seed=seed or 0
        )
    return planting.cover(dataset) if covered else dataset


def _open(source: Any, reading: Reading, table: Table, **numbers: Any) -> Dataset:
    """The data set before cues are planted or covered."""
    generated = {name: value for name, value in numbers.items() if value is not None}
    prefix, _, modality = str(source).partition(":")
    if prefix == "phantoms" and isinstance(source, str):
        _refuse_options(reading, table)
        return choose_classes(phantoms.dataset(modality or phantoms.DEFAULT, **generated), reading.classes)
    if generated:
        raise InputError(f"{next(iter(generated))} is an option of phantoms; leave it out for a folder")
    for container in CONTAINERS:
        if container.matches(source):
            return _finished(container.read(source, reading, table), source, reading, table)
    if not isinstance(source, str | Path):
        raise InputError(f"a {type(source).__name__} is not a data set; give a folder, a file or a datasets.Dataset")
    folder = Path(source).expanduser()
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {source}; give a folder of images, or phantoms for built-in data")
    if not folder.is_dir():
        raise NotADirectoryError(f"{source} is a file; give the folder that holds the images, a .npz, .h5 or .tar file")
    if not any(folder.iterdir()):
        raise InputError(f"the folder {source} is empty; {_FOLDER_HELP}")
    if table != Table():
        if table.file is None and side_tables.matches(folder, table):
            return _finished(side_tables.read(folder, reading, table), source, reading, table)
        return _finished(labels_csv.read(folder, reading, table), source, reading, table)
    reader = next((one for one in READERS if one.matches(folder)), None)
    if reader is None and reading.allow_outside:
        reader = next((one for one in LINKED if one.matches(folder, allow_outside=True)), None)
    if reader is None and class_folders.names_all(folder, reading):
        reader = class_folders
    if reader is None and patient_folders.names_all(folder, reading):
        reader = patient_folders
    if reader is not None:
        return _finished(reader.read(folder, reading), source, reading, table)
    raise InputError(f"{_why_unknown(folder)}; {_FOLDER_HELP}")


def _finished(dataset: Dataset, source: Any, reading: Reading, table: Table) -> Dataset:
    """The data set with the classes that were asked for, and how it was opened."""
    found = choose_classes(dataset, reading.classes)
    name = str(source) if isinstance(source, str | Path) else f"{type(source).__name__} {dataset.name}"
    return replace(found, options=MappingProxyType(_options(name, reading, table, found)))


def _options(source: str, reading: Reading, table: Table, found: Dataset) -> dict[str, Any]:
    """How a data set of files was opened, as JSON values: what is not the default."""
    window = list(reading.window) if isinstance(reading.window, tuple) else reading.window
    named = {
        "mask_values": {role or "": list(values) for role, values in reading.mask_values.items()},
        "classes": list(reading.classes),
        "allow_outside": reading.allow_outside,
        "labels": None if table.file is None else str(table.file),
        "columns": {name: value for name, value in table.columns().items() if value is not None},
    }
    always = {"source": source, "mask_role": found.mask_role, "window": window, "transpose": reading.transpose}
    return always | {name: value for name, value in named.items() if value}


def _refuse_options(reading: Reading, table: Table) -> None:
    """Options of files, which generated images do not have."""
    given = [
        name
        for name, there in (
            ("mask_role", reading.mask_role not in (None, "lesion")),
            ("mask_values", bool(reading.mask_values)),
            ("window", reading.window != "file"),
            ("transpose", reading.transpose),
            ("allow_outside", reading.allow_outside),
            ("labels", table != Table()),
        )
        if there
    ]
    if given:
        raise InputError(f"phantoms have no option {given[0]}; it is for folders of files")


def _why_unknown(folder: Path) -> str:
    """What the folder holds instead: the usual mistake is a folder one level too high or too low."""
    tables = labels_csv.tables(folder)
    if tables:
        return f"{folder} holds {_tables(tables)}"
    archives = sorted(
        one.name for one in folder.iterdir() if one.suffix.lower() in (".npz", ".h5", ".hdf5", ".tar") and one.is_file()
    )
    if archives:
        what = f"the archive {archives[0]}" if len(archives) == 1 else f"archives, {', '.join(archives[:5])}"
        return f"{folder} holds {what}: give {'that file' if len(archives) == 1 else 'one of these files'} as --data"
    census = Census("")
    tree = scan(folder, census)
    inner = [name for name in sorted(tree.folders[""]) if any(map(tree.files.get, tree.below(name)))]
    deeper = [name for name in inner if any(reader.matches(folder / name) for reader in READERS)]
    if len(deeper) == 1 and not _opens(folder / deeper[0]):
        deeper = []
    if len(deeper) == 1:
        return f"{folder} holds a data set in its folder {deeper[0]}: give that folder"
    if deeper:
        several = f"{folder} holds several data sets ({', '.join(deeper[:5])}): give one of them"
        inner = sorted({name for place in deeper for name in tree.folders[place]}, key=files.natural)
        if _folder_names.like_patients(set(deeper)) and inner:
            return f"{several}; if these folders are patients and those in them classes, give --classes {_named(inner)}"
        return f"{several}; if these folders are the classes, give --classes {_named(deeper)}"
    inside = next((name for name in _below(tree) if _opens(folder / name)), None)
    if inside is not None:
        return f"{folder} holds a data set in its folder {inside}: give that folder"
    near = islice(tree.names(), LOOKED_AT)
    first = next((name for name in near if files.looks_like_image(tree.path(name))), None)
    if first is not None:
        deep = [name for name in tree.names() if name.lower().endswith(class_folders.TABLES)]
        table = f"; if a table does, name it, as in --labels {_likely(deep)}" if deep else ""
        return f"{folder} holds images, such as {first}, but nothing says their classes{table}"
    unread = Counter(formats.suffix(name) for name in tree.names() if formats.unread(name))
    if unread:
        suffix, count = unread.most_common(1)[0]
        many = f"{count} files {suffix}" if count > 1 else f"a file {suffix}"
        advice = str(formats.unread(f"x{suffix}"))
        return f"{folder} holds {many}, a format that is not read; {advice.replace(' it ', ' them ')}"
    left = census.found().left_out
    if OUTSIDE in left:
        first = left[OUTSIDE].examples[0]
        return f"{folder} holds no images, but links that leave it, such as {first} (--allow-outside takes them)"
    return f"{folder} holds no images in a known layout"


def _opens(folder: Path) -> bool:
    """Whether a folder is a data set of its own; one class alone is none."""
    found = next((reader for reader in READERS if reader.matches(folder)), None)
    return found is not None and (found is not class_folders or class_folders.several(folder))


def _named(names: list[str]) -> str:
    """The first names as an option takes them."""
    return " ".join(f'"{name}"' if " " in name else name for name in names[:5]) + (" ..." if len(names) > 5 else "")


def _tables(names: list[str]) -> str:
    """The tables of a folder, and which of them probably has the labels: those of a sample submission are made up, and
    test images rarely have any."""
    if len(names) == 1:
        return f"the table {names[0]}, which is not a known one: give --labels {names[0]}"
    shown = ", ".join(names[:5])
    return f"tables of no known layout ({shown}): name the one of the labels, as in --labels {_likely(names)}"


def _likely(names: list[str]) -> str:
    """The table that probably has the labels."""
    found = min(names, key=lambda name: ("submission" in name.lower(), "train" not in name.lower(), name))
    return f'"{found}"' if " " in found else found


def _below(tree: Tree) -> list[str]:
    """Folders of folders, the highest first: as deep and as many as a set is wrapped in when it is unpacked."""
    deeper = [place for place in tree.folders if 0 < place.count("/") < 4]
    return sorted(deeper, key=lambda place: place.count("/"))[:100]
