"""Runs in object storage (`--out s3://bucket/run`): commands work in a folder on this disk, and what is finished counts
once it is uploaded and the manifest there names it.

`objects` talks to the service, `manifest` says what counts and who writes, `working_copy` joins both with the folder.
"""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from xaijax._errors import InputError
from xaijax._runs.storage.objects import StorageError, address_of
from xaijax._runs.storage.working_copy import WorkingCopy, copied, stored

__all__ = ["address_of", "placed", "reading", "stored"]

C = TypeVar("C")


@contextlib.contextmanager
def placed(config: C, what: str, say: Callable[[str], None]) -> Iterator[C]:
    """The configuration of a run with a folder on this disk as `out`; unchanged where it is one already.

    Args:
        config: with `out` and `resume`.
        what: the run is, for messages: "run", "calibration".
        say: shows a line.

    Raises:
        InputError: where `out` is an address that cannot be written to.
    """
    from xaijax._files import told

    values: Any = config
    address = address_of(values.out)
    if address is None:
        yield config
        return
    place = WorkingCopy(address, what, resume=bool(values.resume), say=say)
    say(f"working in {place.folder}; what is finished is kept in {address}")
    try:
        with told(place.written):
            yield dataclasses.replace(values, out=place.folder)
    except StorageError:
        place.leave()
        raise
    except InputError as error:
        place.close(failed=True)
        text = str(error).replace(str(place.folder), address)
        raise InputError(text) from error
    except BaseException:
        place.close(failed=True)
        raise
    place.close(failed=False)
    say(f"kept in {address}; the copy in {place.folder} may be deleted")


@contextlib.contextmanager
def reading(places: tuple[Path, ...]) -> Iterator[tuple[Path, ...]]:
    """Folders to read runs from: of those in object storage a copy, which is removed afterwards.

    Raises:
        InputError: for an address without a run, or where a file of it is not as it was written.
    """
    with contextlib.ExitStack() as closing:
        copies: dict[str, Path] = {}
        for address in filter(None, map(address_of, places)):
            if address not in copies:
                above = closing.enter_context(tempfile.TemporaryDirectory())
                copies[address] = Path(above) / address.partition("://")[2]
                _copy_whole(address, copies[address])
        yield tuple(copies.get(address_of(place) or "", place) for place in places)


def _copy_whole(address: str, folder: Path) -> None:
    for name, damage in copied(address, folder).items():
        raise InputError(
            f"{address}/{name} {damage}: `xaijax verify {address}` lists what is damaged, and the command of the run "
            "with --resume computes it again"
        )
