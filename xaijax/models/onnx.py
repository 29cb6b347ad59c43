"""ONNX files as black boxes, run by ONNX Runtime on the CPU. The layout and type of the images are read from the file.

Nothing of the file is run but its graph of operations; custom operators are not loaded.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xaijax._errors import InputError
from xaijax._outputs import SUM_TOLERANCE, Output, check_predictions
from xaijax.classifier import Classifier
from xaijax.models._files import regular_file
from xaijax.models._notes import Note
from xaijax.models._shapes import OpenSizeError
from xaijax.models.black_box import from_predict

DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
}


def from_onnx(
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    input_shape: Sequence[int] | None = None,
    output: Output | None = None,
    channels: Literal["first", "last"] | None = None,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    order: Literal["rgb", "bgr"] = "rgb",
    logits: bool | None = None,
    select: str | None = None,
    thresholds: Sequence[float] | None = None,
    notes: list[str] | None = None,
) -> Classifier:
    """A black box from an ONNX file.

    Args:
        path: the file; one input of images, any fixed or free batch size.
        classes: K names; default "0", "1", ...
        input_shape: (H, W, C) or (H, W), for a file with free sides; default: the file's.
        output: what it gives, as in `Classifier`; default: softmax, for two outputs or more that sum to 1 or leave
            [0, 1].
        channels: where they stand, for a file whose shape does not show it; default: the axis of size 1 or 3.
        mean, std: the graph takes `(x - mean) / std` of pixels in [0, 1]; default: pixels in [0, 1] as they are.
        order: `"bgr"`: the graph takes blue first, as with OpenCV and Caffe, and `mean` and `std` are in this order.
        logits: whether the graph gives logits; default: found out by a few images, of which logits are no
            probabilities.
        select: name of the graph's output, where it has several; default: the first of floats `[n, K]`.
        thresholds: as in `from_predict`.
        notes: a list that gets a sentence for each assumption that the file does not settle.

    Returns:
        A classifier without layers, gradients and parameters.

    Raises:
        ImportError: without ONNX Runtime.
        FileNotFoundError: where there is no such file.
        InputError: for a file that ONNX Runtime cannot read, several inputs, or a shape that must be given.
    """
    place = regular_file(path)
    session = _session(place)
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        shown = ", ".join(f"{one.name} {one.shape}" for one in inputs)
        raise InputError(
            f"{place.name} must have one input of images with four axes; it has {shown}: write a function that fills "
            "in the rest, and give --model FILE.py:predict"
        )
    (taken,) = inputs
    if taken.type not in DTYPES:
        raise InputError(f"{place.name} takes {taken.type}; images can be given as {', '.join(DTYPES)}")
    channels = channels or _channels(place.name, taken.shape)
    shape = _input_shape(place.name, taken.shape, channels, input_shape)
    wanted = _output_name(place.name, session, select, notes)
    reverse = _reversed(order, shape, channels)
    if order == "bgr":
        mean, std = (value if value is None else np.atleast_1d(value)[::-1].tolist() for value in (mean, std))

    def run(images: np.ndarray) -> Any:
        return session.run([wanted], {taken.name: np.ascontiguousarray(images[reverse])})[0]

    dtype = DTYPES[taken.type]
    batch = taken.shape[0] if isinstance(taken.shape[0], int) and taken.shape[0] > 0 else None
    if mean is None and std is None and dtype != "uint8" and notes is not None:
        notes.append(
            Note(f"preprocessing assumed for {place.name}: identity (pixels in [0, 1] as they are)", "preprocess")
        )
    probe = _probe(run, shape, channels, dtype, batch, mean, std)
    kind = _kind(place.name, probe, output, notes)
    if logits is None:
        logits = _are_logits(place.name, probe, kind, notes)
    return from_predict(
        run, input_shape=shape, classes=classes or [str(k) for k in range(2 if kind == "binary" else probe.shape[1])],
        output=kind, channels=channels, mean=mean, std=std, dtype=dtype, batch_size=batch, logits=logits,
        thresholds=thresholds, name=place.name, fingerprint=_fingerprint(place),
    )  # fmt: skip


def _reversed(order: str, shape: Sequence[int], channels: str) -> tuple[slice, ...]:
    """An index of a batch that gives its channels in the order that the graph takes."""
    if order not in ("rgb", "bgr"):
        raise InputError(f'order must be "rgb" or "bgr"; got {order!r}')
    back = slice(None, None, -1 if order == "bgr" else 1)
    return (slice(None), back) if channels == "first" else (slice(None), slice(None), slice(None), back)


def _fingerprint(place: Path) -> str:
    """A hash of the file and of those next to it that it names: weights may lie outside (`m.onnx.data`)."""
    graph = place.read_bytes()
    found = hashlib.sha256(graph)
    for other in sorted(place.parent.iterdir()):
        if other.name != place.name and other.name.encode() in graph and other.is_file():
            with other.open("rb") as stream:
                found.update(hashlib.file_digest(stream, "sha256").digest())
    return found.hexdigest()[:16]


def _session(place: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ImportError(f"reading {place.name} needs ONNX Runtime; pip install 'xaijax[onnx]'") from None
    try:
        return onnxruntime.InferenceSession(str(place), providers=["CPUExecutionProvider"])
    except Exception as error:  # it has errors of its own without a common base
        reason = " ".join(str(error).split())
        raise InputError(f"{place.name} is not a readable ONNX file (ONNX Runtime: {reason})") from error


def _channels(what: str, shape: Sequence[Any]) -> Literal["first", "last"]:
    first, last = (shape[axis] in (1, 3) for axis in (1, 3))
    if first == last:
        raise InputError(f"{what} takes {list(shape)}, which does not show where the channels stand: give channels")
    return "first" if first else "last"


def _input_shape(what: str, shape: Sequence[Any], channels: str, given: Sequence[int] | None) -> tuple[int, ...]:
    own = (*shape[2:], shape[1]) if channels == "first" else tuple(shape[1:])
    fixed = [isinstance(side, int) and side > 0 for side in own]
    if given is None:
        if not all(fixed):
            raise OpenSizeError(
                f"{what} takes images of any size, {list(shape)}: give --size 224, or what it was trained on (in "
                "Python input_shape=(H, W, C))"
            )
        return tuple(own)
    given = (*given, own[2] if fixed[2] else 3) if len(given) == 2 else given
    wrong = [side for side, known, wanted in zip(own, fixed, given, strict=True) if known and side != wanted]
    if wrong:
        raise InputError(f"{what} takes {list(own)} (H, W, C); got input_shape {tuple(given)}")
    return tuple(given)


def _output_name(what: str, session: Any, select: str | None, notes: list[str] | None) -> str:
    outputs = session.get_outputs()
    names = [one.name for one in outputs]
    if select is not None:
        if select not in names:
            raise InputError(f"{what} has no output {select!r}; it has {', '.join(names)}")
        return select
    fitting = [one.name for one in outputs if one.type in DTYPES and len(one.shape) in (1, 2)]
    if not fitting:
        shown = ", ".join(f"{one.name} {one.type} {one.shape}" for one in outputs)
        raise InputError(
            f"{what} gives no numbers [n, K]; it has {shown}: export it with one array of predictions as its output"
        )
    if len(fitting) > 1 and notes is not None:
        others = ", ".join(f"{one.name} {one.shape}" for one in outputs if one.name in fitting[1:])
        text = f"{what} has several outputs: {fitting[0]} is read, not {others}; in Python select=NAME takes another"
        notes.append(Note(text, "output"))
    return str(fitting[0])


def _probe(
    run: Any, shape: Sequence[int], channels: str, dtype: str, batch: int | None, mean: Any, std: Any
) -> np.ndarray:
    """What the graph gives for some images, `[5, K]`: black, white, a ramp, noise and dark noise."""
    images = np.zeros((5, *shape), np.float32)
    images[1] = 1
    images[2] = np.linspace(0, 1, shape[1], dtype=np.float32)[:, None]
    images[3] = np.random.default_rng(0).random(shape, np.float32)
    images[4] = images[3] / 4
    if dtype == "uint8":
        images = np.rint(images * 255)
    else:
        images = (images - np.asarray(0.0 if mean is None else mean)) / np.asarray(1.0 if std is None else std)
    images = images.astype(dtype)
    ready = np.ascontiguousarray(np.moveaxis(images, -1, 1) if channels == "first" else images)
    rows = [np.asarray(run(np.repeat(one[None], batch or 1, axis=0)))[:1].reshape(1, -1) for one in ready]
    return np.concatenate(rows).astype(np.float64)


def _kind(what: str, probe: np.ndarray, output: Output | None, notes: list[str] | None) -> Output:
    if output is not None:
        return output
    if probe.shape[1] == 1:
        raise InputError(
            f"{what} has one output and does not say what it means; give output='binary' (one logit of two classes), "
            "'sigmoid' (one finding) or 'regression' (a number); on the command line --output"
        )
    if probe.min() >= 0 and probe.max() <= 1 and np.abs(probe.sum(axis=1) - 1).max() > SUM_TOLERANCE:
        raise InputError(
            f"{what} gives numbers from {probe.min():.3g} to {probe.max():.3g} that do not sum to 1, and does not say "
            "what they mean; give output='sigmoid' (findings, several to an image) or 'softmax' (logits of classes); "
            "on the command line --output"
        )
    if notes is not None:
        notes.append(
            Note(
                f"output assumed for {what}: softmax over {probe.shape[1]} classes; --output sigmoid reads findings",
                "output",
            )
        )
    return "softmax"


def _are_logits(what: str, probe: np.ndarray, kind: Output, notes: list[str] | None) -> bool:
    """Whether what the graph gives cannot be probabilities."""
    if kind == "regression":
        return False
    names = [str(k) for k in range(probe.shape[1])]
    try:
        check_predictions(probe, "sigmoid" if kind == "binary" else kind, len(probe), names)
    except InputError:
        if notes is not None:
            low, high = probe.min(), probe.max()
            step = "softmax" if kind == "softmax" else "sigmoid"
            notes.append(
                Note(
                    f"{what} gives logits ({low:.3g} to {high:.3g} on trial images): the {step} is applied to them",
                    "model",
                )
            )
        return True
    if kind != "softmax" and notes is not None:
        text = f"{what} gives {probe.min():.3g} to {probe.max():.3g} on trial images: read as probabilities, not logits"
        notes.append(Note(text, "model"))
    return False
