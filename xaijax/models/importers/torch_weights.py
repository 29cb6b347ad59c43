"""Weights of torchvision and timm models, from files or state dictionaries, without running code from them.

`.safetensors` files need nothing; `.pth` and `.pt` files need PyTorch, which reads them with `weights_only=True`.
"""

import contextlib
import importlib.util
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax._outputs import THRESHOLD, Output
from xaijax.classifier import Classifier
from xaijax.models._files import Stored, reading, regular_file
from xaijax.models._notes import Note
from xaijax.models.importers.importing import Dense, build
from xaijax.models.importers.sources import recognise
from xaijax.models.zoo._entry import sources
from xaijax.models.zoo._weights import Source
from xaijax.preprocess import Preprocess, Style

ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
LIBRARIES = ("torchvision", "timm")
WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.")
SAFETENSORS = "a readable safetensors file"
TENSORS = "a readable file of tensors"
THRESHOLDS = "op_threshs"  # TorchXRayVision: probabilities from which on a finding is reported, NaN where untrained
AUXILIARY = re.compile(r"AuxLogits\..*")
# Where checkpoints of trainings keep the state dictionary.
STATES = ("state_dict", "model_state_dict", "model", "net", "network", "model_state")
AVERAGED = re.compile(r"(.*[_.])?(ema|swa|averaged?)([_.].*)?", re.IGNORECASE)
# What a module keeps next to its network: the weights of classes in its loss, and a counter of averages.
OF_TRAINING = re.compile(r"n_averaged|([^.]*_)?(criterion|loss)(_[^.]*)?\..*", re.IGNORECASE)


def from_state(
    source: str | Path | Mapping[str, Any],
    architecture: str | None = None,
    *,
    input_shape: Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
    preprocess: Preprocess | Style | None = None,
    output: Output | None = None,
    notes: list[str] | None = None,
) -> Classifier:
    """A classifier of the registry with the weights of a torchvision or timm model.

    The head may be another one than the published: any class count, and dense layers with ReLU between them (dropout
    leaves no trace in the weights). Auxiliary logits are left out.

    Args:
        source: a `.safetensors`, `.pth` or `.pt` file, or a state dictionary of tensors or NumPy arrays.
        architecture: a name of `list_models()`; default: recognised by the entries' names.
        input_shape: (H, W, C); default: the size that the architecture is made for and the weights' channels. With
            C = 1, weights of three channels are summed over them.
        classes: K names; default "0", "1", ...
        preprocess: what the weights expect of pixels in [0, 1]; default: what the library's published weights do.
        output: what the logits mean, see `Classifier`; such a file does not say it. Default: softmax, for two logits or
            more.
        notes: a list that gets a sentence for each assumption that the file does not settle.

    Returns:
        The classifier, with float32 parameters.

    Raises:
        FileNotFoundError: where there is no such file.
        ImportError: for a `.pth` file without PyTorch.
        ValueError: for a file that holds more than tensors (a whole pickled module, say), an unknown architecture, or
            entries that do not fit: all are listed.

    Example:
        >>> from_state({"fc.weight": 0})
        Traceback (most recent call last):
        ...
        xaijax._errors.InputError: the state dictionary has entries that are not named arrays: fc.weight
    """
    if isinstance(source, Mapping):
        return _convert(source, architecture, "the state dictionary", input_shape, classes, preprocess, output, notes)
    path = regular_file(source)
    with stored_entries(path) as entries:
        return _convert(entries, architecture, path.name, input_shape, classes, preprocess, output, notes)


def stored_entries(path: Path) -> contextlib.AbstractContextManager[Mapping[str, Any]]:
    """What a file of weights holds, by name; no code from it runs."""
    kind = path.suffix.lower()
    if kind not in ENDINGS and not is_pickled_tar(path):
        raise InputError(
            f"{path.name} must end in .safetensors, .pth, .pt, .bin or .ckpt; save the state dictionary as one of them"
        )
    return _safetensors(path) if kind == ".safetensors" else _pickled(path)


def is_pickled_tar(path: Path) -> bool:
    """Whether a file is called `.pth.tar`, as checkpoints of PyTorch's examples and of timm are, which are no archives.

    Example:
        >>> is_pickled_tar(Path("model_best.pth.tar")), is_pickled_tar(Path("shard.tar"))
        (True, False)
    """
    return [one.lower() for one in path.suffixes[-2:]] in ([".pth", ".tar"], [".pt", ".tar"])


