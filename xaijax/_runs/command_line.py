"""Command lines from configuration classes: the options are the fields, and a mistake is one sentence.

The parser (tyro) puts mistakes into a box of many lines. Here the arguments are first held against the same fields, so
that the sentence says what was given, what is allowed and what to do; whatever else the parser refuses has its words
put into one line.
"""

import contextlib
import dataclasses
import difflib
import io
import typing
from collections.abc import Sequence
from typing import Any

from xaijax import _options


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

    if not {"-h", "--help"} & set(args) and (found := fault(config_class, command, args)):
        raise ValueError(found)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(config_class, args=list(args), prog=f"xaijax {command}", use_underscores=False)
    except SystemExit as stop:
        if not stop.code:
            raise
        words = " ".join(said.getvalue().translate(dict.fromkeys(map(ord, "╭╮╰╯│─"), " ")).split())
        raise ValueError(words or f"the options of xaijax {command} cannot be used") from None


def options(config_class: Any, prefix: str = "") -> list[Option]:
    """The options of a configuration class; those of a nested one are named `outer.inner`."""
    from tyro.conf import Positional

    hints = typing.get_type_hints(config_class, include_extras=True)
    mark = typing.get_args(Positional[int])[1]
    found: list[Option] = []
    for field in dataclasses.fields(config_class):
        kind, name = hints[field.name], prefix + field.name.replace("_", "-")
        positional = typing.get_origin(kind) is typing.Annotated and mark in typing.get_args(kind)[1:]
        if typing.get_origin(kind) is typing.Annotated:
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
    last: Option | None = None
    position = 0
    while position < len(args):
        arg, position = args[position], position + 1
        if not arg.startswith("--"):
            if not takes_more:
                return _stray(arg, last)
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
        return f"xaijax {command} needs {' and '.join(missing)} (xaijax {command} --help says what they are)"
    return ""


def _stray(arg: str, last: Option | None) -> str:
    if last is None:
        return f"{arg!r} belongs to no option: options begin with --"
    if last.switch:
        return f"--{last.name} takes no value, got {arg!r}: write --{last.name} or --{last.opposite}"
    return f"--{last.name} takes one value, and {arg!r} is one more: leave one out"
