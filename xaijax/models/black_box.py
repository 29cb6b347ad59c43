"""Models of which only the predictions are known: any function, session or estimator, as a `Classifier`.

What needs predictions alone works: all metrics that do not look into the model, perturbation explainers, controls.
What needs layers, gradients or parameters refuses in one sentence.
"""

import functools
import inspect
import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xaijax import _outputs
from xaijax._errors import InputError
from xaijax._network.host import HostNetwork, explained, layout_hint
from xaijax._outputs import Output
from xaijax.classifier import Classifier
from xaijax.models import _scripts
from xaijax.models._notes import Note
from xaijax.models._shapes import check_image_shape
from xaijax.preprocess import Preprocess

DTYPES = ("float32", "float16", "float64", "uint8")
SCRIPT_OPTIONS = (
    *("classes", "input_shape", "output", "channels", "mean", "std", "dtype", "batch_size", "logits", "thresholds"),
    "name",
)
LARGEST = 1 << 26
"""Values of one image of a black box, 256 MiB as float32: no network takes more, and a wrong number means more."""
_number = itertools.count()


def from_predict(
    function: Any,
    *,
    input_shape: Sequence[int],
    classes: Sequence[str] | None = None,
    output: Output = "softmax",
    channels: Literal["first", "last"] = "last",
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    dtype: str = "float32",
    batch_size: int | None = None,
    logits: bool = False,
    thresholds: Sequence[float] | None = None,
    name: str | None = None,
    fingerprint: str = "",
) -> Classifier:
    """A black box: any function that gives predictions, as a classifier.

    Args:
        function: from a batch of images to predictions `[n, K]` (`[n]` or `[n, 1]` for a binary output), arrays or
            tensors; or an object with `predict_proba` (scikit-learn), which gets each image as one row; or, with
            `output="regression"`, one with `predict`. It may call another process or machine. It is called by one
            thread at a time.
        input_shape: (H, W, C) of the images.
        classes: K names; default: those of a scikit-learn estimator, else "0", "1", ..., after one call with a black
            image.
        output: what it gives: `"softmax"` (rows that sum to 1), `"sigmoid"` (findings), `"binary"`, `"regression"`.
        channels: `"last"`: it takes `[n, H, W, C]`; `"first"`: `[n, C, H, W]`, as PyTorch does.
        mean, std: it takes `(x - mean) / std` of pixels in [0, 1]; one number, or one per channel.
        dtype: `"float32"`, `"float16"`, `"float64"`, or `"uint8"`: it sees images rounded to 8 bits.
        batch_size: images in every call, for a function that takes no other number; default: up to 64. Calls of the
            same work have the same shape, the last is filled up.
        logits: the function gives logits; the softmax or sigmoid is applied here.
        thresholds: probabilities from which on a finding counts as present, one per finding; None for 0.5.
        name: in messages; default: that of the function.
        fingerprint: what a run folder keeps to notice another function under the same name, such as a version.

    Returns:
        A classifier without layers, gradients and parameters.

    Raises:
        InputError: for arguments that are not allowed; and whenever it is called, for predictions that are not what
            `output` says, naming the likely mistake.

    Example:
        >>> import numpy as np
        >>> from xaijax import explain, models
        >>> def bright(images):
        ...     p = images.mean(axis=(1, 2, 3))
        ...     return np.stack([1 - p, p], axis=1)
        >>> model = models.from_predict(bright, input_shape=(8, 8, 1), classes=["dark", "bright"])
        >>> model.predict(np.full((1, 8, 8, 1), 51, np.uint8)).round(6).tolist()
        [[0.8, 0.2]]
        >>> explain.rise(model, np.ones((1, 8, 8, 1)), 1, count=20).shape
        (1, 8, 8)
    """
    call, known = _callable(function, output)
    name = name or f"{getattr(function, '__name__', type(function).__name__)}"
    output = _outputs.check_output(output)
    shape = _shape(input_shape)
    mean, std = (_per_channel(what, value, shape[2]) for what, value in (("mean", mean), ("std", std)))
    if channels not in ("first", "last"):
        raise InputError(f'channels must be "first" or "last"; got {channels!r}')
    if dtype not in DTYPES:
        raise InputError(f"dtype must be {', '.join(DTYPES[:-1])} or {DTYPES[-1]}; got {dtype!r}")
    if dtype == "uint8" and (mean is not None or std is not None):
        raise InputError("mean and std are for functions that take floats; this one takes uint8: leave them out")
    if std is not None and 0.0 in std:
        raise InputError(f"std must not be zero; got {std}")
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size must be 1 or more; got {batch_size}")
    names = classes if classes is not None else known
    if names is None:
        names = _count(call, shape, channels, dtype, batch_size, output)
    count = 1 if output == "binary" else len(names)
    found = _outputs.class_names(output, count, names) if not (output == "softmax" and count == 1) else tuple(names)
    network = HostNetwork(
        call, found, output, logits, channels, mean, std, dtype, batch_size, name,
        fingerprint or f"{name} {next(_number)}",
    )  # fmt: skip
    limits = _outputs.check_thresholds(output, len(found), thresholds)
    return Classifier({}, network, found, shape, Preprocess(), output=output, thresholds=limits)


