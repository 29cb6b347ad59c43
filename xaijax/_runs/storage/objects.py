"""Object storage behind fsspec: objects are read, written, and written only where none is there yet.

A request that fails is tried again a few times; what remains is one sentence. Writing only what is not there yet is one
step of the service (a conditional put): If-None-Match for S3, a generation of 0 for Google, an If-None-Match for Azure.
fsspec calls it `mode="create"`, and s3fs, gcsfs and adlfs have it.
"""

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from xaijax._errors import InputError

PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), ("s3fs", "pip install 'xaijax[cloud]'")),
    **dict.fromkeys(("gs", "gcs"), ("gcsfs", "pip install gcsfs")),
    **dict.fromkeys(("az", "abfs", "abfss"), ("adlfs", "pip install adlfs")),
    "memory": ("fsspec", "pip install fsspec"),
}
"""Protocol -> the package that knows it, and how it is installed."""
WORDS = "s3://BUCKET/NAME, gs://BUCKET/NAME or az://CONTAINER/NAME"
TRIES = 5
WAIT = 0.5  # seconds before the second try, then twice as long each time
AT_ONCE = 8  # requests
CLEAR = (FileNotFoundError, FileExistsError, PermissionError, NotADirectoryError, IsADirectoryError)
"""Answers that another try would not change."""
HINTS = {
    "s3fs": "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gcsfs": "GOOGLE_APPLICATION_CREDENTIALS, or gcloud auth application-default login",
    "adlfs": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_CONNECTION_STRING",
}
"""Package -> where it finds credentials."""

T = TypeVar("T")


class StorageError(InputError):
    """What object storage refused or did not answer, in one sentence."""


def address_of(place: Path | str | None) -> str | None:
    """The address of object storage that a place is, or None for a folder.

    Example:
        >>> address_of(Path("s3://bucket/run")), address_of("gs://bucket/a/b/"), address_of("runs/a"), address_of(None)
        ('s3://bucket/run', 'gs://bucket/a/b', None, None)
    """
    # A `Path` has made one slash of two. Windows' drives have one letter.
    found = re.match(r"([A-Za-z][\w+.-]+):/+(.*)", "" if place is None else str(place))
    return None if found is None else f"{found[1].lower()}://{found[2].rstrip('/')}"


