"""A classifier from whatever holds one: a checkpoint of xaijax, weights that Keras or PyTorch wrote, or "builtin"."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax._names import BUILTIN
from xaijax._outputs import Output
from xaijax.classifier import Classifier
from xaijax.models import black_box, checkpoint
from xaijax.models._files import regular_file
from xaijax.models._notes import Note
from xaijax.models.importers import from_arrays, from_keras, from_torch
from xaijax.models.importers.sources import UnknownArchitectureError
from xaijax.models.importers.torch_graph import building
from xaijax.models.importers.torch_weights import is_pickled_tar
from xaijax.models.onnx import from_onnx
from xaijax.preprocess import Preprocess, Style

BUILTIN_FILE = Path(__file__).parent / "weights" / "small_cnn_phantoms.safetensors"
OWN = ".safetensors"  # PyTorch's weights have this ending too: the header tells them from ours
KERAS = (".keras", ".h5", ".hdf5")
TORCH = (".pth", ".pt", ".bin", ".ckpt", ".pt2")
ONNX = (".onnx",)
ARRAYS = (".npz",)


def load(
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    channels: int | None = None,
    output: Output | None = None,
    preprocess: Preprocess | Style | None = None,
    notes: list[str] | None = None,
    weights: str | Path | None = None,
    input_shape: Sequence[int] | None = None,
) -> Classifier:
    """Read a classifier. No code from a file of weights runs, whoever wrote it.

    Args:
        path: a checkpoint of xaijax (a folder with `model.safetensors`, or such a file), a file for `from_keras`
            (`.keras`, `.h5`, `.weights.h5`, `.hdf5`), `from_torch` (`.safetensors`, `.pth`, `.pt`, `.bin`, `.ckpt`,
            `.pt2`) or `xaijax.models.from_arrays` (`.npz`), `from_onnx` (`.onnx`); `"timm:NAME"` or
            `"torchvision:NAME"` with `weights`; a Python function as `script.py:function`, whose file is run (no
            other): one that takes nothing returns a PyTorch module, one that takes images gives predictions; or
            `"builtin"`, the small CNN that comes with the package (a folder of that name needs its full path).
        classes: K names, for a file that has none; default "0", "1", ... Names in the file are kept.
        channels: 1 or 3, of the images; default: those of the weights. The first kernel of Keras and PyTorch weights
            for three channels is summed for one.
        output: what the logits mean, see `Classifier`; default: what the file says, else softmax.
        preprocess: what the weights expect of pixels in [0, 1]; default: what the file says, else what the published
            weights of its architecture expect.
        notes: a list that gets a sentence for each assumption that the file does not settle.
        weights: file of weights for a path that names a PyTorch model.
        input_shape: (H, W, C), or (H, W), for a PyTorch model that is named or made by a script, see `from_torch`, and
            for a Keras or ONNX file that leaves its size open.

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
    if black_box.is_script(path) and not building.makes_module(path):
        found = black_box.from_script(str(path), output=output, notes=notes)
        return _named(_black_box(found, path, preprocess), path, classes)
    place, reader = locate(path)
    given: dict[str, Any] = {"classes": classes, "output": output, "preprocess": preprocess, "notes": notes}
    if building.is_name(place):
        return _with_channels(
            from_torch(str(path), weights=weights, input_shape=input_shape, **given), Path(path), channels
        )
    if weights is not None:
        raise InputError(f"weights are for a model that is named (timm:NAME); {path} has its own")
    if input_shape is not None and reader not in (from_torch, from_keras, from_onnx):
        raise InputError(f"{path} has the size of its images; leave out input_shape")
    if reader is from_onnx:
        numbers = _black_box_preprocess(preprocess)
        return from_onnx(place, classes=classes, input_shape=input_shape, output=output, notes=notes, **numbers)
    if reader is None:
        return _as_given(_own(place, channels), path, classes, output, preprocess, notes)
    if reader is from_arrays:
        arrays = _with_channels(from_arrays(place, classes=classes, output=output, notes=notes), place, channels)
        return arrays if preprocess is None else arrays.with_preprocess(preprocess)
    return _foreign(reader, place, channels, given | ({"input_shape": input_shape} if input_shape else {}))


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
    if is_pickled_tar(place):
        return place, from_torch
    for endings, reader in ((KERAS, from_keras), (TORCH, from_torch), (ARRAYS, from_arrays), (ONNX, from_onnx)):
        if kind in endings:
            return place, reader
    raise InputError(
        f"{place.name} is not a supported weights file; choose a folder of xaijax train or a file that ends in "
        f"{', '.join((OWN, *KERAS, *TORCH, *ARRAYS, *ONNX))}, or a Python function as script.py:function"
    )


