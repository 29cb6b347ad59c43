"""Images of floats must be in [0, 1]: checked where they enter, with the likely mistake in the message."""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import numpy as np

from xaijax._errors import InputError

SLACK = 1e-3  # interpolation and half precision leave the range by less
_checked: contextvars.ContextVar[bool] = contextvars.ContextVar("xaijax_range_checked", default=True)


def readable(images: Any) -> bool:
    """Whether an array can be looked at without waiting for an accelerator: NumPy's, or JAX's on one processor."""
    if isinstance(images, np.ndarray):
        return True
    import jax

    if not isinstance(images, jax.Array) or isinstance(images, jax.core.Tracer):
        return False
    devices = images.devices()
    return len(devices) == 1 and next(iter(devices)).platform == "cpu"


def native(values: Any) -> Any:
    """A NumPy array in the byte order of this machine, in which files need not be; other arrays as they are.

    Example:
        >>> native(np.array([258], ">u2")).view(np.uint8).tolist()
        [2, 1]
    """
    if isinstance(values, np.ndarray) and not values.dtype.isnative:
        return values.astype(values.dtype.newbyteorder("="))
    return values


def check_range(images: Any) -> None:
    """Refuses floats outside [0, 1]; integers pass, numbers that are not finite, and arrays that are not `readable`.

    Args:
        images: any shape.

    Raises:
        InputError: naming the likely mistake.

    Example:
        >>> check_range(np.array([0.0, 255.0]))
        Traceback (most recent call last):
        xaijax._errors.InputError: images of floats must be in [0, 1]; got 0 to 255: divide them by 255, ...
    """
    if not _checked.get() or not np.issubdtype(images.dtype, np.floating) or not images.size or not readable(images):
        return
    images = np.asarray(images)
    low, high = float(np.min(images)), float(np.max(images))
    if not np.isfinite([low, high]).all() or (low >= -SLACK and high <= 1 + SLACK):
        return
    if low >= 0 and high <= 255:
        likely = "divide them by 255, or give them as uint8"
    elif low >= 0:
        likely = "divide them by their largest possible value, or give them as uint16"
    else:
        likely = (
            "these look standardised: give them before standardisation, and its mean and std to the classifier as "
            "preprocess"
        )
    raise InputError(f"images of floats must be in [0, 1]; got {low:.3g} to {high:.3g}: {likely}")


@contextlib.contextmanager
def beyond() -> Iterator[None]:
    """Inside it images may leave [0, 1]: for metrics whose definition adds noise without clipping."""
    token = _checked.set(False)
    try:
        yield
    finally:
        _checked.reset(token)
