"""Writes the completion script of a shell from the commands' own options."""

import dataclasses
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal

from xaijax._names import BUILTIN
from xaijax.bench.config import WORDS
from xaijax.completion.config import CompletionConfig

FILES = "FILES"  # stands for paths among the values of an option


@dataclasses.dataclass(frozen=True)
class Words:
    """What may follow a command: option -> the values to offer, and what stands where no option does."""

    options: dict[str, tuple[str, ...]]
    positional: tuple[str, ...]


def run(config: CompletionConfig) -> int:
    """Prints the script; returns 0."""
    print(script(config.shell), end="")
    return 0


def script(shell: str) -> str:
    """The completion script of a shell.

    Args:
        shell: "bash", "zsh" or "fish".

    Returns:
        Its text. It calls no Python: what there is to complete is written into it.
    """
    from xaijax.cli import COMMANDS

    found = {name: _words(name) for name in COMMANDS}
    if shell == "fish":
        return _fish(found, {name: what for name, (*_, what) in COMMANDS.items()})
    head = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return head + _bash(found)


def _words(command: str) -> Words:
    from xaijax import cli
    from xaijax._runs import command_line

    options: dict[str, tuple[str, ...]] = {"--help": ()}
    positional: tuple[str, ...] = ()
    for option in command_line.options(cli.config_class(command)):
        values = _values(command, option)
        if option.positional:
            positional = values
        else:
            options[f"--{option.name}"] = values
            if option.switch:
                options[f"--{option.opposite}"] = ()
    return Words(options, positional)


def _values(command: str, option: Any) -> tuple[str, ...]:
    """The values to offer for an option, from its type and its name."""
    kind = typing.get_args(option.kind)[0] if option.several else option.kind
    kinds = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    for one in kinds:
        if typing.get_origin(one) is Literal:
            return tuple(map(str, typing.get_args(one)))
    if option.switch:
        return ()
    last = option.name.rpartition(".")[2]
    if last == "name":
        return {"methods": _methods, "metrics": _metrics, "models": _models}[command]()
    known = {"methods": _methods, "compare": _methods, "base": _methods, "metrics": _metrics, "model": _models}
    if last in known and not (last == "compare" and command == "profile"):
        return known[last]()
    if last == "data":
        from xaijax.data.phantoms import MODALITIES

        return (*(f"phantoms:{name}" for name in MODALITIES), "phantoms", FILES)
    if last == "kernel":
        from xaijax import kernels

        return tuple(sorted(name for name in kernels.__all__ if name != "build_info"))
    if last == "calibration":
        return (*WORDS, FILES)
    paths = {"out", "config", "weights", "compare", "trace", "table", "images"}
    return (FILES,) if last in paths else ()


def _methods() -> tuple[str, ...]:
    from xaijax.explain import METHODS

    return tuple(METHODS)


def _metrics() -> tuple[str, ...]:
    from xaijax.metrics import METRICS

    return tuple(METRICS)


def _models() -> tuple[str, ...]:
    from xaijax import models

    return (BUILTIN, *models.list_models(), FILES)


def _bash(found: dict[str, Words]) -> str:
    lines = ["_xaijax() {", '  local current="${COMP_WORDS[COMP_CWORD]}" option="" word position', "  COMPREPLY=()"]
    # ":" breaks words in bash, and phantoms:brain_mri is one.
    lines += ['  if [ "$COMP_CWORD" -eq 1 ]; then', f"    {_reply(list(found))}", "    return", "  fi"]
    lines += ["  for ((position = COMP_CWORD - 1; position > 1; position--)); do"]
    lines += ['    word="${COMP_WORDS[position]}"', '    case "$word" in --*) option="$word"; break ;; esac', "  done"]
    lines += ['  case "${COMP_WORDS[1]}" in']
    for command, words in found.items():
        lines += [
            f"    {command})",
            '      case "$current" in',
            f"        --*) {_reply(list(words.options))}; return ;;",
        ]
        lines += ["      esac", '      case "$option" in']
        for option, values in words.options.items():
            if values:
                lines.append(f"        {option}) {_reply(values)} ;;")
        other = [*words.positional] or list(words.options)
        lines += [f"        *) {_reply(other)} ;;", "      esac ;;"]
    lines += ["  esac", "}", "complete -o default -F _xaijax xaijax"]
    return "\n".join(lines) + "\n"


def _reply(values: Sequence[str]) -> str:
    words = " ".join(value for value in values if value != FILES)
    files = " -f" if FILES in values else ""
    return f"COMPREPLY=($(compgen{files} -W '{words}' -- \"$current\"))"


def _fish(found: dict[str, Words], about: dict[str, str]) -> str:
    lines = ["complete -c xaijax -f"]
    for command, what in about.items():
        lines.append(f"complete -c xaijax -n __fish_use_subcommand -a {command} -d {_quoted(what)}")
    for command, words in found.items():
        here = f"complete -c xaijax -n '__fish_seen_subcommand_from {command}'"
        if words.positional:
            lines.append(here + _offer(words.positional))
        for option, values in words.options.items():
            takes = f" -x{_offer(values)}" if values and FILES not in values else (_offer(values) if values else "")
            lines.append(f"{here} -l {option[2:]}{takes}")
    return "\n".join(lines) + "\n"


def _offer(values: Sequence[str]) -> str:
    words = " ".join(value for value in values if value != FILES)
    offered = f" -a {_quoted(words)}" if words else ""
    return f" -F{offered}" if FILES in values else offered


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "\\'") + "'"
