"""Modules by name: `timm:NAME`, `torchvision:NAME`, `FILE.py:FUNCTION`, filled with weights from a file.

A script is the user's own and is run because its name was given; a file of weights never is.
"""

import ast
import contextlib
import importlib.util
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax._outputs import Output
from xaijax.models import _scripts
from xaijax.models._files import regular_file
from xaijax.models.importers.torch_weights import shortened, state_of, stored_entries, without_wrappers
from xaijax.preprocess import Preprocess

LIBRARIES = ("timm", "torchvision")
STATED = ("input_shape", "classes", "output", "channels", "mean", "std", "thresholds")
TRANSFORMING = ("inception_v3", "googlenet")  # torchvision's with an input transform of their own, and side outputs
SIDE_OUTPUTS = re.compile(r"(.*\.)?(AuxLogits|aux1)\..*")
SCRIPT = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)")


@dataclass(frozen=True)
class Built:
    """A module, and what its library says of its pixels.

    Args:
        module: with its weights.
        preprocess: what the weights expect, or None where nothing says it.
        input_shape: (H, W, C) that it is made for, or None.
        said: one line about what was assumed.
        classes: the names that a script states, or None.
        output: what the logits mean, where a script states it.
        thresholds: of its findings, where a script states them.
    """

    module: Any
    preprocess: Preprocess | None
    input_shape: tuple[int, int, int] | None
    said: str
    classes: tuple[str, ...] | None = None
    output: Output | None = None
    thresholds: Sequence[float] | None = None


def is_name(source: Any) -> bool:
    """Whether a text names a module to build: `timm:...`, `torchvision:...` or `FILE.py:FUNCTION`."""
    text = str(source)
    return text.partition(":")[0] in LIBRARIES or SCRIPT.fullmatch(text) is not None


def makes_module(source: Any) -> bool:
    """Whether a text names what makes a module: a function of a script that takes no argument, or a class of it.

    Nothing is run.
    """
    script = SCRIPT.fullmatch(str(source))
    if script is None:
        return False
    try:
        tree = ast.parse(Path(script["file"]).expanduser().read_text("utf-8"))
    except (OSError, ValueError, SyntaxError):
        return False
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == script["function"]:
            return True
        if isinstance(node, ast.FunctionDef) and node.name == script["function"]:
            required = len(node.args.posonlyargs) + len(node.args.args) - len(node.args.defaults)
            return required == 0 and node.args.vararg is None
    return False


def build(name: str, weights: Any, notes: list[str] | None = None) -> Built:
    """The module of that name.

    Args:
        name: `timm:NAME`, `torchvision:NAME` or `FILE.py:FUNCTION`.
        weights: a file, a state dictionary, or None for what the script's function gives.
        notes: a list that gets a sentence on weights that are left out.

    Returns:
        The module and its preprocessing.

    Raises:
        FileNotFoundError: where a file is not there.
        InputError: for an unknown name, missing weights, or weights that do not fit: all differences are listed.
    """
    need_torch(name)
    script = SCRIPT.fullmatch(name)
    if script is not None:
        built = _from_script(Path(script["file"]), script["function"], weights is not None)
        if weights is not None:
            fill(built.module, entries_of(weights, notes), str(name))
        return built
    library, _, architecture = name.partition(":")
    if weights is None:
        raise InputError(f"{name} needs its weights; give weights=, a .safetensors, .pth or .ckpt file")
    entries = entries_of(weights, notes)
    return _timm(architecture, entries) if library == "timm" else _torchvision(architecture, entries)


def need_torch(what: str) -> None:
    """Refuse what cannot be converted without PyTorch."""
    if importlib.util.find_spec("torch") is None:
        raise ImportError(
            f"converting {what} needs PyTorch; install it, or convert the model once where it is and keep the result "
            "with models.save, which opens without it"
        )


def entries_of(weights: Any, notes: list[str] | None = None) -> dict[str, Any]:
    """A state dictionary, given or from a file, with the names that are stored."""
    if isinstance(weights, Mapping):
        return state_of(weights, "the state dictionary", notes)
    path = regular_file(weights)
    with stored_entries(path) as entries:
        return {name: _tensor(value) for name, value in state_of(entries, path.name, notes).items()}


def _tensor(value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        return value
    return torch.as_tensor(value[...] if hasattr(value, "what") else value)


def fill(module: Any, entries: Mapping[str, Any], what: str) -> None:
    """Load a state dictionary; refuses one that does not fit, all differences listed."""
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    entries = _as_wanted(entries, wanted)
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}
    given = {name: _tensor(value) for name, value in entries.items() if not name.endswith("num_batches_tracked")}
    problems = [f"missing {name}" for name in wanted if name not in given and name not in counters]
    problems += [f"unknown {name}" for name in given if name not in wanted]
    problems += [
        f"{name} is {list(given[name].shape)}, not {list(shape)}"
        for name, shape in wanted.items()
        if name in given and tuple(given[name].shape) != shape
    ]
    if problems:
        raise InputError(f"the weights do not fit {what}: {'; '.join(problems)}")
    module.load_state_dict(given, strict=False)