class Objects:
    """The objects below an address.

    Args:
        address: as `address_of` gives it.

    Attributes:
        advice: what to do after a failure, the end of its sentence.

    Raises:
        InputError: for an address of another kind, or where its package is not installed.

    Example:
        >>> place = Objects("memory://bucket/doctest")
        >>> place.create("a", b"1"), place.create("a", b"2"), place.read("a"), place.names()
        (True, False, b'1', ['a'])
        >>> place.remove(["a"])
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.advice = "check the address and the network, and try again"
        protocol, _, path = address.partition("://")
        if protocol not in PACKAGES or "::" in address:
            raise InputError(
                f"{address} is not a place where a run can be kept: name {WORDS}, or a folder on a disk, which may be "
                "a network drive"
            )
        if not path.partition("/")[2]:
            raise InputError(f"{address} names no place for the run in its bucket: write {address.rstrip('/')}/NAME")
        self._package, install = PACKAGES[protocol]
        try:
            from fsspec.core import url_to_fs

            # A listing that is kept would hide what others write meanwhile.
            self._system, self._root = url_to_fs(address, use_listings_cache=False)
        except ImportError as error:
            raise InputError(f"{address} needs {self._package}, which is not installed: {install}") from error
        except Exception as error:  # gcsfs and adlfs look for credentials here
            raise self._failed("opened", address, error) from error

    def read(self, name: str) -> bytes:
        """The bytes of an object.

        Raises:
            FileNotFoundError: where there is none.
            StorageError: where it cannot be read.
        """

        def content() -> bytes:
            self._system.invalidate_cache()
            return bytes(self._system.cat_file(self._path(name)))

        return self._tried("read", name, content)

    def write(self, name: str, content: bytes) -> None:
        """Writes a small object, whatever is there."""
        with self._bucket_named(name):
            self._tried("written", name, lambda: self._system.pipe_file(self._path(name), content))

    def upload(self, files: Mapping[str, Path]) -> None:
        """Writes files as objects, several at a time.

        Args:
            files: name of the object -> the file.
        """

        def one(entry: tuple[str, Path]) -> None:
            name, file = entry
            self._tried("written", name, lambda: self._system.put_file(str(file), self._path(name)))

        self.each(one, files.items())

    def create(self, name: str, content: bytes) -> bool:
        """Writes a small object where none is there yet, in one step; returns whether it is there with this content.

        A put that was stored although its answer was lost has written it.
        """
        try:
            with self._bucket_named(name):
                self._tried("written", name, lambda: self._put_new(name, content))
        except FileExistsError:
            return self.read(name) == content
        return True

    def refuses_second(self, name: str, content: bytes) -> bool:
        """Whether the service refuses to write an object that is there already, which `create` relies on."""
        try:
            self._tried("written", name, lambda: self._put_new(name, content))
        except FileExistsError:
            return True
        return False

    def _put_new(self, name: str, content: bytes) -> None:
        try:
            self._system.pipe_file(self._path(name), content, mode="create")
        except CLEAR:
            raise
        except Exception as error:
            if _refused(error):
                raise FileExistsError(str(error)) from error
            raise

    def names(self, folder: str = "") -> list[str]:
        """The names of all objects in a folder and below."""
        top = self._path(folder).rstrip("/")

        def listed() -> list[str]:
            self._system.invalidate_cache()
            try:
                return list(self._system.find(top))
            except FileNotFoundError:
                return []

        found = self._tried("listed", folder, listed)
        root = self._root.strip("/")
        return sorted(one.strip("/").removeprefix(f"{root}/") for one in found)

    def refuse_no_bucket(self) -> None:
        """Refuses an address in a bucket that is not there."""
        bucket = self._root.strip("/").partition("/")[0]

        def there() -> bool:
            self._system.invalidate_cache()
            try:
                return bool(self._system.exists(bucket))
            except PermissionError:  # it may be written to all the same
                return True

        if self._package != "fsspec" and not self._tried("read", "", there):
            raise self._no_bucket()

    def remove(self, names: Iterable[str]) -> None:
        """Removes objects, as far as they are there."""

        def one(name: str) -> None:
            with contextlib.suppress(FileNotFoundError):
                self._tried("removed", name, lambda: self._system.rm_file(self._path(name)))

        self.each(one, names)

    def fetched(self, name: str, digest: str) -> bytes | None:
        """The bytes of an object that has this digest; None where it has another one whenever it is read.

        Raises:
            FileNotFoundError: where there is none.
        """
        for _ in range(3):  # a read may be damaged on its way
            content = self.read(name)
            if hashlib.sha256(content).hexdigest() == digest:
                return content
        return None

    def each(self, work: Callable[[T], Any], things: Iterable[T]) -> list[Any]:
        """The results of some work on each of several things, a few at a time."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(work, things))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _tried(self, what: str, name: str, work: Callable[[], T]) -> T:
        """The result of a request, which is tried again where another try may help."""
        for number in range(TRIES):
            try:
                return work()
            except CLEAR as error:
                if isinstance(error, PermissionError):
                    raise self._failed(what, name, error) from error
                raise
            except Exception as error:  # of many kinds, of the packages of three companies
                if number == TRIES - 1 or _of_credentials(error):
                    raise self._failed(what, name, error) from error
                time.sleep(WAIT * 2**number)
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def _bucket_named(self, name: str) -> Any:
        """Writing says "not found" only of the bucket."""
        try:
            yield
        except FileNotFoundError as error:
            raise self._no_bucket() from error

    def _no_bucket(self) -> StorageError:
        protocol, _, path = self.address.partition("://")
        return StorageError(
            f"there is no bucket {protocol}://{path.partition('/')[0]}, or it cannot be seen with these credentials: "
            "make it first, or name another place with --out"
        )

    def _failed(self, what: str, name: str, error: Exception) -> StorageError:
        place = self.address if name in ("", self.address) else f"{self.address}/{name}"
        reason = " ".join(str(error).split()) or "no reason was given"
        hint = self.advice
        if isinstance(error, PermissionError) or _of_credentials(error):
            hint = (
                f"check the credentials ({HINTS.get(self._package, 'of the file system')}) and the rights to the bucket"
            )
        return StorageError(f"{place} cannot be {what} ({type(error).__name__}: {reason}); {hint}")


def _of_credentials(error: BaseException) -> bool:
    return any(word in type(error).__name__ for word in ("Credential", "Authentication", "Token"))


def _refused(error: BaseException) -> bool:
    """Whether a service says that an object is there already, in a form that its package did not translate."""
    said = f"{type(error).__name__} {error} {error.__cause__}"
    return any(word in said for word in ("PreconditionFailed", "pre-conditions", "conditionNotMet", "412"))
