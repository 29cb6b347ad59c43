"""A run whose record is in object storage, and the folder on this disk in which it works.

    <cache>/xaijax/runs/<digest of the address>/<name>/       the run folder, as commands know it
    <cache>/xaijax/runs/<digest of the address>/copy.json     token of the last process here, and its last entry

Finished files are uploaded first and named in the manifest then (`manifest`), whenever a part or `run.json` is whole. A
process that is killed in between leaves objects that do not count. A new content of a file that counts already is
uploaded under another name (`.waiting/<digest>`), and takes its place after the entry that names it.

Who writes says so in the manifest and changes an object every few seconds. A newcomer that finds an open manifest
watches this object: one that stays still is left from a process that ended. Should that live on all the same, it loses
the next conditional put and stops. No clock is compared with another machine's.
"""

import contextlib
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from xaijax._errors import InputError
from xaijax._files import TEMPORARY, write_whole
from xaijax._runs import checksums
from xaijax._runs.checksums import LOCK, PARTS
from xaijax._runs.folder import DESCRIPTION
from xaijax._runs.lock import Lock, me, named
from xaijax._runs.storage.manifest import Manifest
from xaijax._runs.storage.objects import Objects, StorageError

ALIVE = ".alive"
BEAT = 10.0  # seconds between two signs of life
WATCH = 3 * BEAT  # a living owner has changed its object by then
STATE = "copy.json"
WAITING = ".waiting"

Say = Callable[[str], None]


