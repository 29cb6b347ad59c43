"""Where a training starts: random weights, or those of a file with the head kept or made anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from xaijax import models
from xaijax._network.trees import flatten, nest
from xaijax.classifier import Classifier
from xaijax.models import checkpoint
from xaijax.training.head import head_names

BUILTIN = "builtin"
KERAS = (".keras", ".h5", ".hdf5")
TORCH = (".pth", ".pt", ".bin", ".safetensors")


@dataclass(frozen=True)
class Start:
    """Where a training starts.

    Args:
        classifier: with the classes of the data.
        head_kept: whether its head is that of the weights; False for random weights too.
    """

    classifier: Classifier
    head_kept: bool


def read_weights(path: str | Path, *, channels: int | None = None) -> Classifier:
    """A classifier from any file of weights that xaijax reads.

    Args:
        path: a checkpoint of xaijax (folder or file), a Keras file (`.keras`, `.h5`), a torch file (`.pth`, `.pt`,
            `.safetensors`), the arrays of `xaijax.models.importers.arrays` (`.npz`), or builtin
            for the model that comes with the package.
        channels: 1 or 3, of the images; default: those of the weights. Three-channel weights of Keras and torch are
            summed for one.

    Returns:
        The classifier, with float32 parameters and the preprocessing of the weights.

    Raises:
        FileNotFoundError, ValueError: as the readers say.
    """
    path = Path(path).expanduser()
    kind = path.suffix.lower()
    if str(path) == BUILTIN and not path.exists():
        made = models.builtin()
    elif not path.exists():
        raise FileNotFoundError(f"there are no weights {path}; give a checkpoint's folder or a file of weights")
    elif path.is_dir() or (kind == ".safetensors" and _is_ours(path)):
        made = models.load(path)
    elif kind == ".npz":
        from xaijax.models.importers.arrays import from_arrays

        made = from_arrays(path)
    elif kind in KERAS or kind in TORCH:
        reader = models.from_keras if kind in KERAS else models.from_torch
        made = reader(path)
        if channels not in (None, made.input_shape[2]):
            made = reader(path, input_shape=(*made.input_shape[:2], channels))
    else:
        raise ValueError(
            f"{path.name} is no file of weights that is known; known are folders of xaijax train, "
            f"{', '.join((*KERAS, *TORCH, '.npz'))}"
        )
    if channels not in (None, made.input_shape[2]):
        raise ValueError(
            f"the weights in {path} are for images of {made.input_shape[2]} channel{'s' * (made.input_shape[2] > 1)}, "
            f"not {channels}; leave out --channels"
        )
    return made


def start(weights: Classifier, classes: Sequence[str], size: int | None, key: int) -> Start:
    """The same architecture for other classes and another size, with the trunk of the weights.

    The head is kept where the classes are the same and its shapes fit, else it is random.

    Args:
        weights: from `read_weights`.
        classes: K names, of the data.
        size: side of the images in pixels, or None for that of the weights.
        key: seed of a new head.

    Returns:
        The classifier.

    Raises:
        ValueError: for a size that the trunk's weights do not fit.
    """
    architecture = weights.architecture
    assert architecture is not None  # read_weights gives models of the registry alone
    height, width, channels = weights.input_shape
    shape = (height, width, channels) if size is None else (size, size, channels)
    made = models.create(
        architecture.name,
        input_shape=shape,
        classes=classes,
        key=key,
        preprocess=weights.preprocess,
        **dict(architecture.options),
    )
    old = {".".join(path): leaf for path, leaf in flatten(weights.params)}
    new = {".".join(path): leaf for path, leaf in flatten(made.params)}
    differ = [name for name in new if name not in old or old[name].shape != new[name].shape]
    head = head_names(made)
    if not set(differ) <= set(head):
        raise ValueError(
            f"the weights of {architecture.name} are for images of {height}x{width} pixels and do not fit "
            f"{shape[0]}x{shape[1]}: leave out --size"
        )
    kept = weights.classes == made.classes and not differ
    merged = {name: old[name] if kept or name not in head else new[name] for name in new}
    return Start(made.with_params(nest(merged)), kept)


def _is_ours(path: Path) -> bool:
    """Whether a safetensors file is a checkpoint of xaijax; also where it cannot be read, which `load` will say."""
    try:
        with safe_open(path, framework="numpy") as tensors:
            return checkpoint.HEADER in (tensors.metadata() or {})
    except (SafetensorError, OSError):
        return True
