"""Run folders: files written whole, one process at a time, resumed only as what was started, cleaned up with care.

A file is written under a temporary name in its folder and renamed, so that no reader sees half of it and a kill at any
moment loses only that file. `run.json` describes the run; its `config` is what a run that resumes is compared with.
`xaijax._runs.checksums` says which files are as they were written.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax._files import TEMPORARY, watched, with_temporary, write_whole
from xaijax._runs import checksums
from xaijax._runs.checksums import CHECKSUMS, LOCK, PARTS, Problem
from xaijax._runs.lock import Lock

DESCRIPTION = "run.json"
REWRITTEN = frozenset({".html", ".png", ".csv", ".md", ".json", ".svg", ".js", ".tex"})
"""Endings of files in the run folder itself and in `AT_THE_END` that every command writes again at its end."""
AT_THE_END = ("figures", "tables", "report-images")

LASTING = (
    *("checkpoints", "rounds", "calibration", "cue", "model.safetensors", "cascade.safetensors"),
    *("log.jsonl", "rounds.jsonl", "profile.jsonl"),
)
"""What a command may find finished by a process that was killed, and does not write again."""


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole."""
    write_whole(path, lambda file: file.write(text.encode()))


def write_json(path: Path, values: Any) -> None:
    """Writes JSON whole."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes JSON objects whole, one a line."""
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def read_json(path: Path, what: str) -> dict[str, Any]:
    """A JSON object.

    Args:
        path: of the file.
        what: what it describes, for the message: "run", "training".

    Raises:
        InputError: for a file that cannot be read or holds something else.
    """
    try:
        return checksums.read_signed(path)
    except InputError as error:
        raise InputError(f"{error}; start a new {what} in another folder") from error


