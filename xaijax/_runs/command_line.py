"""Command lines from configuration classes: the options are the fields, and a mistake is one sentence.

The parser (tyro) puts mistakes into a box of many lines. Here the arguments are first compared with the same fields, so
that the sentence names what was given, what is allowed and what to do; whatever else the parser refuses has its words
put into one line.
"""

import contextlib
import dataclasses
import difflib
import inspect
import io
import json
import re
import shlex
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xaijax import _names, _options
from xaijax._errors import InputError


@dataclasses.dataclass(frozen=True)
class Option:
    """One option: its name without the dashes, the type of its value, and how it is given."""

    name: str
    kind: Any
    required: bool
    positional: bool = False

    @property
    def several(self) -> bool:
        """Whether it takes any number of values."""
        return typing.get_origin(self.kind) is tuple

    @property
    def switch(self) -> bool:
        """Whether it takes none: --name or --no-name."""
        return self.kind is bool and not self.required

    @property
    def opposite(self) -> str:
        """The name that turns a switch off."""
        group, dot, last = self.name.rpartition(".")
        return f"{group}{dot}no-{last}"


def parse(config_class: Any, command: str, args: Sequence[str]) -> Any:
    """A configuration from command-line arguments.

    Args:
        config_class: a dataclass; its fields are the options.
        command: name of the command, for help and errors.
        args: arguments after the command.

    Returns:
        An instance of `config_class`.

    Raises:
        ValueError: for arguments that cannot be used, in one sentence.
        SystemExit: after --help was printed.
    """
    import tyro

    if {"-h", "--help"} & set(args):
        config_class = _documented(config_class)
    elif found := fault(config_class, command, args):
        raise ValueError(found)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(config_class, args=list(args), prog=f"xaijax {command}", use_underscores=False)
    except SystemExit as stop:
        if not stop.code:
            raise
        words = " ".join(said.getvalue().translate(dict.fromkeys(map(ord, "╭╮╰╯│─"), " ")).split())
        raise ValueError(
            _plain_words(config_class, words) or f"the options of xaijax {command} cannot be used"
        ) from None


def _plain_words(config_class: Any, words: str) -> str:
    """What a nested configuration refused, without the parser's frame and in the words of the command line."""
    found = re.search(r"Error parsing (\w+): (.*?)(?: -{3,}| For full helptext|$)", words)
    if found is None:
        return words
    group, said = found.groups()
    kind = typing.get_type_hints(config_class).get(group)
    for field in dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ():
        said = re.sub(rf"(?<![\w.-]){field.name}\b", f"--{group}.{field.name.replace('_', '-')}", said)
    return said


def _documented(config_class: Any) -> Any:
    """The class for the parser's help: texts without the line breaks of the source, and no None among values and
    defaults. The parser keeps the break before an indented line."""
    import docstring_parser
    import tyro

    texts = {
        one.arg_name: " ".join((one.description or "").split())
        for base in reversed(config_class.__mro__[:-1])
        for one in docstring_parser.parse_from_object(base).params
    }
    fields: list[Any] = []
    for field in dataclasses.fields(config_class):
        kind = typing.get_type_hints(config_class, include_extras=True)[field.name]
        if not dataclasses.is_dataclass(kind):
            extra = tyro.conf.arg(
                help=texts.get(field.name),
                metavar=_metavar(field.name, kind),
                help_behavior_hint="" if field.default in (None, ()) else None,
            )
            kind = typing.Annotated[kind, extra]
        copied = {name: getattr(field, name) for name in ("default", "default_factory", "kw_only")}
        fields.append((field.name, kind, dataclasses.field(**copied)))
    return dataclasses.make_dataclass(
        config_class.__name__, fields, namespace={"__doc__": config_class.__doc__}, frozen=True
    )


