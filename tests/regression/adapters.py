"""What is spelled differently on the two sides of a refactoring, in one place.

Everything else in the dumps uses the public API as it is. Where a name moves or changes, add the new spelling in front
of the old one in the tables below; the first that the installed package knows is used.
"""

import contextlib
import functools
import importlib
import importlib.metadata
import inspect
import io
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# What a method gives to `metrics.evaluate` beside its maps: field of `metrics.Explained` -> (the dumps' name, the
# parameter of `evaluate` where there is no such class).
EXPLAINED: Mapping[str, tuple[str, str]] = {
    "raw": ("raw", "raw_maps"),
    "variants": ("variants", "variants"),
    "explainer": ("explainers", "explainers"),
}
# A family of metrics -> its spellings.
FAMILIES: Mapping[str, tuple[str, ...]] = {"pic": ("pic", "information")}
# An option of `data.open_dataset` -> its spellings; data sets record them under the same names.
DATA: Mapping[str, tuple[str, ...]] = {"count": ("count", "n")}

# What is not at the top of a public package -> where it is, as "module:name".
PLACES: Mapping[str, tuple[str, ...]] = {
    "BUILTIN_FILE": ("xaijax.models._load:BUILTIN_FILE", "xaijax.models:BUILTIN_FILE", "xaijax.models:BUILTIN"),
    "open_dataset": ("xaijax.data:open_dataset",),
    "plant": ("xaijax.data:plant",),
    "cover": ("xaijax.data:cover",),
    "split": ("xaijax.data:split",),
    "CUES": ("xaijax.data.cues:CUES", "xaijax.data:CUES"),
    "evaluate": ("xaijax.metrics:evaluate",),
    "health": ("xaijax.metrics:health",),
    "load_cascade": ("xaijax.cascade:load", "xaijax.models:load_cascade"),
    "train": ("xaijax.training:train", "xaijax.train:train"),
    "Options": ("xaijax.training:Options", "xaijax.train:Options"),
}

# An attribute of a public object -> its spellings.
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "postprocess_steps": ("postprocess_steps",),
}


def attribute(owner: Any, name: str) -> Any:
    """An attribute by the first of its spellings that there is."""
    for spelling in ATTRIBUTES[name]:
        if hasattr(owner, spelling):
            return getattr(owner, spelling)
    raise LookupError(f"{type(owner).__name__} has no {name}: add its spelling to ATTRIBUTES in adapters.py")


def randomness(method: Any, seed: int) -> dict[str, Any]:
    """The option that makes a random method draw by a seed; none for the other methods."""
    import jax

    return {"key": jax.random.key(seed)} if "key" in method.options else {}


def place(name: str) -> Any:
    """The object of this name, from the first of its places that exists."""
    for spelling in PLACES[name]:
        module, _, attribute = spelling.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError):
            continue
    raise LookupError(f"{name} is in none of {', '.join(PLACES[name])}: add its place to PLACES in adapters.py")


def evaluate(**given: Any) -> Any:
    """`metrics.evaluate` with raw maps, variants, explainers and settings by the names of the dumps."""
    from xaijax import metrics

    more = {field: given.pop(name) for field, (name, _) in EXPLAINED.items() if name in given}
    if "settings" in given:
        given["settings"] = {family(name): options for name, options in given["settings"].items()}
    if not hasattr(metrics, "Explained"):
        given |= {EXPLAINED[field][1]: values for field, values in more.items()}
    elif more:
        given["maps"] = {
            method: metrics.Explained(
                maps, **{field: values[method] for field, values in more.items() if method in values}
            )
            for method, maps in given["maps"].items()
        }
    return place("evaluate")(**given)


def family(name: str) -> str:
    """A family of metrics as the installed package spells it; the name itself where it knows none of the spellings."""
    from xaijax.metrics import METRICS

    known = {metric.family for metric in METRICS.values()}
    return next((one for one in FAMILIES.get(name, ()) if one in known), name)


def family_name(spelling: str) -> str:
    """The name by which a family of metrics is kept in a dump."""
    return next((name for name, spellings in FAMILIES.items() if spelling in spellings), spelling)


def open_dataset(source: Any, **options: Any) -> Any:
    """`data.open_dataset` with options by the names in `DATA`."""
    function = place("open_dataset")
    known = inspect.signature(function).parameters
    spelled = {name: next((one for one in DATA.get(name, ()) if one in known), name) for name in options}
    return function(source, **{spelled[name]: value for name, value in options.items()})


def data_options(dataset: Any) -> dict[str, Any]:
    """The options that a data set records, by the names in `DATA`."""
    names = {spelling: name for name, spellings in DATA.items() for spelling in spellings}
    return {names.get(key, key): value for key, value in dataset.options.items()}