class RunFolder:
    """The folder of one run, held by this process until it is closed; a context manager.

    After an error in its `with` block a folder in which no result was written is left as it was found (`discard`).

    Args:
        path: the folder.
        what: what it holds, for messages, and as the "kind" in `run.json`: "run", "training", "cascade", "profile".
        resume: whether to resume what is in it; None for what cannot be resumed.

    Raises:
        InputError: where the folder cannot be used: a file, a folder with something in it and no `resume`, a folder
            without a run and `resume`, or one that another process uses.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "run"
        >>> with RunFolder(place, "run", resume=False) as folder:
        ...     folder.describe({"config": {"seed": 0}})
        >>> with RunFolder(place, "run", resume=True) as folder:
        ...     folder.check_same({"seed": 0})
        ...     folder.description()["config"]
        {'seed': 0}
    """

    def __init__(self, path: Path, what: str, *, resume: bool | None) -> None:
        self.path = path
        self.what = what
        check_free(path, what, resume=resume)
        # Folders that are not there yet, the lowest first: a failed start removes them again.
        above = [path, *path.parents]
        self._made = [folder for folder in above if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        try:
            self._lock: Lock | None = Lock(path)
        except BaseException:
            self._remove_made()
            raise
        self._watch = contextlib.ExitStack()
        self._written = self._watch.enter_context(watched())
        self._listed: set[str] = set()
        self.resumed = bool(resume)
        if resume:
            for left in [*path.rglob(f"{TEMPORARY}*")]:  # what a killed process was writing
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            checksums.seal(self.path, self._own())
        elif not self._has_results():
            self.discard()
        self.close()

    def _own(self) -> set[str]:
        """What the run wrote, now or before it was resumed, without what vouches for itself; no file of anyone else."""
        root = self.path.absolute()
        inside = {one.relative_to(root).as_posix() for one in self._written if one.is_relative_to(root)}
        found = {name for name in inside | self._listed | set(LASTING) if not name.startswith(f"{PARTS}/")}
        return found - {DESCRIPTION, CHECKSUMS, LOCK}

    def close(self) -> None:
        """Lets other processes use the folder."""
        self._watch.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def describe(self, values: Mapping[str, Any]) -> None:
        """Writes `run.json`; a folder that is resumed keeps the time at which it was started."""
        started = self.description().get("started") if self.resumed else None
        kept = {} if started is None else {"started": started}
        checksums.write_signed(self.path / DESCRIPTION, {"kind": self.what} | dict(values) | kept)

    def description(self) -> dict[str, Any]:
        """The contents of `run.json`."""
        return read_json(self.path / DESCRIPTION, self.what)

    def check_same(self, config: Mapping[str, Any], free: Collection[str] = ()) -> None:
        """Refuses to resume with another configuration than the one that was started.

        Args:
            config: the configuration now, as plain JSON values.
            free: options that may differ, because they enter no result.

        Raises:
            InputError: naming every option that differs, what it was and what it is.
        """
        _check_same(self.path, self.what, config, free)

    def repair(self, rewritten: Collection[str] = REWRITTEN) -> list[str]:
        """Before a run that may be resumed continues: makes the folder hold nothing that is not as it was written.

        Damaged parts are removed, to be computed again. What a command writes again at its end is left to it.

        Args:
            rewritten: endings of files in the folder itself that the command writes again.

        Returns:
            Sentences on what is damaged and done about it.

        Raises:
            InputError: for a damaged file that nothing can replace.
        """
        if not self.resumed:
            return []
        found = checksums.problems(self.path, DESCRIPTION)
        for one in found:
            if one.part is None and not _written_again(one.file, rewritten):
                raise InputError(
                    f"{self.path / one.file} {one.what}, and the {self.what} cannot be resumed without it: put it back "
                    "as it was, or start again in another folder with --out"
                )
        self._listed = checksums.own_files(self.path)
        checksums.reopen(self.path)  # what it lists is about to be written again
        by_part: dict[str, list[Problem]] = {}
        for one in found:
            by_part.setdefault(one.part or "", []).append(one)
        said = [f"{one.file} {one.what}; it is written again" for one in by_part.pop("", [])]
        for part, wrong in by_part.items():
            (self.path / PARTS / f"{part}.json").unlink(missing_ok=True)
            said.append(f"{wrong[0].file} {wrong[0].what}; the part {part} is computed again")
        return said

    def discard(self) -> None:
        """After a failed start: removes what this process wrote, and nothing else.

        The description, the checksums and, where nothing else is in them, the folders that it made. A folder that was
        resumed keeps everything.
        """
        if self.resumed:
            return
        for name in (DESCRIPTION, CHECKSUMS, LOCK):
            (self.path / name).unlink(missing_ok=True)
        for inner in sorted((one for one in self.path.rglob("*") if one.is_dir()), reverse=True):
            with contextlib.suppress(OSError):  # something is in it
                inner.rmdir()
        self.close()
        self._remove_made()

    def _remove_made(self) -> None:
        """Removes the folders that were not there before, the lowest first, as far as nothing else is in them."""
        for folder in self._made:
            try:
                folder.rmdir()
            except OSError:
                break

    def _has_results(self) -> bool:
        own = (DESCRIPTION, CHECKSUMS, LOCK)
        return any(file.is_file() and file.name not in own for file in self.path.rglob("*"))


def _written_again(name: str, endings: Collection[str]) -> bool:
    path = Path(name)
    return name != DESCRIPTION and path.suffix in endings and str(path.parent) in (".", *AT_THE_END)


def check_start(path: Path, what: str, config: Mapping[str, Any], *, resume: bool, free: Collection[str] = ()) -> None:
    """Refuses a folder that a run cannot be written to, or that holds another run than the one to resume.

    For the time before any work is done; nothing is written. See `check_free` and `RunFolder.check_same`.
    """
    check_free(path, what, resume=resume)
    if resume:
        _check_same(path, what, config, free)


def _check_same(path: Path, what: str, config: Mapping[str, Any], free: Collection[str]) -> None:
    description = read_json(path / DESCRIPTION, what)
    before = description.get("config")
    if not isinstance(before, dict):
        raise InputError(f"{path / DESCRIPTION} does not describe a {what}; start a new {what} in another folder")
    kind = description.get("kind", what)
    if kind != what:
        raise InputError(f"{path} holds a {kind} and no {what} to resume; name another folder with --out")
    changed = differences(before, config, free)
    if changed:
        words = "; ".join(f"--{name} was {was!r}, now {now!r}" for name, was, now in changed)
        raise InputError(
            f"the {what} in {path} was started with other options: {words}; resume it without them, or name another "
            "folder with --out"
        )


def refuse_address(path: Path) -> None:
    """Refuses an address where a folder is wanted: a path that begins so would be made as a folder of that name."""
    from xaijax._runs.storage.objects import address_of

    address = address_of(path)
    if address is not None:
        raise InputError(
            f"--out is {address}, and of all commands bench, calibrate and clusters alone write to object storage: "
            "name a folder, on a network drive if need be, and copy it when the command has ended"
        )


def check_free(path: Path, what: str, *, resume: bool | None) -> None:
    """Refuses a folder that a run cannot be written to, before any work is done; see `RunFolder`."""
    refuse_address(path)
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; name a folder for the {what} with --out")
    there = path.is_dir() and any(entry.name != LOCK for entry in path.iterdir())  # a killed process left its lock
    described = (path / DESCRIPTION).is_file()
    if resume and not described:
        raise InputError(
            f"{path} holds no {what} to resume ({DESCRIPTION} is missing); leave --resume out to start one there"
            if not there
            else f"{path} holds no {what} to resume ({DESCRIPTION} is missing); name the folder of one with --out"
        )
    if resume is False and described:
        raise InputError(f"{path} already holds a {what}; add --resume to resume it, or name another folder with --out")
    if not resume and there:
        raise InputError(f"{path} is not empty; name another folder with --out")


def write_folder(
    out: Path, fill: Callable[[Path], None], what: str, *, is_one: Callable[[Path], bool], overwrite: bool = False
) -> None:
    """Lets `fill` make a folder under a temporary name and puts it at `out`, whole; after an error nothing is there.

    Args:
        out: the folder; see `check_replaceable`.
        fill: makes the contents in the folder that it is given.
        what: what the folder holds, for messages: "bundle", "report".
        is_one: whether a folder holds such a thing.
        overwrite: whether one in `out` is replaced.

    Raises:
        InputError: where `out` holds something else.
    """
    check_replaceable(out, what, is_one=is_one, overwrite=overwrite)

    def made(temporary: Path) -> None:
        temporary.mkdir()
        fill(temporary)
        if out.is_dir() and any(out.iterdir()):
            check_replaceable(out, what, is_one=is_one, overwrite=overwrite)
            old = out.with_name(f"{TEMPORARY}{os.getpid()}-old-{out.name}")
            out.rename(old)
            shutil.rmtree(old)

    with_temporary(out, made)


def check_replaceable(out: Path, what: str, *, is_one: Callable[[Path], bool], overwrite: bool = False) -> None:
    """Refuses a folder unless it is new, empty, or with `overwrite` holds the same kind of thing."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder for the {what}")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not is_one(out):
        raise InputError(f"{out} is not empty and holds no {what}; name another folder")
    if not overwrite:
        raise InputError(f"{out} holds a {what} already; replace it with overwrite, or name another folder")


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], free: Collection[str] = (), prefix: str = ""
) -> list[tuple[str, Any, Any]]:
    """`(option, was, is)` of the options of a configuration that changed, as they are written on the command line.

    Example:
        >>> differences({"seed": 0, "augmentation": {"zoom": 0.1}}, {"seed": 0, "augmentation": {"zoom": 0.2}})
        [('augmentation.zoom', 0.1, 0.2)]
    """
    found: list[tuple[str, Any, Any]] = []
    for name, value in now.items():
        was = before.get(name)
        if name in free or was == value:
            continue
        if isinstance(value, Mapping) and isinstance(was, Mapping):
            found += differences(was, value, (), f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}".replace("_", "-"), was, value))
    return found
