"""The command line: parses, calls, prints. Each command lives in its own module and is imported when it is asked for.

Exit status: 0 done, 1 an unexpected error, 2 bad input (one sentence on stderr), 130 interrupted.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xaijax import __version__

# command -> (module, configuration class, function that runs it, what it does)
COMMANDS = {
    "bench": ("xaijax.bench", "BenchConfig", "run_bench", "score explanation methods on a data set, with a report"),
    "train": ("xaijax.train", "TrainConfig", "run_train", "train a classifier"),
    "evaluate": ("xaijax.evaluate", "EvaluateConfig", "run_evaluate", "score a trained classifier, or compare two"),
    "explain": ("xaijax.explain_images", "ExplainConfig", "run_explain", "draw heat maps over images"),
    "profile": (
        "xaijax.profiling",
        "ProfileConfig",
        "run_profile",
        "time explainers and kernels, and say what limits them",
    ),
    "cascade": ("xaijax.cascade", "CascadeConfig", "run_cascade", "CasCAM: train or mask round by round, and explain"),
    "doctor": ("xaijax.doctor", "DoctorConfig", "run_doctor", "say what is installed, what works and what is missing"),
}
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status.

    Args:
        arguments: Command-line arguments without the program's name; default `sys.argv[1:]`.

    Returns:
        Exit status, as the module says.
    """
    args = list(sys.argv[1:] if arguments is None else arguments)
    if not args or args[0] in {"-h", "--help", "help"}:
        print(_usage())
        return 0 if args else 2
    if args[0] in {"-V", "--version"}:
        print(f"xaijax {__version__}")
        return 0
    if os.environ.get("XAIJAX_DEBUG") == "1":
        return _run(args[0], args[1:])
    try:
        return _run(args[0], args[1:])
    except KeyboardInterrupt:
        # The shell's convention; what is finished stays, and the commands that can resume say so themselves.
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away: nothing is wrong, and nothing can be said
        return 0
    except Exception as error:
        return _report(error)


def _run(name: str, args: list[str]) -> int:
    if name not in COMMANDS:
        import difflib

        near = difflib.get_close_matches(name, COMMANDS, n=1)
        raise ValueError(f"unknown command {name!r}: " + (f"did you mean {near[0]}?" if near else _known()))
    module_name, config_name, run_name, _ = COMMANDS[name]
    module = importlib.import_module(module_name)
    config: Any = parse(getattr(module, config_name), name, args)
    status = getattr(module, run_name)(config)
    return status if isinstance(status, int) else 0


def parse(config_class: Any, name: str, args: list[str]) -> Any:
    """Builds a command's configuration from its arguments, a file named by --config, and a run to resume.

    Args:
        config_class: A frozen dataclass; its fields are the options.
        name: Name of the command.
        args: Arguments after the name.

    Returns:
        An instance of `config_class`.

    Raises:
        SystemExit: After --help was printed.
        ValueError: An argument does not parse, or the configuration file cannot be used; one sentence.
    """
    import dataclasses

    from xaijax import _options

    fields = [field.name for field in dataclasses.fields(config_class)]
    if not {"-h", "--help"} & set(args):
        if "config" in fields:
            args = _with_file(args, fields)
        if name == "bench":
            args = _with_preset(_with_run(args))
    return _options.parse(config_class, name, args)


def _with_file(args: list[str], fields: list[str]) -> list[str]:
    from xaijax.bench import plan

    path = _value(args, "config")
    if path is None:
        return args
    return plan.merge(args, plan.read_file(Path(path), [field for field in fields if field != "config"]))


def _with_run(args: list[str]) -> list[str]:
    """A run that is resumed keeps its configuration; options that are given again are compared with it later."""
    out = _value(args, "out")
    if out is None or "--resume" not in args:
        return args
    from xaijax.bench import plan, store

    stored = store.Store.open(Path(out)).read_run().get("config", {})
    return plan.merge(args, {key: value for key, value in stored.items() if key not in plan.FREE_KEYS})


def _with_preset(args: list[str]) -> list[str]:
    """The options of a study, where the arguments, the file and the run to resume do not give them."""
    from xaijax.bench import plan, presets

    name = _value(args, "preset")
    # An unknown one is refused by the parser, which names the known ones.
    return plan.merge(args, presets.PRESETS[name]) if name in presets.PRESETS else args


def _value(args: list[str], name: str) -> str | None:
    """The last value given for an option, before the arguments are parsed in earnest."""
    found = None
    for position, arg in enumerate(args):
        if arg == f"--{name}" and position + 1 < len(args):
            found = args[position + 1]
        elif arg.startswith(f"--{name}="):
            found = arg.partition("=")[2]
    return found


def _report(error: Exception) -> int:
    """One sentence on stderr: status 2 where the input was at fault, 1 where we were."""
    from xaijax.kernels import BackendError

    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror or text}"
    if isinstance(error, ValueError | TypeError | OSError | ImportError | BackendError):
        _say(f"error: {text}")
        return 2
    _say(f"unexpected error: {type(error).__name__}: {text} (XAIJAX_DEBUG=1 shows where)")
    return 1


def _say(text: str) -> None:
    print(f"xaijax: {text}", file=sys.stderr)


def _known() -> str:
    return f"known are {', '.join(COMMANDS)}"


def _usage() -> str:
    lines = [f"  {name:<10}{text}" for name, (*_, text) in COMMANDS.items()]
    return "\n".join(
        [
            f"xaijax {__version__}: how faithful are visual explanations?",
            "",
            "usage: xaijax COMMAND [OPTIONS]      xaijax COMMAND --help lists the options of a command",
            "",
            *lines,
            "",
            "Try `xaijax bench`: it needs no data and no model.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