# A command's option -> its spellings; {} is the value. What is written here is how the dumps ask for it.
COMMON: Mapping[str, tuple[str, ...]] = {
    "count": ("--count {}", "--images {}"),
    "methods": ("--methods {}", "--method {}"),
    "method_options": ("--set {}", "--options {}"),
    "metric_settings": ("--set {}", "--settings {}"),
    "convention": ("--convention {}", "--set pic.convention={}"),
    "random_masks": ("--random-masks {}", "--set pic.random_masks={}"),
}
# What there was no option for, because it was always so: without the option, this value is left out.
ALWAYS: Mapping[str, Any] = {"test": 0, "calibration": ["none"]}
# The same for one command, where it is special there: (command, option) -> spellings.
SPECIAL: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("explain", "table"): ("--table {}", "--gallery {}"),
}

# A file of a run -> its names.
FILES: Mapping[str, tuple[str, ...]] = {
    "run.json": ("run.json", "train.json", "cascade.json"),
}
# What a key in a JSON file or a column of a table was called before -> the name by which dumps keep it.
KEYS: Mapping[str, str] = {"calibration": "reliability", "trunk_frozen": "backbone_frozen"}


def arguments(command: str, options: Mapping[str, Any], *, positional: Sequence[Any] = ()) -> list[str]:
    """Words of a command line, options spelled as the installed package has them.

    Args:
        command: name of the command.
        options: values by the names of the dumps (underscores, those of the tables above or of the command itself);
            True is a switch, a list several values.
        positional: words before the options.

    Raises:
        LookupError: for an option that the command does not have in any spelling.
    """
    values: dict[str, list[str]] = {}
    for name, value in options.items():
        plain = f"--{name.replace('_', '-')}"
        spellings = SPECIAL.get((command, name)) or COMMON.get(name) or (f"{plain} {{}}",)
        spelling = next((one for one in spellings if one.split()[0] in _flags(command)), None)
        if spelling is None and name in ALWAYS and value == ALWAYS[name]:
            continue
        if spelling is None:
            raise LookupError(f"xaijax {command} has no option for {name}: add its spelling to adapters.py")
        flag, _, form = spelling.partition(" ")
        several = value if isinstance(value, list | tuple) else [value]
        if name == "metric_settings":
            several = [".".join((family(one.partition(".")[0]), *one.split(".", 1)[1:])) for one in several]
        # One flag may stand for two of the dumps' options, which then share one occurrence.
        values.setdefault(flag, []).extend([] if value is True else [form.format(one) for one in several])
    words = [command, *map(str, positional)]
    for flag, texts in values.items():
        words += [flag, *texts]
    return words


@functools.cache
def _flags(command: str) -> frozenset[str]:
    """The options that the help of a command lists."""
    status, printed, _ = call([command, "--help"])
    if status != 0:
        raise LookupError(f"xaijax {command} --help ended with status {status}")
    return frozenset(re.findall(r"(?<![\w-])--[a-z][\w.-]*", printed))


def call(words: Sequence[str]) -> tuple[int, str, str]:
    """Runs `xaijax WORDS` in this process, as the console script does: exit status, standard output, standard error."""
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="xaijax")
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            status = script.load()(list(words))
        except SystemExit as stop:
            status = stop.code
    if isinstance(status, str):
        error.write(status)
        status = 1
    return int(status or 0), out.getvalue(), error.getvalue()


def program() -> list[str]:
    """The command `xaijax` of this environment, for a process of its own."""
    script = Path(sys.executable).with_name("xaijax")
    return [str(script)] if script.exists() else [sys.executable, "-m", "xaijax"]


def run(command: str, options: Mapping[str, Any], *, positional: Sequence[Any] = (), status: int = 0) -> str:
    """Runs a command that must end with a status; what it printed.

    Raises:
        RuntimeError: for another exit status, with what the command said.
    """
    words = arguments(command, options, positional=positional)
    found, printed, said = call(words)
    if found != status:
        raise RuntimeError(f"xaijax {' '.join(words)} ended with status {found}: {said[-2000:]}")
    return printed


def file_of(folder: Path, name: str) -> Path:
    """A file of a run, by the first of its names that is there."""
    for candidate in FILES.get(name, (name,)):
        if (folder / candidate).is_file():
            return folder / candidate
    raise LookupError(f"{folder} has no {name}: add its name to FILES in adapters.py")


def key(name: str) -> str:
    """The name by which a key or column is kept in a dump."""
    return KEYS.get(name, name)
