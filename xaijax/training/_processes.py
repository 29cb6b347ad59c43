"""Several processes that train together, each with devices of its own: what they tell each other.

`jax.distributed` has joined them. Every function that sends something must be called by all of them in the same order;
with one process nothing is sent. What is sent travels as bytes, so that a negative zero stays one.
"""

import atexit
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

from xaijax._errors import InputError

ROW = 1024  # bytes of a text from each process


class LostError(InputError):
    """Another process cannot be reached any more."""


def count() -> int:
    """How many processes there are; with several it starts JAX's backend."""
    return jax.process_count() if jax.distributed.is_initialized() else 1


def index() -> int:
    """The number of this process, from 0."""
    return jax.process_index() if jax.distributed.is_initialized() else 0


def is_first() -> bool:
    """Whether this process is the one that writes and prints."""
    return index() == 0


@contextmanager
def sending() -> Iterator[None]:
    """For what several processes compute or send together.

    Raises:
        LostError: where it fails, which it does when one of them has ended. JAX raises errors of many kinds then.
    """
    try:
        yield
    except (ValueError, RuntimeError) as error:
        if count() == 1 or isinstance(error, InputError):
            raise
        # JAX would wait at the end for the process that is gone, and then abort this one.
        atexit.register(leave, 2)
        reason = str(error).strip().partition("\n")[0]
        raise LostError(
            f"process {index()} of {count()} cannot continue with the others ({reason}); start all of them again"
        ) from error


def leave(status: int) -> None:
    """Ends this process at once, without JAX's farewell to the others."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


@contextmanager
def together() -> Iterator[None]:
    """What fails in one process fails in all. Nothing may be sent within.

    Raises:
        InputError: where another process failed; says which and why.
    """
    failed: Exception | None = None
    try:
        yield
    except LostError:
        raise
    except Exception as error:
        failed = error
    # A text that is empty means that nothing failed.
    said = texts("" if failed is None else str(failed) or type(failed).__name__)
    if failed is not None:
        raise failed
    for number, text in enumerate(said):
        if text:
            raise InputError(f"process {number} of {len(said)} failed: {text}")


def require_same(value: Any, what: str) -> None:
    """Refuses processes that do not have the same.

    Args:
        value: JSON values.
        what: what they must have the same of, in words.

    Raises:
        InputError: in all processes, naming those that differ from process 0.
    """
    found = texts(hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest())
    others = [str(number) for number, digest in enumerate(found) if digest != found[0]]
    if others:
        one = len(others) == 1
        raise InputError(
            f"process{'' if one else 'es'} {', '.join(others)} of {len(found)} {'has' if one else 'have'} other {what} "
            "than process 0; start all of them with the same command on the same files"
        )


def texts(text: str) -> list[str]:
    """A text from each process, in their order, cut off after 1024 bytes."""
    if count() == 1:
        return [text]
    from jax.experimental import multihost_utils

    data = text.encode()[:ROW]
    row = np.zeros(ROW, np.uint8)
    row[: len(data)] = np.frombuffer(data, np.uint8)
    with sending():
        rows = multihost_utils.process_allgather(row)
    return [bytes(one).rstrip(b"\0").decode(errors="ignore") for one in rows]


def from_first(make: Callable[[], Any]) -> Any:
    """JSON values of process 0, in all; it alone calls `make`, and what fails there fails in all.

    Example:
        >>> from_first(lambda: {"epoch": 3})
        {'epoch': 3}
    """
    if count() == 1:
        return make()
    data = np.zeros(0, np.uint8)
    with together():
        if is_first():
            data = np.frombuffer(json.dumps(make()).encode(), np.uint8)
    length = arrays_of_first(np.array([len(data)], np.uint64))
    size = int(length[0])
    sent = arrays_of_first(data if is_first() else np.zeros(size, np.uint8))
    return json.loads(sent.tobytes())


def arrays_of_first(tree: Any) -> Any:
    """The NumPy arrays of process 0, in all.

    Args:
        tree: a pytree of arrays; of the other processes the shapes and dtypes alone matter.
    """
    if count() == 1:
        return jax.tree.map(np.asarray, tree)
    from jax.experimental import multihost_utils

    leaves, structure = jax.tree.flatten(tree)
    arrays = [np.asarray(leaf, order="C") for leaf in leaves]
    with sending():
        sent = multihost_utils.broadcast_one_to_all([one.reshape(-1).view(np.uint8) for one in arrays])
    found = [np.asarray(data).view(one.dtype).reshape(one.shape) for data, one in zip(sent, arrays, strict=True)]
    return jax.tree.unflatten(structure, found)


def gathered(part: np.ndarray) -> np.ndarray:
    """`[processes, ...]`: arrays of one shape and dtype, one from each process."""
    if count() == 1:
        return part[None]
    from jax.experimental import multihost_utils

    with sending():
        rows = multihost_utils.process_allgather(np.asarray(part, order="C").reshape(-1).view(np.uint8))
    return np.ascontiguousarray(rows).view(part.dtype).reshape(-1, *part.shape)
