"""Files of weights: what goes wrong while one is read is said in one sentence, and arrays are taken piece by piece.

An array of a file is a `Stored`: it has a shape, and gives its values by slices of the first axis. JAX copies a NumPy
array that it is given, and the largest of a model can be most of it (the first dense layer of VGG is three quarters);
through DLPack it takes over memory that is aligned to 64 bytes. So `zeros`, `fill` and `adopt` load a model with
little more memory than its weights.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._errors import InputError

ALIGNMENT = 64
PIECE = 16 << 20  # bytes read at once
LONGEST = 300  # letters of a library's own words


@contextlib.contextmanager
def reading(what: str, expected: str, *, own: bool = False) -> Iterator[None]:
    """Whatever a library raises inside becomes one sentence; our own sentences, and a full memory, pass.

    Args:
        what: the file.
        expected: what it should be: "a readable HDF5 file".
        own: True to put these words before our own sentences too, where those do not name the file.

    Raises:
        InputError: "WHAT is not EXPECTED: the library's words".

    Example:
        >>> with reading("notes.txt", "a readable JSON file"):
        ...     raise EOFError("no data")
        Traceback (most recent call last):
        xaijax._errors.InputError: notes.txt is not a readable JSON file: no data
    """
    try:
        yield
    except Exception as error:  # of any class: no list of what a parser raises is complete
        if isinstance(error, MemoryError) or (isinstance(error, InputError) and not own):
            raise
        raise InputError(f"{what} is not {expected}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """A library's words in one line; what class of error it was where the words alone say little."""
    words = " ".join(str(error).split())
    if isinstance(error, KeyError):
        words = f"there is no {words}"
    elif not words or not isinstance(error, ValueError | OSError | EOFError):
        words = f"{type(error).__name__} {words}".rstrip()
    return words if len(words) <= LONGEST else f"{words[:LONGEST]} ..."


def regular_file(path: str | Path) -> Path:
    """The file of that name; refuses what is not there, and what is no file (a pipe would be waited for)."""
    place = Path(path).expanduser()
    if not place.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if not place.is_file():
        raise InputError(f"{path} is {'a folder' if place.is_dir() else 'neither a file nor a folder'}; give a file")
    return place


class Stored:
    """An array of numbers in a file.

    Args:
        array: what gives it by slices: an HDF5 data set, a slice of a safetensors file, a torch tensor.
        what: the file.
        expected: what the file should be; see `reading`.
    """

    def __init__(self, array: Any, what: str, expected: str) -> None:
        self.array, self.what, self.expected = array, what, expected
        self.shape: tuple[int, ...] = tuple(array.get_shape() if hasattr(array, "get_shape") else array.shape)

    def __getitem__(self, index: Any) -> np.ndarray:
        with reading(self.what, self.expected):
            values = np.asarray(self._slice(index if self.shape else ...))
            if not any(jnp.issubdtype(values.dtype, kind) for kind in (np.floating, np.integer, np.bool_)):
                raise TypeError(f"an array of {values.dtype} holds no numbers")
            return values

    def _slice(self, index: Any) -> Any:
        return self.array[index]


def zeros(shape: tuple[int, ...]) -> np.ndarray:
    """float32 zeros in aligned memory, which costs nothing until it is written."""
    size = 4 * int(np.prod(shape))
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(np.float32).reshape(shape)


def adopt(array: np.ndarray) -> Any:
    """A JAX array of the same memory where the CPU is the device, else a copy there; nobody may write `array` again."""
    if jax.default_backend() == "cpu" and array.size:
        return jax.dlpack.from_dlpack(array)
    return jnp.asarray(array)


def fill(target: np.ndarray, source: Any) -> None:
    """Writes `source`, an array or what gives one by slices of its first axis, into `target`, in pieces."""
    if not target.ndim:
        target[...] = np.asarray(source[...])
        return
    rows = max(1, PIECE // max(4 * target.size // max(target.shape[0], 1), 1))
    for start in range(0, target.shape[0], rows):
        stop = min(start + rows, target.shape[0])  # safetensors' slices do not stop at the end by themselves
        target[start:stop] = np.asarray(source[start:stop]).reshape(target[start:stop].shape)
