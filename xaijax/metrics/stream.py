"""Model calls of one shape over pieces of any size.

Pieces are taken from a generator, packed into chunks of exactly `batch_size` images, and handed to the model. One chunk
is in flight while the next is filled: a jitted model returns before it has computed, so the kernels behind the
generator run while the model does. The last chunk is padded, so the model is compiled once.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Key = TypeVar("Key")


def as_model_input(images: NDArray[Any]) -> NDArray[Any]:
    """uint8 as it is; uint16 as float32 in [0, 1]; floats as float32."""
    if images.dtype == np.uint8:
        return images
    if images.dtype == np.uint16:
        return (images / np.float32(65535)).astype(np.float32)
    return images.astype(np.float32, copy=False)


def stream(
    predict: Callable[[NDArray[Any]], Any], pieces: Iterable[tuple[Key, NDArray[Any]]], batch_size: int
) -> Iterator[tuple[Key, NDArray[np.float64]]]:
    """Yields `(key, predictions [n, K])` for every piece `(key, images [n, H, W, C])`, in order.

    Args:
        predict: from `[batch_size, H, W, C]` to `[batch_size, K]`; never called with another shape.
        pieces: all of one image shape and dtype; n at least 1, and may differ. Pulled one at
            a time, only when a chunk has room.
        batch_size: images per call; no more than two chunks exist at a time.

    Yields:
        Each piece's predictions in float64 once all of its images went through. Equivalent to
        `((key, predict(images)) for key, images in pieces)`.

    Example:
        >>> pieces = [("a", np.ones((3, 2, 2, 1), np.uint8)), ("b", np.zeros((1, 2, 2, 1), np.uint8))]
        >>> [(key, p.tolist()) for key, p in stream(lambda x: x.mean(axis=(1, 2)), pieces, 2)]
        [('a', [[1.0], [1.0], [1.0]]), ('b', [[0.0]])]
    """
    waiting: deque[tuple[Key, int, list[NDArray[np.float64]]]] = deque()
    flying: tuple[Any, int] | None = None
    chunk: NDArray[Any] | None = None
    used = 0

    def land(flight: tuple[Any, int]) -> Iterator[tuple[Key, NDArray[np.float64]]]:
        rows = np.asarray(flight[0], np.float64)[: flight[1]]
        while len(rows):
            key, missing, parts = waiting.popleft()
            part, rows = rows[:missing], rows[missing:]
            parts.append(part)
            if len(part) < missing:
                waiting.appendleft((key, missing - len(part), parts))
            else:
                yield key, np.concatenate(parts)

    for key, images in pieces:
        images = as_model_input(images)
        waiting.append((key, len(images), []))
        while len(images):
            if chunk is None:
                # A new buffer each time: the model may still be reading the last one.
                chunk, used = np.empty((batch_size, *images.shape[1:]), images.dtype), 0
            count = min(batch_size - used, len(images))
            chunk[used : used + count] = images[:count]
            images, used = images[count:], used + count
            if used == batch_size:
                previous, flying, chunk = flying, (predict(chunk), used), None
                if previous is not None:
                    yield from land(previous)
    if chunk is not None:
        chunk[used:] = chunk[0]
        previous, flying = flying, (predict(chunk), used)
        if previous is not None:
            yield from land(previous)
    if flying is not None:
        yield from land(flying)