def _metavar(name: str, kind: Any) -> str | None:
    """What stands for the value in the help, where the parser's own word says less."""
    from tyro.conf import Positional

    mark = typing.get_args(Positional[int])[1]
    if mark in getattr(kind, "__metadata__", ()) and kind.__origin__ is str:
        return name.upper()
    parts = typing.get_args(kind)
    if type(None) not in parts:
        return None
    (value, *others) = [part for part in parts if part is not type(None)]
    value = getattr(value, "__origin__", value)
    return {int: "INT", float: "FLOAT", str: "STR", Path: "PATH"}.get(value) if not others else None


def options(config_class: Any, prefix: str = "") -> list[Option]:
    """The options of a configuration class; those of a nested one are named `outer.inner`."""
    from tyro.conf import Positional

    hints = typing.get_type_hints(config_class, include_extras=True)
    mark = typing.get_args(Positional[int])[1]
    found: list[Option] = []
    for field in dataclasses.fields(config_class):
        kind, name = hints[field.name], prefix + field.name.replace("_", "-")
        positional = typing.get_origin(kind) is typing.Annotated and mark in typing.get_args(kind)[1:]
        if positional:
            kind = typing.get_args(kind)[0]
        if dataclasses.is_dataclass(kind):
            found += options(kind, f"{name}.")
            continue
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        found.append(Option(name, kind, required, positional))
    return found


def fault(config_class: Any, command: str, args: Sequence[str]) -> str:
    """What is wrong with the arguments of a command, in one sentence; empty where nothing is.

    Example:
        >>> @dataclasses.dataclass
        ... class Config:
        ...     images: int = 8
        ...     mode: typing.Literal["fast", "exact"] = "fast"
        ...
        >>> fault(Config, "try", ["--mode", "exakt"])
        "--mode is 'exakt'; it must be fast or exact: did you mean exact?"
    """
    known = options(config_class)
    by_name = {option.name: option for option in known if not option.positional}
    by_name |= {option.opposite: option for option in known if option.switch}
    takes_more = any(option.positional for option in known)
    given: set[str] = set()
    places = [option for option in known if option.positional]
    last: Option | None = None
    position = 0
    while position < len(args):
        arg, position = args[position], position + 1
        if not arg.startswith("--"):
            if not takes_more:
                return _stray(arg, last)
            if not places:
                one = " and ".join(option.name.upper() for option in known if option.positional)
                return f"xaijax {command} takes one {one}, and {arg!r} is one more: leave one out"
            given.add(places[0].name)
            places = places if places[0].several else places[1:]
            continue
        name, inline, text = arg[2:].partition("=")
        name = name.replace("_", "-")
        last = by_name.get(name)
        if last is None:
            near = difflib.get_close_matches(name, by_name, n=2, cutoff=0.5)
            hint = f"did you mean {' or '.join(f'--{one}' for one in near)}?" if near else "leave it out"
            return f"xaijax {command} has no option --{name}: {hint} (xaijax {command} --help lists all)"
        given.add(last.name)
        if last.switch:
            if inline:
                return f"--{name} takes no value: write --{last.name} or --{last.opposite}"
            continue
        values = [text] if inline else []
        while position < len(args) and not args[position].startswith("--") and (last.several or not values):
            values.append(args[position])
            position += 1
        if not values and not last.several:
            return f"--{name} needs a value: {_options.allowed(last.kind)}"
        kind = typing.get_args(last.kind)[0] if last.several else last.kind
        for value in values:
            try:
                _options.read(kind, value)
            except ValueError as error:
                return f"--{name} is {value!r}; it must be {error}"
    missing = [f"--{option.name}" for option in known if option.required and option.name not in given]
    missing = [name for name in missing if name[2:] in by_name]
    if missing:
        return f"xaijax {command} needs {' and '.join(missing)} (xaijax {command} --help describes them)"
    if places and places[0].required and places[0].name not in given:
        name = places[0].name.upper()
        return f"xaijax {command} needs {name}, right after the command (xaijax {command} --help describes it)"
    return ""