@contextlib.contextmanager
def _safetensors(path: Path) -> Iterator[dict[str, Any]]:
    """The arrays of a safetensors file by name; none is read before it is used."""
    from safetensors import safe_open

    with contextlib.ExitStack() as stack:
        with reading(path.name, SAFETENSORS):
            file = stack.enter_context(safe_open(path, framework="numpy"))
            found = {name: Stored(file.get_slice(name), path.name, SAFETENSORS) for name in file.keys()}  # noqa: SIM118
        yield found


@contextlib.contextmanager
def _pickled(path: Path) -> Iterator[Mapping[str, Any]]:
    """What PyTorch reads from a file without running code from it."""
    if importlib.util.find_spec("torch") is None:
        raise ImportError(f"reading {path.name} needs PyTorch; install it, or save the weights as .safetensors")
    import torch

    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except MemoryError:
        raise
    except Exception as error:  # PyTorch's own advice, which would run code, is left out
        if zipped and _is_script(path):
            raise InputError(
                f"{path.name} is a TorchScript program, which is not read; save model.state_dict() of the module "
                "that it was made of, or export that with torch.export.save as .pt2"
            ) from None
        found = re.search(r"WeightsUnpickler error:\s*(\S.*?)(?:\. Please|$)", str(error), re.MULTILINE)
        raise InputError(
            f"{path.name} holds more than tensors or is damaged, and code from a file is never run; save "
            f"model.state_dict() alone (PyTorch: {found[1] if found else type(error).__name__})"
        ) from error
    if not isinstance(loaded, Mapping):
        raise InputError(f"{path.name} holds a {type(loaded).__name__}; save model.state_dict()")
    yield loaded


