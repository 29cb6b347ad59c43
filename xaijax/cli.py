"""The command line: parses, calls, prints. Each command lives in its own package and is imported when it is called.

Exit status: 0 done, 1 an unexpected error, 2 bad input (one sentence on stderr), 130 interrupted.
"""

import _thread
import contextlib
import errno
import importlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from xaijax import __version__, _files
from xaijax._runs import terminal

# command -> (package, its configuration class, what it does); every package has `run(config)`
COMMANDS = {
    "bench": ("xaijax.bench", "BenchConfig", "score explanation methods on a data set, with a report"),
    "calibrate": (
        "xaijax.calibrate",
        "CalibrateConfig",
        "judge metrics: which can be believed for a model and its images",
    ),
    "train": ("xaijax.train", "TrainConfig", "train a classifier"),
    "evaluate": ("xaijax.evaluate", "EvaluateConfig", "score trained classifiers and compare them"),
    "explain": ("xaijax.explain_images", "ExplainConfig", "draw heat maps over images"),
    "profile": ("xaijax.profiling", "ProfileConfig", "time explainers and kernels, and name what limits them"),
    "cascade": ("xaijax.cascade", "CascadeConfig", "CasCAM: train or mask round by round, and explain"),
    "study": ("xaijax.study", "StudyConfig", "run a whole study from one file: train, evaluate, explain, report"),
    "clusters": ("xaijax.clusters", "ClustersConfig", "find shortcuts: cluster the maps of a data set"),
    "data": ("xaijax.describe_data", "DescribeDataConfig", "say what is understood of a data set"),
    "compare": ("xaijax.compare", "CompareConfig", "compare runs: configuration first, then paired scores"),
    "verify": ("xaijax.verify", "VerifyConfig", "check that every file of a run is as it was written"),
    "methods": ("xaijax.catalogue", "MethodsConfig", "list the explanation methods, or describe one"),
    "metrics": ("xaijax.catalogue", "MetricsConfig", "list the metrics, or describe one"),
    "models": ("xaijax.describe_model", "ModelsConfig", "list the architectures, or describe a model"),
    "doctor": ("xaijax.doctor", "DoctorConfig", "check what is installed, what works and how to fix the rest"),
    "completion": ("xaijax.completion", "CompletionConfig", "print a completion script for bash, zsh or fish"),
}
INTERRUPTED = 130
NO_ROOM, CLOSED = "; free some space, or name another folder with --out", "; name a folder that can be written to"
ADVICE = dict.fromkeys(_files.FULL, NO_ROOM) | dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), CLOSED)
"""What to do where the system refuses to write, by its number of the error."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status.

    Args:
        arguments: Command-line arguments without the program's name; default `sys.argv[1:]`.

    Returns:
        Exit status, as the module says.
    """
    if arguments is None:
        # Figures go into files. A notebook's backend is inherited by what it starts, and may not be installed here.
        os.environ["MPLBACKEND"] = "agg"
        terminal.adapt()
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
        with interrupts_repeated():
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


@contextlib.contextmanager
def interrupts_repeated(seconds: float = 0.05) -> Iterator[None]:
    """Repeats a Ctrl-C that Python dropped, so that one is always enough.

    An interrupt that arrives while Python runs a finalizer or a callback of the garbage collector (JAX has one) cannot
    leave it: Python prints "Exception ignored" and continues with the command.

    Args:
        seconds: after which the interrupt is repeated, for the callback to end.
    """
    before, waiting = sys.unraisablehook, list[threading.Timer]()

    def hear(dropped: Any) -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            before(dropped)
            return
        waiting.append(threading.Timer(seconds, _thread.interrupt_main))
        waiting[-1].daemon = True
        waiting[-1].start()

    sys.unraisablehook = hear
    try:
        yield
    finally:
        sys.unraisablehook = before
        for timer in waiting:
            timer.cancel()


def config_class(name: str) -> Any:
    """The configuration class of a command."""
    package, config_name, _ = COMMANDS[name]
    return getattr(importlib.import_module(package), config_name)


def _run(name: str, args: list[str]) -> int:
    if name not in COMMANDS:
        from xaijax import _names

        raise ValueError(f"unknown command {name!r}: {_names.closest(name, COMMANDS, count=1)}")
    if sys.flags.optimize > 1:
        raise ValueError("python -OO removes the texts that options and lists are made of: run xaijax without -OO")
    status = importlib.import_module(COMMANDS[name][0]).run(parse(name, args))
    return status if isinstance(status, int) else 0


def parse(name: str, args: Sequence[str]) -> Any:
    """Builds a command's configuration from its arguments, a file named by --config, and a run to resume.

    Args:
        name: of the command.
        args: arguments after it.

    Returns:
        An instance of the command's configuration class.

    Raises:
        SystemExit: after --help was printed.
        ValueError: for an argument that cannot be parsed, or a file that cannot be used; one sentence.
    """
    from xaijax._runs import command_line

    terminal.refuse_undecoded(list(args))
    found = config_class(name)
    if not {"-h", "--help"} & set(args):
        args = command_line.complete(found, args)
    return command_line.parse(found, name, args)


def _report(error: Exception) -> int:
    """One sentence on stderr: status 2 where the input was at fault, 1 where we were."""
    if "jax" in sys.modules:
        # JAX frees the arrays that it was given on threads of its own, which need the interpreter for it: where it ends
        # meanwhile, they abort the process.
        time.sleep(0.05)
    from xaijax.kernels import BackendError

    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror or text}{ADVICE.get(error.errno or 0, '')}"
    if isinstance(error, ValueError | TypeError | OSError | ImportError | BackendError):
        _say(f"error: {text}")
        return 2
    _say(f"unexpected error: {type(error).__name__}: {text} (XAIJAX_DEBUG=1 shows where)")
    return 1


def _say(text: str) -> None:
    print(f"xaijax: {text}", file=sys.stderr)


def _usage() -> str:
    lines = [f"  {name:<12}{text}" for name, (*_, text) in COMMANDS.items()]
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
