"""Model calls of one shape: over arrays, and over pieces of any size with the next call's images made meanwhile.

`in_batches` calls a function on batches of rows. In `stream` pieces are taken from a generator, packed into chunks of
exactly `batch_size` images, and handed to the model. A worker thread runs the generator and fills the next chunk while
the model computes, whether or not the model returns at once: the kernels behind the generator and most models release
the interpreter. The last chunk is padded, so the model is compiled once.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Key = TypeVar("Key")


def float_images(images: NDArray[Any]) -> NDArray[Any]:
    """Integer images as float32 in [0, 1]; floats unchanged.

    The twin of `xaijax.classifier.to_float` in NumPy, which divides where XLA multiplies by the reciprocal: the last
    digit can differ, so that one cannot take the other's place.

    Example:
        >>> float_images(np.array([0, 255], np.uint8)), float_images(np.array([0, 65535], np.uint16)).dtype
        (array([0., 1.], dtype=float32), dtype('float32'))
    """
    if np.issubdtype(images.dtype, np.floating):
        return images
    return (images / np.float32(np.iinfo(images.dtype).max)).astype(np.float32, copy=False)


def as_model_input(images: NDArray[Any]) -> NDArray[Any]:
    """uint8 unchanged; uint16 as float32 in [0, 1]; floats as float32."""
    return images if images.dtype == np.uint8 else float_images(images).astype(np.float32, copy=False)


def padded(values: NDArray[Any], size: int) -> NDArray[Any]:
    """`[size, ...]`: an array of at least one row whose last row is repeated; longer arrays are returned unchanged.

    Example:
        >>> padded(np.array([1, 2]), 4).tolist()
        [1, 2, 2, 2]
    """
    missing = size - len(values)
    return values if missing <= 0 else np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])


def in_batches(function: Callable[..., Any], size: int, *arrays: NDArray[Any]) -> NDArray[Any]:
    """`function(*arrays)` in calls of exactly `size` rows, so that it is compiled once; the last call is padded.

    Args:
        function: from arrays `[size, ...]` to an array `[size, ...]`, row by row.
        size: rows in a call, at least 1.
        arrays: each `[N, ...]`, N at least 1.

    Returns:
        `[N, ...]`, equivalent to `function(*arrays)`.

    Example:
        >>> in_batches(lambda a, b: a + b, 2, np.arange(3), np.arange(3)).tolist()
        [0, 2, 4]
    """
    found = []
    for start in range(0, len(arrays[0]), size):
        parts = [array[start : start + size] for array in arrays]
        found.append(np.asarray(function(*(padded(part, size) for part in parts)))[: len(parts[0])])
    return np.concatenate(found)


def _chunks(
    pieces: Iterable[tuple[Key, NDArray[Any]]], batch_size: int
) -> Iterator[tuple[NDArray[Any], list[tuple[Key, int, bool]]]]:
    """`(images [batch_size, H, W, C], [(key, images of it in this chunk, whether these are its last)])`, in order."""
    chunk: NDArray[Any] | None = None
    parts: list[tuple[Key, int, bool]] = []
    used = 0
    for key, images in pieces:
        images = as_model_input(images)
        while len(images):
            if chunk is None:
                # A new buffer each time: the model may still be reading the last one.
                chunk, used, parts = np.empty((batch_size, *images.shape[1:]), images.dtype), 0, []
            count = min(batch_size - used, len(images))
            chunk[used : used + count] = images[:count]
            images, used = images[count:], used + count
            parts.append((key, count, not len(images)))
            if used == batch_size:
                yield chunk, parts
                chunk = None
    if chunk is not None:
        chunk[used:] = chunk[0]
        yield chunk, parts


def stream(
    predict: Callable[[NDArray[Any]], Any], pieces: Iterable[tuple[Key, NDArray[Any]]], batch_size: int
) -> Iterator[tuple[Key, NDArray[np.float64]]]:
    """Yields `(key, predictions [n, K])` for every piece `(key, images [n, H, W, C])`, in order.

    Args:
        predict: from `[batch_size, H, W, C]` to `[batch_size, K]`; never called with another shape.
        pieces: all of one image shape and dtype; n at least 1, and may differ. Pulled in one worker thread, one at a
            time, only when a chunk has room.
        batch_size: images per call; no more than two chunks exist at a time, one with the model and one being filled.

    Yields:
        Each piece's predictions in float64 once all of its images went through. Equivalent to
        `((key, predict(images)) for key, images in pieces)`.

    Example:
        >>> pieces = [("a", np.ones((3, 2, 2, 1), np.uint8)), ("b", np.zeros((1, 2, 2, 1), np.uint8))]
        >>> [(key, p.tolist()) for key, p in stream(lambda x: x.mean(axis=(1, 2)), pieces, 2)]
        [('a', [[1.0], [1.0], [1.0]]), ('b', [[0.0]])]
    """
    chunks = _chunks(pieces, batch_size)
    collected: list[NDArray[np.float64]] = []
    with ThreadPoolExecutor(1, thread_name_prefix="xaijax-fill") as worker:
        filled = worker.submit(next, chunks, None)
        while (chunk := filled.result()) is not None:
            filled = worker.submit(next, chunks, None)
            # Waited for before the next call: XLA would run two calls at once on the CPU, and both slower.
            rows, start = np.asarray(predict(chunk[0]), np.float64), 0
            for key, count, last in chunk[1]:
                collected.append(rows[start : start + count])
                start += count
                if last:
                    yield key, np.concatenate(collected)
                    collected = []
