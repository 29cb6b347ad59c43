"""The two sides of a comparison: a tree of git, its sources, its wheel, its environment, and its dumps.

Everything is kept in one folder by the tree's hash, so that a rerun does only what is missing:

    WORK/dependencies/        one virtual environment with what both sides need, xaijax apart
    WORK/objects/             compiled C++, by content
    WORK/programs/            programs that JAX compiled, by content
    WORK/<tree>/src           the exported sources
    WORK/<tree>/wheel         the wheel that pip built of them
    WORK/<tree>/env           a virtual environment with that wheel alone, on top of the dependencies
    WORK/dump-<key>/          the dump programs, by their content
    WORK/<tree>/dumps/dump-<key>/<table>
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dump import DONE

HERE = Path(__file__).resolve().parent
EXTRAS = ("medical", "keras")  # what the readers of the dumps need
LOG = "log.txt"
PROGRAMS = ("dump", "adapters", "small_models", "cuda_on_cpu")
SPECS = HERE.parent / "models" / "data"  # read by dump_models.py


class BuildError(RuntimeError):
    """A side could not be made."""


@dataclass(frozen=True)
class Side:
    """One side.

    Attributes:
        name: "base" or "head".
        label: the commit, or "working tree".
        tree: hash of its files.
        folder: where everything of it is kept.
        python: of the environment that has its xaijax.
        home: the folder below which that xaijax must be installed.
        dumps: name of the folder for its dumps.
    """

    name: str
    label: str
    tree: str
    folder: Path
    python: Path
    home: Path
    dumps: str = "dumps"


def git(repository: Path, *arguments: str, **environment: str) -> str:
    """Output of a git command."""
    done = subprocess.run(
        ["git", "-C", str(repository), *arguments],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    if done.returncode:
        raise BuildError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def tree_of(repository: Path, revision: str | None) -> tuple[str, str]:
    """The tree of a revision and what to call it; None is the working tree with its uncommitted tracked changes."""
    if revision is not None:
        return git(repository, "rev-parse", f"{revision}^{{tree}}"), git(repository, "describe", "--always", revision)
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        shutil.copyfile(git(repository, "rev-parse", "--path-format=absolute", "--git-path", "index"), index)
        git(repository, "add", "--update", ":/", GIT_INDEX_FILE=str(index))
        return git(repository, "write-tree", GIT_INDEX_FILE=str(index)), "working tree"


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Held by one process at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(command: Sequence[str | Path], log: Path, **environment: str) -> None:
    """Runs a command with its output in a file."""
    with log.open("w") as file:
        words = [str(word) for word in command]
        done = subprocess.run(
            words, stdout=file, stderr=subprocess.STDOUT, check=False, env=clean_environment() | environment
        )
    if done.returncode:
        last = log.read_text("utf-8", "replace").strip().splitlines()[-15:]
        raise BuildError("\n".join([f"{' '.join(words)} failed ({log}):", *last]))


def clean_environment() -> dict[str, str]:
    """The environment without what would bring in another xaijax, or other settings of it."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XAIJAX_", "PYTHON", "JAX_", "XLA_", "NUMBA_")) and name != "VIRTUAL_ENV"
    }


def ready(name: str, label: str, tree: str, work: Path, repository: Path, environment: Path) -> Side:
    """A side whose environment is there already, with its xaijax installed."""
    python = environment.absolute() / "bin" / "python"
    if not python.exists():
        raise BuildError(f"{environment} is no virtual environment: it has no bin/python")
    # What is in it cannot be checked, so its dumps are kept apart from those of what was built here.
    place = hashlib.sha256(str(environment.absolute()).encode()).hexdigest()[:6]
    folder = work / f"{tree[:12]}-{place}"
    with lock(folder / "lock"):
        if not (folder / "src").is_dir():
            export(repository, tree, folder / "src")
    return Side(name, label, tree, folder, python, environment.absolute())


def make(name: str, label: str, tree: str, work: Path, repository: Path, dependencies: Path, *, isolated: bool) -> Side:
    """Exports, builds and installs a tree, as far as that is not done.

    Args:
        name: of the side.
        label: for people.
        tree: hash of the tree.
        work: folder for everything.
        repository: of git.
        dependencies: virtual environment with the dependencies.
        isolated: whether pip installs the build requirements itself.

    Returns:
        The side, ready to dump.
    """
    folder = work / tree[:12]
    with lock(folder / "lock"):
        source, wheels, environment = folder / "src", folder / "wheel", folder / "env"
        if not (folder / "built").is_file():
            say(f"{name}: building the wheel of {label} ({tree[:12]})")
            export(repository, tree, source)
            shutil.rmtree(wheels, ignore_errors=True)
            options = [] if isolated else ["--no-build-isolation"]
            launcher = f"{sys.executable};{HERE / 'compiler_cache.py'};{work.absolute() / 'objects'}"
            command = [sys.executable, "-m", "pip", "wheel", "--no-deps", *options, "-w", wheels, source]
            run(command, folder / "wheel.log", CMAKE_CXX_COMPILER_LAUNCHER=launcher, PATH=_path())
            (folder / "built").write_text("")
        if not (folder / "installed").is_file():
            install(folder, environment, wheels, dependencies)
            (folder / "installed").write_text("")
    return Side(name, label, tree, folder, environment / "bin" / "python", environment)