def from_script(text: str, *, output: Output | None = None, notes: list[str] | None = None) -> Classifier:
    """A black box from a Python file, which is run: `script.py:predict`.

    Args:
        text: the file, a colon, and the name of a function in it, as for `from_predict`. What else `from_predict`
            takes stands in the file as variables (`classes`, `input_shape`, `output`, `channels`, `mean`, `std`,
            `dtype`, `batch_size`, `logits`, `thresholds`), or as attributes of the function; `input_shape` must.
        output: instead of the file's.
        notes: a list that gets a sentence where neither says the output.

    Returns:
        The classifier.

    Raises:
        FileNotFoundError: where there is no such file.
        InputError: for a file that fails, or that lacks the function or its `input_shape`.
    """
    place, _, wanted = text.rpartition(":")
    path = Path(place).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no script {place}; give FILE.py:FUNCTION")
    module, print_ = _scripts.run(path)
    function = getattr(module, wanted, None)
    if function is None:
        raise InputError(f"{path} has no {wanted!r}; name a function of the file behind the colon")
    if inspect.isclass(function):
        raise InputError(
            f"{wanted} of {path} is a class: write a function make_model() that returns the module with its weights "
            f"loaded, and give {path}:make_model"
        )
    given = _scripts.stated(function, module, SCRIPT_OPTIONS)
    if "input_shape" not in given:
        raise InputError(f"{path} must say which images {wanted} takes: add a line such as input_shape = (224, 224, 3)")
    if output is not None:
        given["output"] = output
    elif "output" not in given and notes is not None:
        said = f'output assumed for {text}: softmax; a line such as output = "sigmoid" in the file says another'
        notes.append(Note(said, "output"))
    try:
        return from_predict(
            _blamed(function, text, given.get("channels", "last")), **{"name": text, "fingerprint": print_, **given}
        )
    except (InputError, TypeError) as error:
        raise (error if path.name in str(error) else InputError(f"{text}: {error}")) from None


def _blamed(function: Any, text: str, channels: str) -> Any:
    """The function of a script, whose own errors say that they are its own; objects are left as they are."""
    if not inspect.isfunction(function):
        return function

    @functools.wraps(function)
    def called(*images: Any) -> Any:
        try:
            return function(*images)
        except InputError:
            raise
        except Exception as error:
            shape = np.shape(images[0]) if images else ()
            hint = layout_hint(error, channels)
            likely = f"if it takes [n, C, H, W], write channels = {hint} in the file; else " if hint else ""
            raise InputError(
                f"{text} fails on images of shape {shape}: {type(error).__name__}: {error}; {likely}call it on such an "
                "array in Python to see where"
            ) from error

    return called


def is_script(path: str | Path) -> bool:
    """Whether a model is named as `script.py:function`.

    Example:
        >>> is_script("models/mine.py:predict"), is_script("mine.py"), is_script("C:/weights.pth")
        (True, False, False)
    """
    place, colon, name = str(path).rpartition(":")
    return bool(colon) and place.endswith(".py") and name.isidentifier()


def _callable(function: Any, output: str) -> tuple[Callable[[np.ndarray], Any], list[str] | None]:
    """The call, and the names of the classes where the object has some."""
    if hasattr(function, "named_modules"):
        raise TypeError(
            f"function gets arrays, and {type(function).__name__} is a PyTorch module, which takes tensors: give "
            "lambda images: module(torch.from_numpy(images)), or convert it with models.from_torch(module, ...)"
        )
    if output == "regression" and not callable(function) and callable(getattr(function, "predict", None)):
        return lambda images: _column(function.predict(images.reshape(len(images), -1))), None
    if callable(getattr(function, "predict_proba", None)):
        names = getattr(function, "classes_", None)
        several = isinstance(names, list)  # scikit-learn: an array of classes for each output
        known = None if names is None or several or output != "softmax" else [str(name) for name in names]

        def chances(images: np.ndarray) -> np.ndarray:
            found = function.predict_proba(images.reshape(len(images), -1))
            if isinstance(found, list):  # one array [n, 2] for each finding
                return np.stack([np.asarray(one)[:, -1] for one in found], axis=1)
            return np.asarray(found)

        return chances, known
    if not callable(function):
        raise TypeError(
            f"function must be callable, or have predict_proba; got {type(function).__name__}: give its method that "
            "returns probabilities"
        )
    _check_arguments(function)
    return function, None


def _check_arguments(function: Callable[..., Any]) -> None:
    """Refuses a function of several inputs; one without a signature, as of compiled code, is believed."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(None)
    except TypeError as error:
        name = getattr(function, "__name__", type(function).__name__)
        raise InputError(
            f"{name}{signature} cannot be called with images alone ({error}); a black box takes one array of images: "
            "give a function that fills in the rest"
        ) from None


def _column(values: Any) -> np.ndarray:
    found = np.asarray(values)
    return found[:, None] if found.ndim == 1 else found


def _shape(input_shape: Sequence[int]) -> tuple[int, int, int]:
    shape = check_image_shape(input_shape)
    if math.prod(shape) > LARGEST:
        raise InputError(
            f"input_shape {shape} means {4 * math.prod(shape) / 2**30:,.0f} GiB for one image; images may have at most "
            f"{LARGEST:,} values: give the size in pixels that the function takes"
        )
    return shape


def _per_channel(what: str, value: Sequence[float] | float | None, channels: int) -> tuple[float, ...] | None:
    if value is None:
        return None
    found = tuple(float(v) for v in np.atleast_1d(np.asarray(value, np.float64)))
    if len(found) not in (1, channels) or not np.isfinite(found).all():
        raise InputError(f"{what} must be one number or {channels}, one per channel; got {list(found)}")
    return found


def _count(
    call: Callable[[np.ndarray], Any],
    shape: tuple[int, int, int],
    channels: str,
    dtype: str,
    batch: int | None,
    output: str,
) -> list[str]:
    """Names "0", "1", ... for as many classes as one call with black images gives."""
    images = np.zeros((batch or 1, *shape), dtype)
    images = np.ascontiguousarray(np.moveaxis(images, -1, 1)) if channels == "first" else images
    found = _outputs.as_numpy(explained(call, images, channels))
    width = 2 if output == "binary" else found.shape[1] if found.ndim == 2 else 1
    return [str(number) for number in range(width)]