def place_of(address: str) -> Path:
    """Where a run in object storage works on this disk: a folder of its own in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute()
    return cache / "xaijax" / "runs" / hashlib.sha256(address.encode()).hexdigest()[:16]


class WorkingCopy:
    """The folder of a run in object storage, held by this process until it is closed.

    Args:
        address: of the run.
        what: what it is, for messages: "run", "calibration".
        resume: whether to resume what is there.
        say: shows a line.

    Attributes:
        folder: the run folder on this disk; with `resume` it has every file of the run that is as it was written.

    Raises:
        InputError: where there is a run and no `resume`, none and `resume`, another process that writes, or no answer.
    """

    def __init__(self, address: str, what: str, *, resume: bool, say: Say) -> None:
        self.address = address
        self.place = place_of(address)
        self.folder = self.place / address.rpartition("/")[2]
        self._say = say
        self._objects = Objects(address)
        self._pending: set[Path] = set()
        self._damaged: set[str] = set()  # files whose objects are not as they were written
        self._owner = me() | {"token": secrets.token_hex(8)}
        self._stop: threading.Event | None = None
        self._living: threading.Thread | None = None
        try:
            self.place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.place} cannot be made ({error.strerror or error}), where a run for {address} works: name a "
                "cache folder that can be written to by XDG_CACHE_HOME"
            ) from error
        try:
            self._lock = Lock(self.place)
        except InputError as error:
            raise InputError(str(error).replace(str(self.place), address)) from error
        try:
            self._manifest = Manifest(self._objects)
            self._check(what, resume=resume)
            self._prepare(resume=resume)
        except BaseException:
            self._lock.close()
            raise

    def _check(self, what: str, *, resume: bool) -> None:
        """Refuses what cannot be written to; nothing is written."""
        found = self._manifest
        if found.files and not resume:
            raise InputError(
                f"{self.address} already holds a {what}; add --resume to resume it, or name another place with --out"
            )
        self._refuse_living()
        if not found.files and resume:
            raise InputError(f"{self.address} holds no {what} to resume; leave --resume out to start one there")
        if found.number == 0:
            # A process that was killed before its first entry has left its sign of life.
            there = [name for name in self._objects.names() if not name.startswith(f"{ALIVE}/")]
            if there:
                raise InputError(
                    f"{self.address} is not empty ({there[0]}), and what is there is no {what}; name another place "
                    "with --out"
                )
            self._objects.refuse_no_bucket()

    def _refuse_living(self) -> None:
        found = self._manifest
        token = str(found.owner.get("token"))
        if not found.open or token == self._state().get("token"):  # of a process here, whose lock would still hold
            return
        name, end = f"{ALIVE}/{token}", time.monotonic() + WATCH
        self._say(f"waiting up to {WATCH:.0f} s for a sign of life of the process that wrote to {self.address}")
        with contextlib.suppress(FileNotFoundError):
            seen = self._objects.read(name)
            while time.monotonic() < end:
                time.sleep(WATCH / 30)
                if self._objects.read(name) != seen:
                    raise self._taken()
        self._manifest = Manifest(self._objects)
        if self._manifest.number != found.number:
            raise self._taken()

    def _taken(self) -> InputError:
        return InputError(
            f"another process is using {self.address}{named(self._manifest.owner)}; wait for it, or name another place "
            "with --out"
        )

    def _state(self) -> dict[str, object]:
        try:
            return checksums.read_signed(self.place / STATE)
        except InputError:
            return {}

    def _prepare(self, *, resume: bool) -> None:
        """Makes the folder hold what the manifest says, and of its own only what belongs to the same run."""
        state = self._state()
        number = state.get("number")
        same = isinstance(number, int) and 0 < number <= self._manifest.number
        same = same and state.get("digest") == self._manifest.digest_of(int(str(number)))
        if self.folder.is_dir() and any(self.folder.iterdir()) and not (resume and same):
            old = self.place.with_name(f"{self.place.name}-{int(time.time())}")
            old.mkdir()
            self.folder.rename(old / self.folder.name)
            self._say(f"an older copy, which is not of this run, was moved to {old / self.folder.name}")
        if resume:
            self._download()

    def _download(self) -> None:
        taken: list[str] = []

        def one(entry: tuple[str, str]) -> tuple[str, str]:
            name, digest = entry
            what, content = fetched(self._objects, name, digest)
            if content is not None and what:  # the process ended before the new content took its place
                self._damaged.add(name)
                what = ""
            file = self.folder / name
            if file.is_file() and checksums.digest(file) == digest:
                return name, f"{what}; it is uploaded again from the copy here" if what else ""
            if content is not None:
                write_whole(file, lambda opened: opened.write(content))
                taken.append(name)
                return name, ""
            return name, f"{what}, and there is no copy here"

        for name, what in self._objects.each(one, sorted(self._manifest.files.items())):
            if what:
                self._damaged.add(name)
                self._say(f"{self.address}/{name} {what}")
        if taken:
            self._say(f"{len(taken)} file{'' if len(taken) == 1 else 's'} copied from {self.address}")

    def written(self, path: Path) -> None:
        """To be told of every file that was written whole: after a part, what is finished is uploaded and counts."""
        if path.is_relative_to(self.folder):
            self._pending.add(path)
            if path.parent.name == PARTS or path.name == DESCRIPTION:
                self._commit(self._files(self._pending), going_on=True)
                self._pending.clear()

    def _files(self, paths: Collection[Path]) -> dict[str, Path]:
        """Files of the run by their names in it."""
        inner = [file for path in paths if path.is_dir() for file in path.rglob("*")]
        return {
            file.relative_to(self.folder).as_posix(): file
            for file in {*paths, *inner}
            if file.is_file() and file.name != LOCK and not file.name.startswith(TEMPORARY)
        }

    def _commit(self, files: Mapping[str, Path], *, going_on: bool, gone: Iterable[str] = ()) -> None:
        digests = {name: checksums.digest(file) for name, file in files.items()}
        known = self._manifest.files
        changed = {name: one for name, one in digests.items() if known.get(name) != one or name in self._damaged}
        if self._stop is None:
            if not changed and not gone:
                return
            self._open()
        self._manifest.refuse_lost()
        # The object of a file that counts is not touched before the entry that names its new content.
        later = {name: waiting(one) for name, one in changed.items() if known.get(name, one) != one}
        self._objects.upload({later.get(name, name): files[name] for name in changed})
        if changed or gone or not going_on:
            self._append(changed, gone, going_on=going_on or bool(later))
        if later:
            self._objects.upload({name: files[name] for name in later})
            self._objects.remove(later.values())
            if not going_on:
                self._append({}, (), going_on=False)
        self._damaged -= set(changed)

    def _append(self, changed: Mapping[str, str], gone: Iterable[str], *, going_on: bool) -> None:
        self._manifest.append(changed, gone, owner=self._owner, going_on=going_on)
        state = {"address": self.address, "token": self._owner["token"]}
        state |= {"number": self._manifest.number, "digest": self._manifest.digest}
        checksums.write_signed(self.place / STATE, state)

    def _open(self) -> None:
        """Says that this process writes, before it writes anything else."""
        name = f"{ALIVE}/{self._owner['token']}"
        self._objects.write(name, b"0")
        lost = [one for one in self._damaged if not (self.folder / one).is_file()]
        try:
            self._append({}, lost, going_on=True)
        except BaseException:
            with contextlib.suppress(StorageError):
                self._objects.remove([name])
            raise
        self._stop = threading.Event()
        self._objects.advice = (
            f"what is finished stays in {self.folder}: check the network, and run the command again with --resume"
        )
        self._living = threading.Thread(target=self._live, args=(name, self._stop), daemon=True)
        self._living.start()
        self._objects.remove(set(self._objects.names(ALIVE)) - {name})  # of processes that were killed

    def _live(self, name: str, stop: threading.Event) -> None:
        number = 0
        while not stop.wait(BEAT):
            number += 1
            with contextlib.suppress(Exception):  # the next one may get through
                self._objects.write(name, str(number).encode())

    def close(self, *, failed: bool) -> None:
        """Uploads what is not yet, takes out what is gone, and lets other processes write.

        Args:
            failed: whether the command ended with an error: then one here is shown as a line.
        """
        try:
            if failed and self._stop is None:
                return  # nothing was begun
            files = self._files([self.folder]) if self.folder.is_dir() else {}
            gone = set(self._manifest.files) - set(files)
            self._commit(files, going_on=False, gone=gone)
            if self._stop is not None and self._living is not None:
                self._stop.set()
                self._living.join(WATCH)  # a last sign of life, written after this, would outlive the run
            self._objects.remove({*gone, *self._objects.names(WAITING), f"{ALIVE}/{self._owner['token']}"})
        except InputError as error:
            if not failed:
                raise
            self._say(str(error))
        finally:
            self.leave()

    def leave(self) -> None:
        """Ends without a word in the manifest, as a process that was killed does."""
        if self._stop is not None:
            self._stop.set()
        self._lock.close()


def waiting(digest: str) -> str:
    """The object of a new content, until it takes the place of the old one."""
    return f"{WAITING}/{digest}"


def fetched(objects: Objects, name: str, digest: str) -> tuple[str, bytes | None]:
    """What is wrong with the object of a file, and the bytes of the file, which may wait in another one."""
    what, content = "was changed after it was written", None
    try:
        content = objects.fetched(name, digest)
    except FileNotFoundError:
        what = "is gone"
    if content is not None:
        return "", content
    with contextlib.suppress(FileNotFoundError):
        content = objects.fetched(waiting(digest), digest)
    return what, content


def stored(address: str) -> dict[str, object]:
    """The description of the run at an address; empty where there is none.

    Raises:
        InputError: where it is not as it was written.
    """
    objects = Objects(address)
    digest = Manifest(objects).files.get(DESCRIPTION)
    if digest is None:
        return {}
    what, content = fetched(objects, DESCRIPTION, digest)
    if content is None:
        raise InputError(f"{address}/{DESCRIPTION} {what}; start a new run at another place")
    return checksums.parse_signed(content, f"{address}/{DESCRIPTION}")


def copied(address: str, folder: Path) -> dict[str, str]:
    """Copies the files of a run that are as they were written into a folder.

    Args:
        address: of the run.
        folder: an empty one.

    Returns:
        name -> what is wrong, of those that are not.

    Raises:
        InputError: for an address that holds no run.
    """
    objects = Objects(address)
    files = Manifest(objects).files
    if not files:
        raise InputError(f"{address} holds no run: give an address that a command wrote to with --out")

    def one(entry: tuple[str, str]) -> tuple[str, str]:
        what, content = fetched(objects, *entry)
        if content is not None:
            write_whole(folder / entry[0], lambda file: file.write(content))
        return entry[0], what if content is None else ""

    return {name: what for name, what in objects.each(one, sorted(files.items())) if what}
