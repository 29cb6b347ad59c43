"""The manifest of a run in object storage: which files count, with the digest of each, and who is writing.

    .manifest/000001.json    number, before (digest of the entry before), owner, open (whether the owner goes on),
                             whole (whether `files` are all), files (name -> SHA-256), gone (names), sha256 (of itself)

An entry is never changed. The next one is written under the next number by a conditional put, so of two processes that
write at a time one loses, whatever its clock or its network says; it stops there. What no entry names does not count.
Every hundredth entry lists all files, so that reading needs the last hundred.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from xaijax._errors import InputError
from xaijax._runs import checksums
from xaijax._runs.lock import named
from xaijax._runs.storage.objects import Objects, StorageError

FOLDER = ".manifest"
WHOLE_EVERY = 100


class Manifest:
    """The manifest below an address, as it was read last.

    Args:
        objects: where.

    Attributes:
        number: of the last entry; 0 where there is none.
        digest: of the last entry.
        files: name -> digest of the files that count.
        owner: who wrote the last entry, as `lock.me` says it, with its `token`.
        open: whether that process goes on.

    Raises:
        InputError: for a manifest that is not as it was written.

    Example:
        >>> place = Objects("memory://bucket/manifest")
        >>> one, other = Manifest(place), Manifest(place)
        >>> one.append({"a": "1"}, [], owner={"token": "x"}, going_on=False)
        >>> Manifest(place).files
        {'a': '1'}
        >>> other.append({"a": "2"}, [], owner={"token": "y"}, going_on=False)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        xaijax._runs.storage.objects.StorageError: another process has written to memory:...; wait for it, ...
        >>> place.remove(place.names())
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.number = 0
        self.digest = ""
        self.files: dict[str, str] = {}
        self.owner: Mapping[str, Any] = {}
        self.open = False
        self._read()

    def _read(self) -> None:
        found = {name.removeprefix(f"{FOLDER}/").removesuffix(".json") for name in self._objects.names(FOLDER)}
        numbers = {int(text) for text in found if text.isdecimal()}
        if not numbers:
            return
        last = max(numbers)
        first = max(1, last // WHOLE_EVERY * WHOLE_EVERY)
        missing = [number for number in range(first, last + 1) if number not in numbers]
        if missing:
            raise self._damaged(missing[0], "is gone")
        contents = self._objects.each(lambda number: self._objects.read(_name(number)), range(first, last + 1))
        for number, content in enumerate(contents, first):
            values = self._entry(number, content)
            if values["whole"]:
                self.files = {}
            for name in values["gone"]:
                self.files.pop(name, None)
            self.files |= values["files"]
            self.number, self.digest = number, hashlib.sha256(content).hexdigest()
            self.owner, self.open = values["owner"], values["open"]

    def _entry(self, number: int, content: bytes) -> dict[str, Any]:
        try:
            values = checksums.parse_signed(content, "it")
            if values["number"] != number or (self.number and values["before"] != self.digest):
                raise InputError("it belongs elsewhere")
            if any(PurePosixPath(name).is_absolute() or ".." in name.split("/") for name in values["files"]):
                raise InputError("it names files outside of the run")
            return {name: values[name] for name in ("whole", "files", "gone", "owner", "open")}
        except (InputError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(number, "was changed after it was written") from error

    def _damaged(self, number: int, what: str) -> InputError:
        return InputError(
            f"{self._objects.address}/{_name(number)} {what}, and without it nobody knows which files belong to the "
            "run: put it back as it was, or start again at another place with --out"
        )

    def digest_of(self, number: int) -> str:
        """The digest of an entry; "" where there is none."""
        if number == self.number:
            return self.digest
        try:
            return hashlib.sha256(self._objects.read(_name(number))).hexdigest()
        except FileNotFoundError:
            return ""

    def append(
        self, changed: Mapping[str, str], gone: Iterable[str], *, owner: Mapping[str, Any], going_on: bool
    ) -> None:
        """Makes files count, in one step.

        Args:
            changed: name -> digest of files whose objects are written.
            gone: names that do not count any more.
            owner: who writes.
            going_on: whether it writes on.

        Raises:
            StorageError: where another process wrote since this was read, or the service has no conditional put.
        """
        gone = set(gone) & set(self.files)
        after = {name: digest for name, digest in self.files.items() if name not in gone} | dict(changed)
        number = self.number + 1
        whole = number % WHOLE_EVERY == 0
        values = {
            "number": number,
            "before": self.digest,
            "owner": dict(owner),
            "open": going_on,
            "whole": whole,
            "files": after if whole else dict(changed),
            "gone": [] if whole else sorted(gone),
        }
        content = (json.dumps(checksums.signed(values)) + "\n").encode()
        if not self._objects.create(_name(number), content):
            raise self._lost(number)
        if not self.open and not self._objects.refuses_second(_name(number), content):
            self._objects.remove([_name(number)])
            raise StorageError(
                f"{self._objects.address} has no conditional put (If-None-Match), so two processes could write over "
                "each other there; name a bucket of a service that has it, or a folder on a disk"
            )
        self.number, self.digest = number, hashlib.sha256(content).hexdigest()
        self.files, self.owner, self.open = after, owner, going_on

    def refuse_lost(self) -> None:
        """Refuses to write where another process has written since this was read; to be asked before objects change."""
        with contextlib.suppress(FileNotFoundError):
            self._objects.read(_name(self.number + 1))
            raise self._lost(self.number + 1)

    def _lost(self, number: int) -> StorageError:
        try:
            who = named(checksums.parse_signed(self._objects.read(_name(number)), "it")["owner"])
        except (InputError, KeyError, FileNotFoundError):
            who = ""
        return StorageError(
            f"another process{who} has written to {self._objects.address} meanwhile; wait for it, or name another "
            "place with --out"
        )


def _name(number: int) -> str:
    return f"{FOLDER}/{number:06d}.json"