def _is_script(path: Path) -> bool:
    """Whether a file is what `torch.jit.save` writes: an archive with code."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


class _Tensor(Stored):
    """A torch tensor, converted by slices."""

    def _slice(self, index: Any) -> Any:
        return self.array[index].detach().cpu().float().numpy()


def _convert(
    entries: Mapping[str, Any],
    architecture: str | None,
    what: str,
    input_shape: Sequence[int] | None,
    classes: Sequence[str] | None,
    preprocess: Preprocess | Style | None,
    output: Output | None,
    notes: list[str] | None,
) -> Classifier:
    named = {
        name: _Tensor(value, what, TENSORS) if hasattr(value, "detach") else value
        for name, value in _as_known(state_of(entries, what, notes)).items()
    }
    limits = named.pop(THRESHOLDS, None)
    if limits is not None:
        output, preprocess = _of_findings(what, output, preprocess, notes)
    row = recognise(named, LIBRARIES, architecture, what)
    preprocess = _told_apart(row, what, preprocess, notes)
    named = {name: value for name, value in named.items() if not AUXILIARY.fullmatch(name)}
    head = _head(row, named)
    if len(head) > (3 if row.architecture.startswith("vgg") else 1) and notes is not None:
        text = f"{what} has {len(head)} dense layers behind its backbone: ReLU is assumed between them"
        notes.append(Note(text, "model"))
    found = build(
        row,
        named,
        head,
        what=what,
        outputs_first=True,
        pool=None,
        input_shape=input_shape,
        classes=classes,
        preprocess=preprocess,
        output=output,
        notes=notes,
    )
    return found if limits is None or found.output != "sigmoid" else _with_thresholds(found, limits, what)


def _of_findings(
    what: str, output: Output | None, preprocess: Preprocess | Style | None, notes: list[str] | None
) -> tuple[Output, Preprocess | Style]:
    """Output and preprocessing of weights with thresholds of findings, where the caller does not give them."""
    said = []
    if output is None:
        said.append(Note(f"{what} has thresholds of findings ({THRESHOLDS}): its output is sigmoid", "output", "file"))
    if preprocess is None:
        text = (
            f"preprocessing assumed for {what}: {Preprocess.words('xrv')}, as the weights of TorchXRayVision expect, "
            "which have such thresholds; --preprocess overrides"
        )
        said.append(Note(text, "preprocess"))
    if notes is not None:
        notes += said
    return output or "sigmoid", preprocess or "xrv"


def _with_thresholds(found: Classifier, limits: Any, what: str) -> Classifier:
    """A classifier of findings with its thresholds, the usual one where the file gives none."""
    values = np.asarray(limits[...], np.float64).reshape(-1)
    if len(values) != len(found.classes):
        raise InputError(f"{what} has {len(values)} thresholds ({THRESHOLDS}) for {len(found.classes)} findings")
    usable = np.isfinite(values) & (values > 0) & (values < 1)
    return found.with_output("sigmoid", thresholds=np.where(usable, values, THRESHOLD).tolist())


def _told_apart(
    row: Source, what: str, preprocess: Preprocess | Style | None, notes: list[str] | None
) -> Preprocess | Style | None:
    """The preprocessing, where the name of the file tells weights apart whose entries have the same names."""
    if row.library != "timm":
        return preprocess
    name = what.lower()
    if row.architecture == "efficientnet_b0":
        if name.startswith("tf_"):
            raise InputError(
                f"{what} is named after TensorFlow's EfficientNet, whose entries have the names of {row.architecture} "
                "but whose padding and epsilon differ: its logits would be wrong"
            )
        if notes is not None:
            text = f"{what} is read as timm's efficientnet_b0; tf_efficientnet_b0 has the same names and is another"
            notes.append(Note(text, "model"))
    if row.architecture == "vit_b16" and preprocess is None:
        if name.startswith("deit"):
            if notes is not None:
                text = (
                    f"preprocessing assumed for {what}: {Preprocess.words('torch')}, as the published weights of DeiT "
                    "expect; --preprocess overrides"
                )
                notes.append(Note(text, "preprocess"))
            return "torch"
        if notes is not None:
            text = f"{what} is read as timm's vit_base_patch16; DeiT has the same names and expects torch"
            notes.append(Note(text, "model"))
    return preprocess


def state_of(entries: Mapping[str, Any], what: str, notes: list[str] | None = None) -> dict[str, Any]:
    """The named arrays of a state dictionary, also of one in a checkpoint of a training; names as they are stored.

    Raises:
        InputError: for entries that are not named arrays, and several state dictionaries none of which is a usual one.
    """
    while not _is_state(entries):
        inner = [key for key, value in entries.items() if isinstance(value, Mapping) and _is_state(value)]
        plain = [key for key in inner if not AVERAGED.fullmatch(str(key))] or inner
        usual = [key for key in STATES if isinstance(entries.get(key), Mapping)]
        if not usual and len(plain) > 1:
            raise InputError(
                f"{what} holds several sets of weights ({', '.join(map(str, plain[:5]))}); save the one that is meant "
                "alone"
            )
        if not usual and not plain:
            break
        chosen = (usual or plain)[0]
        others = [str(key) for key in inner if key not in plain]
        if others and notes is not None:
            text = f"{what} also holds averaged weights ({', '.join(others)}), which are not used; save them alone"
            notes.append(Note(f"{text} to use them", "model"))
        entries = entries[chosen]
    wrong = [str(name) for name, value in entries.items() if not (isinstance(name, str) and hasattr(value, "shape"))]
    if wrong or not entries:
        listed = f"entries that are not named arrays: {', '.join(wrong[:10])}" if wrong else "no entries"
        raise InputError(f"{what} has {listed}")
    kept = {name: value for name, value in entries.items() if not OF_TRAINING.fullmatch(name)}
    return kept or dict(entries)


def _is_state(entries: Mapping[str, Any]) -> bool:
    return bool(entries) and all(isinstance(name, str) and hasattr(value, "shape") for name, value in entries.items())


def without_wrappers(names: Mapping[str, Any]) -> dict[str, Any]:
    """Without the prefix that a wrapper (data parallel, a compiled or a Lightning module) puts before all names."""
    found = dict(names)
    while True:
        prefix = next((prefix for prefix in WRAPPERS if all(name.startswith(prefix) for name in found)), None)
        if prefix is None:
            return found
        found = {name.removeprefix(prefix): value for name, value in found.items()}


def shortened(names: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The names as they are, then without the first part that all of them share, and so on: a class around a network
    puts the name of its attribute there."""
    found = dict(names)
    while True:
        yield found
        parts = {name.partition(".")[0] for name in found}
        if len(parts) != 1 or not all("." in name for name in found):
            return
        found = {name.partition(".")[2]: value for name, value in found.items()}


def _as_known(names: Mapping[str, Any]) -> dict[str, Any]:
    """The names as an architecture of the registry has them, where one does."""
    rows = [row for row in sources() if row.library in LIBRARIES]
    for some in shortened(names):
        if any(row.matches(some) for row in rows):
            return some
    return without_wrappers(names)


def _head(row: Source, entries: Mapping[str, Any]) -> list[Dense]:
    """The dense layers of the head, in the order of their numbers."""
    if not row.head:
        return []
    pattern = re.compile(rf"{row.head}((?:\.\d+)*)\.weight")
    found = []
    for name, value in entries.items():
        match = pattern.fullmatch(name)
        if match and len(value.shape) == 2:
            bias = f"{name.removesuffix('.weight')}.bias"
            numbers = tuple(int(part) for part in match[1].split(".") if part)
            found.append((numbers, Dense(name, bias if bias in entries else None)))
    return [dense for _, dense in sorted(found, key=lambda item: item[0])]
