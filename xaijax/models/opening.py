"""A classifier from any file that holds one: a checkpoint of xaijax, or weights that Keras or PyTorch wrote."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from xaijax.classifier import Classifier
from xaijax.models import checkpoint
from xaijax.models.importers.arrays import from_arrays
from xaijax.models.importers.keras_weights import from_keras
from xaijax.models.importers.torch_weights import from_torch

KERAS = (".keras", ".h5")
TORCH = (".pth", ".pt", ".bin")


def load(path: str | Path, *, classes: Sequence[str] | None = None) -> Classifier:
    """Read a classifier. No code from the file runs, whoever wrote it.

    Args:
        path: a checkpoint of xaijax (a folder with `model.safetensors`, or such a file), or a file for `from_keras`
            (`.keras`, `.h5`, `.weights.h5`), `from_torch` (`.safetensors`, `.pth`, `.pt`, `.bin`) or
            `xaijax.models.importers.arrays.from_arrays` (`.npz`), which are told apart by their names and headers.
        classes: K names, for a file that has none; default "0", "1", ...

    Returns:
        The classifier, with float32 parameters. Loading one architecture twice does not compile anything twice.

    Raises:
        FileNotFoundError: where there is no such file or folder.
        ValueError: for a file that is none of these, weights that do not fit their architecture (all differences are
            listed), or names that do not fit.

    Example:
        >>> from xaijax import models
        >>> models.load(models.BUILTIN).classes
        ('glioma', 'meningioma', 'pituitary')
    """
    place = Path(path).expanduser()
    if place.is_file() and place.suffix in KERAS:
        return from_keras(place, classes=classes)
    if place.is_file() and (place.suffix in TORCH or _is_foreign(place)):
        return from_torch(place, classes=classes)
    if place.is_file() and place.suffix == ".npz":
        return from_arrays(place, classes=classes)
    loaded = checkpoint.load(place)
    if classes is None or not is_unnamed(loaded.classes):
        return loaded
    if len(classes) != len(loaded.classes):
        raise ValueError(f"classes must be {len(loaded.classes)} names for {path}; got {tuple(classes)}")
    return dataclasses.replace(loaded, classes=tuple(map(str, classes)))


def is_unnamed(classes: Sequence[str]) -> bool:
    """True for the names "0", "1", ... of a model that has none.

    Example:
        >>> is_unnamed(("0", "1")), is_unnamed(("cat", "dog"))
        (True, False)
    """
    return list(classes) == [str(number) for number in range(len(classes))]


def _is_foreign(file: Path) -> bool:
    """Whether a safetensors file is somebody else's."""
    if file.suffix != ".safetensors":
        return False
    return checkpoint.description(file) is None