def _as_wanted(entries: Mapping[str, Any], wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entries by the names that a module has: a wrapper may have put a part before those of the file, or the module
    is itself a class around the network whose weights were saved."""
    forms = list(shortened(entries))
    parts = next(iter(wanted), "").split(".")
    for depth in range(1, len(list(shortened(wanted)))):
        before = ".".join(parts[:depth])
        forms += [{f"{before}.{name}": value for name, value in form.items()} for form in shortened(entries)]
    return max(forms, key=lambda form: len(form.keys() & wanted.keys()))


def _with_head(entries: Mapping[str, Any], head: Any) -> Mapping[str, Any]:
    """The entries without the parts before all their names, as far as the kernel of the last layer has its name."""
    fitting = (some for some in shortened(entries) if f"{head}.weight" in some)
    return next(fitting, None) or without_wrappers(entries)


def _from_script(file: Path, function: str, filled: bool) -> Built:
    """What a script makes, with what it says of it; `filled`: its weights come from a file."""
    place = regular_file(file)
    script, _ = _scripts.run(place)
    maker = getattr(script, function, None)
    if not callable(maker):
        raise InputError(f"{file} has no function {function}; give FILE.py:FUNCTION")
    import torch

    loaded = f"a function make_model() that returns the module with its weights loaded, and give {file}:make_model"
    if isinstance(maker, type):
        if not filled:
            raise InputError(
                f"{function} of {file} is a class, whose weights are random: give --weights, or write {loaded}"
            )
        try:
            module = maker()
        except TypeError as error:
            raise InputError(
                f"{function} of {file} is a class that needs arguments ({error}): write {loaded}"
            ) from error
    else:
        module = maker()
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"{function} of {file} must return a torch.nn.Module; it returns a {type(module).__name__}")
    stated = _scripts.stated(maker, script, STATED)
    if stated.get("channels", "first") != "first":
        raise InputError(
            f"{file} says channels = {stated['channels']!r}, and a module takes [n, C, H, W]: leave it out"
        )
    names = stated.get("classes")
    if isinstance(names, str) or not isinstance(names, Iterable | None):
        raise InputError(f"{file} says classes = {names!r}; it must be a list of names")
    numbers: dict[str, Any] = {name: _numbers(stated[name]) for name in ("mean", "std") if name in stated}
    return Built(
        module,
        Preprocess(**numbers) if numbers else None,
        stated.get("input_shape"),
        "",
        None if names is None else tuple(map(str, names)),
        stated.get("output"),
        stated.get("thresholds"),
    )


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(map(float, value)) if isinstance(value, Iterable) else (float(value),)


def _timm(name: str, entries: Mapping[str, Any]) -> Built:
    with _named("timm"):
        import timm
    if name.partition(".")[0] not in timm.list_models():
        raise InputError(f"timm has no model {name!r}; see timm.list_models()")
    config: dict[str, Any] = dict(timm.create_model(name, pretrained=False, num_classes=0).default_cfg)
    options: dict[str, Any] = {}
    head = config.get("classifier")  # of several classifiers (distillation) the first
    head = head[0] if isinstance(head, list | tuple) else head
    entries = _with_head(entries, head)
    classes = _rows(entries, head)
    if classes is not None:
        options["num_classes"] = classes
    first = config.get("first_conv")
    kernel = entries.get(f"{first}.weight") if isinstance(first, str) else None
    if kernel is not None and len(kernel.shape) == 4:
        options["in_chans"] = int(kernel.shape[1])
    module = timm.create_model(name, pretrained=False, **options)
    fill(module, entries, f"timm's {name}")
    channels, height, width = config["input_size"]
    channels = options.get("in_chans", channels)
    mean, std = tuple(config["mean"]), tuple(config["std"])
    if channels == 1:
        mean, std = (sum(mean) / len(mean),), (sum(std) / len(std),)
    return Built(
        module,
        Preprocess(mean=mean, std=std),
        (height, width, channels),
        f"preprocessing and size are those of timm's default configuration of {name}",
    )


def _rows(entries: Mapping[str, Any], head: Any) -> int | None:
    """How many classes the last dense layer has."""
    kernel = entries.get(f"{head}.weight")
    return None if kernel is None else int(kernel.shape[0])


def _torchvision(name: str, entries: Mapping[str, Any]) -> Built:
    with _named("torchvision"):
        import torchvision
    if name not in torchvision.models.list_models(module=torchvision.models):
        raise InputError(f"torchvision has no model {name!r} for classification; see torchvision.models.list_models()")
    options: dict[str, Any] = {"init_weights": False} if name in TRANSFORMING else {}
    if name in TRANSFORMING:
        options["aux_logits"] = any(SIDE_OUTPUTS.fullmatch(entry) for entry in entries)
    module = torchvision.models.get_model(name, weights=None, **options)
    # The head is the last matrix; its rows are the classes.
    wanted = [entry for entry, value in module.state_dict().items() if entry.endswith("weight") and value.ndim >= 2]
    head = next(entry for entry in reversed(wanted) if not entry.startswith(("AuxLogits.", "aux")))
    entries = _with_head(entries, head.removesuffix(".weight"))
    if head in entries and int(entries[head].shape[0]) != 1000:
        module = torchvision.models.get_model(name, weights=None, num_classes=int(entries[head].shape[0]), **options)
    fill(module, entries, f"torchvision's {name}")
    size, pixels = 224, Preprocess.named("torch")
    with contextlib.suppress(ValueError, AttributeError, TypeError, IndexError):
        transforms = torchvision.models.get_model_weights(name).DEFAULT.transforms()
        size = int(transforms.crop_size[0])
        pixels = Preprocess(mean=tuple(map(float, transforms.mean)), std=tuple(map(float, transforms.std)))
    said = f"preprocessing and size are those of torchvision's published weights of {name}"
    if name in TRANSFORMING:
        # With published weights the module normalises its normalised pixels once more: what it takes is -1 to 1.
        pixels = Preprocess.named("tf")
        said += ", with the input transform that the module has then (transform_input)"
    return Built(module, pixels, (size, size, 3), said)


@contextlib.contextmanager
def _named(library: str) -> Any:
    try:
        yield
    except ImportError as error:
        raise ImportError(f"models of {library} need {library}; install it ({error})") from error