def is_named(path: str | Path) -> bool:
    """Whether a model is named and not a file: `timm:NAME`, `torchvision:NAME`, or a script that makes a module.

    Example:
        >>> is_named("timm:resnet18"), is_named("weights.pth")
        (True, False)
    """
    return building.is_name(path) and (not black_box.is_script(path) or building.makes_module(path))


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


def _own(path: Path, channels: int | None) -> Classifier:
    return _with_channels(checkpoint.load(path), path, channels)


def _as_given(
    found: Classifier,
    path: str | Path,
    classes: Sequence[str] | None,
    output: Output | None,
    preprocess: Preprocess | Style | None,
    notes: list[str] | None,
) -> Classifier:
    """A classifier that states everything itself, with what the caller overrides, which is noted."""
    said: list[str] = []
    if output is not None and output != found.output:
        text = f"the output of {path} is {found.output}, and is read as {output} because --output is given"
        said.append(Note(text, "output", "option"))
        found = found.with_output(output)
    if preprocess is not None:
        changed = found.with_preprocess(preprocess)
        if changed.preprocess != found.preprocess:
            text = f"the preprocessing that {path} states is replaced because --preprocess is given"
            said.append(Note(text, "preprocess", "option"))
        found = changed
    if notes is not None:
        notes += said
    return _named(found, path, classes)


def _named(found: Classifier, path: str | Path, classes: Sequence[str] | None) -> Classifier:
    """The classifier with names, where it has none of its own."""
    if classes is None or not is_unnamed(found.classes):
        return found
    if len(classes) != len(found.classes):
        raise InputError(f"classes must be {len(found.classes)} names for {path}; got {tuple(classes)}")
    return dataclasses.replace(found, classes=tuple(map(str, classes)))


def _black_box(found: Classifier, path: str | Path, preprocess: Preprocess | Style | None) -> Classifier:
    if preprocess is not None:
        raise InputError(f"what {path} expects of pixels is said in the script, as mean and std: leave out preprocess")
    return found


def _black_box_preprocess(preprocess: Preprocess | Style | None) -> dict[str, Any]:
    """A preprocessing as mean and std of pixels in [0, 1]."""
    if preprocess is None:
        return {}
    made = Preprocess.named(preprocess) if isinstance(preprocess, str) else preprocess
    if made.pixels is not None:
        raise InputError("an ONNX file gets one mean and std per channel, not per pixel; write a script for it")
    return {
        "mean": [m / made.scale for m in made.mean],
        "std": [s / made.scale for s in made.std],
        "order": made.order,
    }


def _foreign(
    reader: Callable[..., Classifier], path: Path, channels: int | None, options: dict[str, Any]
) -> Classifier:
    given = {name: value for name, value in options.items() if value is not None}
    try:
        found = reader(path, **given)
    except UnknownArchitectureError as error:
        raise InputError(error.said) from None
    if channels not in (None, found.input_shape[2]) and "input_shape" not in given and path.suffix != ".pt2":
        given.pop("notes", None)  # they were taken down
        found = reader(path, input_shape=(*found.input_shape[:2], channels), **given)
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
