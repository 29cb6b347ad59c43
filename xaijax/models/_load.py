"""A classifier from whatever holds one: a checkpoint of xaijax, weights that Keras or PyTorch wrote, or "builtin"."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax._names import BUILTIN
from xaijax.classifier import Classifier
from xaijax.models import checkpoint
from xaijax.models._files import regular_file
from xaijax.models.importers import from_arrays, from_keras, from_torch
from xaijax.models.importers.torch_graph import building

BUILTIN_FILE = Path(__file__).parent / "weights" / "small_cnn_phantoms.safetensors"
OWN = ".safetensors"  # PyTorch's weights have this ending too: the header tells them from ours
KERAS = (".keras", ".h5", ".hdf5")
TORCH = (".pth", ".pt", ".bin", ".ckpt", ".pt2")
ARRAYS = (".npz",)


def load(
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    channels: int | None = None,
    weights: str | Path | None = None,
    input_shape: Sequence[int] | None = None,
) -> Classifier:
    """Read a classifier. No code from a file of weights runs, whoever wrote it.

    Args:
        path: a checkpoint of xaijax (a folder with `model.safetensors`, or such a file), a file for `from_keras`
            (`.keras`, `.h5`, `.weights.h5`, `.hdf5`), `from_torch` (`.safetensors`, `.pth`, `.pt`, `.bin`,
            `.ckpt`, `.pt2`) or `xaijax.models.from_arrays` (`.npz`); `"timm:NAME"` or `"torchvision:NAME"` with
            `weights`; `"FILE.py:FUNCTION"`, a script of your own that is run; or `"builtin"`, the small CNN that comes
            with the package (a folder of that name needs its full path).
        classes: K names, for a file that has none; default "0", "1", ... Names in the file are kept.
        channels: 1 or 3, of the images; default: those of the weights. The first kernel of Keras and PyTorch weights
            for three channels is summed for one.
        weights: file of weights for a path that names a PyTorch model.
        input_shape: (H, W, C), for a PyTorch model that does not say its size.

    Returns:
        The classifier, with float32 parameters. Loading one architecture twice does not compile anything twice.

    Raises:
        FileNotFoundError: where there is no such file or folder.
        ValueError: for a file that is none of these, weights that do not fit their architecture (all differences are
            listed), names that do not fit, or channels that the weights are not for.

    Example:
        >>> from xaijax import models
        >>> models.load("builtin").classes
        ('glioma', 'meningioma', 'pituitary')
    """
    place, reader = locate(path)
    if building.is_name(path):
        found = from_torch(str(path), weights=weights, input_shape=input_shape, classes=classes)
        return _with_channels(found, place, channels)
    if weights is not None:
        raise InputError(f"weights are for a model that is named (timm:NAME); {path} has its own")
    if input_shape is not None and reader is None:
        raise InputError(f"{path} has the size of its images; leave out input_shape")
    if reader is None:
        return _own(place, classes, channels)
    if reader is from_arrays:
        return _with_channels(from_arrays(place, classes=classes), place, channels)
    return _foreign(reader, place, classes, channels, input_shape)


def locate(path: str | Path) -> tuple[Path, Callable[..., Classifier] | None]:
    """Where the weights are, and which importer reads them: None for a checkpoint of xaijax."""
    if str(path) == BUILTIN:
        return BUILTIN_FILE, None
    if building.is_name(path):
        return Path(path), from_torch
    place = Path(path).expanduser()
    if not place.exists():
        raise FileNotFoundError(f"there is no checkpoint {path}; give a folder of xaijax train or a file of weights")
    if place.is_dir():
        return place, None
    regular_file(place)
    kind = place.suffix.lower()
    if kind == OWN:
        return place, from_torch if checkpoint.description(place) is None else None
    for endings, reader in ((KERAS, from_keras), (TORCH, from_torch), (ARRAYS, from_arrays)):
        if kind in endings:
            return place, reader
    raise InputError(
        f"{place.name} is not a supported weights file; choose a folder of xaijax train or a file that ends in "
        f"{', '.join((OWN, *KERAS, *TORCH, *ARRAYS))}"
    )


def builtin() -> Classifier:
    """The small CNN trained on the brain MRI phantoms; `weights/README.md` has the command that made it.

    Returns:
        A classifier of 128x128 grey images: glioma, meningioma, pituitary.

    Raises:
        FileNotFoundError: where the package was installed without its weights.
    """
    return load(BUILTIN)


def is_unnamed(classes: Sequence[str]) -> bool:
    """True for the names "0", "1", ... of a model that has none.

    Example:
        >>> is_unnamed(("0", "1")), is_unnamed(("cat", "dog"))
        (True, False)
    """
    return list(classes) == [str(number) for number in range(len(classes))]


def _own(path: Path, classes: Sequence[str] | None, channels: int | None) -> Classifier:
    loaded = _with_channels(checkpoint.load(path), path, channels)
    if classes is None or not is_unnamed(loaded.classes):
        return loaded
    if len(classes) != len(loaded.classes):
        raise InputError(f"classes must be {len(loaded.classes)} names for {path}; got {tuple(classes)}")
    return dataclasses.replace(loaded, classes=tuple(map(str, classes)))


def _foreign(
    reader: Callable[..., Classifier],
    path: Path,
    classes: Sequence[str] | None,
    channels: int | None,
    input_shape: Sequence[int] | None,
) -> Classifier:
    options: dict[str, Any] = {} if classes is None else {"classes": classes}
    if input_shape is not None:
        return _with_channels(reader(path, input_shape=input_shape, **options), path, channels)
    found = reader(path, **options)
    if channels not in (None, found.input_shape[2]) and path.suffix != ".pt2":
        found = reader(path, input_shape=(*found.input_shape[:2], channels), **options)
    return _with_channels(found, path, channels)


def _with_channels(found: Classifier, path: Path, channels: int | None) -> Classifier:
    """The classifier, if it is for images of as many channels."""
    own = found.input_shape[2]
    if channels not in (None, own):
        raise InputError(
            f"the weights in {path} are for images of {own} channel{'s' * (own > 1)}, not {channels}; "
            "leave out channels"
        )
    return found