def _path() -> str:
    """The path of programs with those of this Python's environment first: cmake and ninja may be there."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def export(repository: Path, tree: str, target: Path) -> None:
    """The files of a tree."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    archive = subprocess.Popen(["git", "-C", str(repository), "archive", tree], stdout=subprocess.PIPE)
    unpacked = subprocess.run(["tar", "-x", "-C", str(target)], stdin=archive.stdout, check=False)
    if archive.wait() or unpacked.returncode:
        raise BuildError(f"the tree {tree} could not be exported")


def install(folder: Path, environment: Path, wheels: Path, dependencies: Path) -> None:
    """A virtual environment with the wheel alone, that sees the packages of another one."""
    run([sys.executable, "-m", "venv", "--clear", "--without-pip", environment], folder / "env.log")
    python = environment / "bin" / "python"
    wheel = next(wheels.glob("xaijax-*.whl"))
    run([sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", wheel], folder / "install.log")
    site = next((environment / "lib").glob("python*/site-packages"))
    packages = next((dependencies.absolute() / "lib").glob("python*/site-packages"))
    # A plain line: .pth files of the other environment are not read, so an xaijax that is installed there
    # as editable stays out of sight, and this environment's own comes first in any case.
    (site / "dependencies.pth").write_text(f"{packages}\n")


def requirements(repository: Path, trees: Sequence[str]) -> list[str]:
    """What the sides need at run time, by their pyproject.toml."""
    found: dict[str, None] = {}
    for tree in trees:
        project = tomllib.loads(git(repository, "show", f"{tree}:pyproject.toml"))["project"]
        for extra in EXTRAS:
            found |= dict.fromkeys(project.get("optional-dependencies", {}).get(extra, []))
        found |= dict.fromkeys(project["dependencies"])
    return list(found)


def make_dependencies(repository: Path, trees: Sequence[str], target: Path) -> None:
    """One environment with what all sides need, installed together so that all have the same versions."""
    wanted = "\n".join(requirements(repository, trees))
    with lock(target.with_name(f"{target.name}.lock")):
        kept = target / "requirements.txt"
        if kept.is_file() and set(wanted.splitlines()) <= set(kept.read_text().splitlines()):
            return
        say(f"installing the dependencies into {target}")
        logs = target.with_name(f"{target.name}.log")
        run([sys.executable, "-m", "venv", "--clear", target], logs)
        run([target / "bin" / "python", "-m", "pip", "install", *wanted.splitlines()], logs)
        kept.write_text(wanted)


def copy_programs(work: Path) -> Path:
    """The dump programs as they are now, in a folder named by their content: an edit during a run changes nothing."""
    chosen = [
        path for path in sorted(HERE.iterdir()) if path.name.startswith(PROGRAMS) and path.suffix in (".py", ".cpp")
    ]
    digest = hashlib.sha256()
    for path in [*chosen, *sorted(SPECS.glob("*.npz"))]:
        digest.update(path.name.encode() + path.read_bytes())
    target = work / f"dump-{digest.hexdigest()[:12]}"
    with lock(target.with_name(f"{target.name}.lock")):
        if not target.is_dir():
            partial = target.with_name(f"{target.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            for path in chosen:
                shutil.copyfile(path, partial / path.name)
            shutil.copytree(SPECS, partial / "specs")
            partial.replace(target)
    return target


def dump(side: Side, table: str, programs: Path, *, quick: bool, timeout: float) -> tuple[Path, float | None]:
    """Dumps a table in a process of its own, unless it is there.

    Args:
        side: whose results.
        table: its name.
        programs: folder of the dump programs.
        quick: whether to keep to the smallest sizes.
        timeout: in seconds.

    Returns:
        Its folder, and the seconds it took; None where it was there.
    """
    folder = side.folder / side.dumps / f"{programs.name}{'-quick' if quick else ''}" / table
    with lock(folder.with_name(f"{folder.name}.lock")):
        if (folder / DONE).is_file():
            return folder, None
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder.with_name(f"{folder.name}.log")
        command = [
            side.python,
            programs / "dump.py",
            table,
            folder,
            "--under",
            side.home,
            "--source",
            side.folder / "src",
        ]
        command += ["--quick"] if quick else []
        environment = clean_environment() | {"JAX_PLATFORMS": "cpu"} | compiled_programs(side.folder.parent)
        begun = time.monotonic()
        with partial.open("a") as log:
            try:
                done = subprocess.run(
                    list(map(str, command)), stdout=log, stderr=subprocess.STDOUT, check=False,
                    timeout=timeout, env=environment, cwd=side.folder,
                )  # fmt: skip
                log.write(f"exit status {done.returncode}\n")
            except subprocess.TimeoutExpired:
                log.write(f"it took longer than {timeout:g} s\n")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.move(partial, folder / LOG)
        return folder, time.monotonic() - begun


def compiled_programs(work: Path) -> dict[str, str]:
    """Environment variables that make JAX keep compiled programs, by their content, for the other side and reruns."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(work / "programs"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def say(text: str) -> None:
    """Prints a line of progress."""
    print(text, file=sys.stderr, flush=True)