def _stray(arg: str, last: Option | None) -> str:
    if last is None:
        return f"{arg!r} belongs to no option: options begin with --"
    if last.switch:
        return f"--{last.name} takes no value, got {arg!r}: write --{last.name} or --{last.opposite}"
    return f"--{last.name} takes one value, and {arg!r} is one more: leave one out"


def plain(config: Any) -> dict[str, Any]:
    """A configuration as JSON values: paths as texts, tuples as lists, nested dataclasses as mappings.

    Example:
        >>> from xaijax._runs.options import RunOptions
        >>> plain(RunOptions(out=Path("runs/a")))
        {'out': 'runs/a', 'config': None, 'resume': False}
    """
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def to_arguments(options: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Options as command-line arguments, so that one parser checks what is typed and what a file holds.

    Example:
        >>> to_arguments({"methods": ["random", "sobel"], "transpose": True, "out": None})
        ['--methods', 'random', 'sobel', '--transpose']
        >>> to_arguments({"augmentation": {"zoom": 0.2}})
        ['--augmentation.zoom', '0.2']
        >>> to_arguments({"set": {"rise": {"count": 500}}})
        ['--set', 'rise.count=500']
    """
    arguments: list[str] = []
    for key, value in options.items():
        name = prefix + key.replace("_", "-")
        if value is None:
            continue
        if isinstance(value, bool):
            arguments.append(f"--{name}" if value else f"--{prefix}no-{key.replace('_', '-')}")
        elif isinstance(value, Mapping):
            arguments += [f"--{name}", *_options.to_texts(value)] if key == "set" else to_arguments(value, f"{name}.")
        elif isinstance(value, list | tuple):
            arguments += [f"--{name}", *map(str, value)]
        else:
            arguments += [f"--{name}", str(value)]
    return arguments


def repeat(command: str, config: Any, *, base: Any = None, skip: Iterable[str] = ("resume", "config")) -> str:
    """The command line that repeats a run: every option that is not the default.

    Args:
        command: its name.
        config: of the run, a dataclass.
        base: the configuration whose values need not be written; default: the class's defaults.
        skip: options to leave out.

    Returns:
        One line for a shell.

    Example:
        >>> @dataclasses.dataclass
        ... class Config:
        ...     data: str
        ...     count: int = 8
        ...     covered: bool = True
        ...
        >>> repeat("bench", Config("my brains", covered=False))
        "xaijax bench --data 'my brains' --no-covered"
    """
    skip = set(skip)
    changed = _changed(config, base)
    words = to_arguments({key: value for key, value in changed.items() if key not in skip})
    return shlex.join(["xaijax", command, *words])


def _changed(config: Any, base: Any = None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    values = plain(config)
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if base is not None:
            default = getattr(base, field.name)
        elif field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        else:
            default = field.default
        if value == default:
            continue
        if dataclasses.is_dataclass(value):
            found[field.name] = _changed(value, default if type(default) is type(value) else None)
        else:
            found[field.name] = values[field.name]
    return found


def complete(config_class: Any, args: Sequence[str]) -> list[str]:
    """Arguments with what a file and a run to resume say where the arguments say nothing.

    The command line has the last word, then the file of `--config`, then the run in `--out` with `--resume`.

    Args:
        config_class: the configuration, a dataclass.
        args: arguments after the command.

    Returns:
        Arguments for `parse`.

    Raises:
        InputError: for a file or a run that cannot be read.
    """
    from xaijax._runs import options

    known = {field.name for field in dataclasses.fields(config_class)}
    args = list(args)
    path = _given(args, "config")
    if "config" in known and path is not None:
        args = _merge(args, read_file(_file(config_class, path), known - {"config"}))
    out = _given(args, "out")
    if "resume" in known and out is not None and "--resume" in args:
        stored = _described(out).get("config")
        if isinstance(stored, dict):
            kept = {key: value for key, value in stored.items() if key in known and key not in options.FREE}
            args = _merge(args, kept)
    return args


def shipped(config_class: Any) -> dict[str, Path]:
    """The files of options that come with a command, which `--config` takes by their names: name -> file.

    Args:
        config_class: the configuration, a dataclass; its package has the files in the folder `configs`.

    Example:
        >>> from xaijax.train import TrainConfig
        >>> list(shipped(TrainConfig))
        ['fine-tune', 'quick']
    """
    folder = Path(inspect.getfile(config_class)).parent / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _file(config_class: Any, given: str) -> Path:
    """The file that `--config` names, by its path or by the name of one that comes with the command."""
    path, files = Path(given), shipped(config_class)
    if given in files:
        return files[given]
    if files and not path.suffix and len(path.parts) == 1:
        raise InputError(
            f"--config is {given!r}; give a file that ends in .yaml, .yml or .toml, or the name of one that comes with "
            f"the command: {_names.closest(given, files)}"
        )
    return path


def _described(out: str) -> Mapping[str, Any]:
    """What run.json says in a folder or in object storage; empty where there is none."""
    from xaijax._runs import folder, storage

    address = storage.address_of(out)
    if address is not None:
        return storage.stored(address)
    path = Path(out).expanduser() / folder.DESCRIPTION
    return folder.read_json(path, "run") if path.is_file() else {}


def read_file(path: Path, known: Iterable[str]) -> dict[str, Any]:
    """Reads a YAML or TOML configuration; names may be written with - or _.

    Args:
        path: a `.yaml`, `.yml` or `.toml` file that holds one table of options.
        known: names of the options there are.

    Returns:
        Options by name, with underscores.

    Raises:
        InputError: for a file that is missing, holds something else, or names an unknown option.
    """
    path = path.expanduser()
    if not path.is_file():
        raise InputError(f"the configuration file {path} does not exist: give a .yaml or .toml file with --config")
    kind = path.suffix.lower()
    if kind not in (".toml", ".yaml", ".yml"):
        raise InputError(f"the configuration file {path} must end in .yaml, .yml or .toml")
    try:
        text = path.read_text("utf-8")
        if kind == ".toml":
            import tomllib

            table = tomllib.loads(text)
        else:
            import yaml

            table = yaml.safe_load(text) or {}
    except Exception as error:  # yaml.YAMLError cannot be named before yaml is imported
        raise InputError(f"the configuration file {path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(table, dict):
        raise InputError(f"the configuration file {path} must hold a table of options; got {type(table).__name__}")
    options = {str(key).replace("-", "_"): value for key, value in table.items()}
    known = sorted(known)
    for key in options:
        if key not in known:
            raise InputError(
                f"the configuration file {path} has an unknown option {key!r}: {_names.closest(key, known)}"
            )
    return options


def _given(args: Sequence[str], name: str) -> str | None:
    """The last value given for an option, before the arguments are parsed."""
    found = None
    for position, arg in enumerate(args):
        if arg == f"--{name}" and position + 1 < len(args):
            found = args[position + 1]
        elif arg.startswith(f"--{name}="):
            found = arg.partition("=")[2]
    return found


def _named(args: Sequence[str], name: str) -> bool:
    """Whether an option, or an option of the group of that name, is among the arguments."""
    group, dot, last = name.replace("_", "-").rpartition(".")
    forms = (f"--{group}{dot}{last}", f"--{group}{dot}no-{last}")
    for arg in args:
        written = arg.partition("=")[0].replace("_", "-")
        if written in forms or written.startswith(f"{forms[0]}."):
            return True
    return False


def _merge(args: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    left: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, Mapping) and key != "set":
            # Of a group those options are taken that are not named one by one.
            left[key] = {name: one for name, one in value.items() if not _named(args, f"{key}.{name}")}
        elif not _named(args, key):
            left[key] = value
    # Behind the arguments: an option of several values in front would take what stands right after the command.
    return [*args, *to_arguments(left)]
