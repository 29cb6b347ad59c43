"""`open_dataset`: from the name of a source to a data set."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import cast

from xaijax._errors import InputError
from xaijax._names import match
from xaijax.data import cues as planting
from xaijax.data import phantoms
from xaijax.data.dataset import MASK_ROLES, Dataset, MaskRole
from xaijax.data.images import Window
from xaijax.data.readers import class_folders, figshare, labels_csv

# Layouts of folders, the first that matches is read; they do not know of each other.
READERS = (labels_csv, class_folders, figshare)
CORRELATION = 0.95
_FOLDER_HELP = (
    "a folder needs a labels.csv with the columns file and label, one folder of images per class, or the .mat files of "
    "the figshare brain tumour set"
)


def open_dataset(
    source: str | Path,
    *,
    mask_role: MaskRole | None = None,
    window: Window | None = None,
    transpose: bool = False,
    count: int | None = None,
    size: int | None = None,
    seed: int | None = None,
    lesions: int | None = None,
    cues: Sequence[str] = (),
    correlation: float | None = None,
    covered: bool = False,
) -> Dataset:
    """List the images of a source; pixels are read later, by `Dataset.read`.

    Args:
        source: `"phantoms"` (the same as `"phantoms:brain_mri"`), `"phantoms:chest_xray"`, `"phantoms:lung_ct"` or
            `"phantoms:dermoscopy"` for generated images, in any spelling ("phantoms:Brain MRI"), or a folder: with
            `labels.csv`, with one folder per class, or with the figshare brain tumour set's `.mat` files. Write
            `./phantoms` for a folder of that name.
        mask_role: what the masks outline, `"lesion"`, `"organ"` or `"artefact"`. Nothing is guessed from a folder's
            name: scores that need masks refuse them unless the role is given here, in `labels.csv`, or by the format.
        window: `(low, high)`, the stored values of deep images (16-bit, DICOM, `.mat`) that become 0 and 255; default:
            the file's own window or the image's own range. 8-bit images keep their values.
        transpose: swap rows and columns of images and masks. Without it files are taken as stored; some copies of the
            figshare set as PNG are the transpose of the upright head.
        count: phantoms only: number of images, default 300; classes alternate.
        size: phantoms only: side in pixels, 16 to 2048, default 128.
        lesions: phantoms only: lesions in each image of a class that has any, default 1.
        seed: phantoms and planted cues only: default 0; the same seed gives the same images.
        cues: plant these in the images, as in `["text", "ruler:melanoma"]`; see `xaijax.data.cues`.
        correlation: with cues only: share of the images of every class on which a cue agrees with the label, default
            0.95.
        covered: cover the artefacts of the images, planted ones or others, as `xaijax.data.cover` does.

    Returns:
        The `Dataset`.

    Raises:
        FileNotFoundError: if there is no such folder.
        NotADirectoryError: if the source is a file.
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
    dataset = _open(source, mask_role, window, transpose, count=count, size=size, seed=own_seed, lesions=lesions)
    if cues:
        dataset = planting.plant(
            dataset, cues, correlation=CORRELATION if correlation is None else correlation, seed=seed or 0
        )
    return planting.cover(dataset) if covered else dataset


def _open(
    source: str | Path,
    mask_role: MaskRole | None,
    window: Window | None,
    transpose: bool,
    **numbers: int | None,
) -> Dataset:
    """The data set before cues are planted or covered."""
    if mask_role is not None:
        mask_role = cast(MaskRole, match("mask role", mask_role, MASK_ROLES))
    if window is not None and not (len(window) == 2 and window[0] < window[1]):
        raise InputError(f"window must be (low, high) with low < high; got {window!r}")
    generated = {name: value for name, value in numbers.items() if value is not None}
    prefix, _, modality = str(source).partition(":")
    if prefix == "phantoms" and isinstance(source, str):
        given = [name for name, value in (("mask_role", mask_role), ("window", window)) if value is not None]
        given += ["transpose"] if transpose else []
        if mask_role == "lesion":
            given.remove("mask_role")
        if given:
            raise InputError(f"phantoms have no option {given[0]}; it is for folders of files")
        return phantoms.dataset(modality or phantoms.DEFAULT, **generated)
    if generated:
        raise InputError(f"{next(iter(generated))} is an option of phantoms; leave it out for a folder")
    folder = Path(source).expanduser()
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {source}; give a folder of images, or phantoms for built-in data")
    if not folder.is_dir():
        raise NotADirectoryError(f"{source} is a file; give the folder that holds the images")
    if not any(folder.iterdir()):
        raise InputError(f"the folder {source} is empty; {_FOLDER_HELP}")
    for reader in READERS:
        if reader.matches(folder):
            found = reader.read(folder, mask_role=mask_role, window=window, transpose=transpose)
            options = {
                "source": str(source),
                "mask_role": found.mask_role,
                "window": None if window is None else list(window),
                "transpose": transpose,
            }
            return replace(found, options=MappingProxyType(options))
    raise InputError(f"{_why_unknown(folder)}; {_FOLDER_HELP}")


def _why_unknown(folder: Path) -> str:
    """What the folder holds instead: the usual mistake is a folder one level too high or too low."""
    inner = sorted(child.name for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    deeper = [name for name in inner if any(reader.matches(folder / name) for reader in (labels_csv, class_folders))]
    if deeper:
        return f"{folder} holds several data sets ({', '.join(deeper[:5])}): give one of them"
    if class_folders.holds_images(folder):
        return f"{folder} holds images but nothing says their classes"
    return f"{folder} holds no images in a known layout"
