"""Validation and zero-copy conversion of array arguments, before any kernel runs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

IMAGE_DTYPES = ("uint8", "uint16", "float32", "float64")
MAP_DTYPES = ("float32", "float64")

# Pixel numbers fit 32 bits with a sign in every kernel.
MAX_PIXELS = 2**31 - 1


def as_numpy(array: Any, name: str) -> np.ndarray:
    """A NumPy view of `array` without a copy.

    Raises:
        TypeError: when `array` is no array on the CPU.
        ValueError: when it is not C-contiguous.
    """
    if not isinstance(array, np.ndarray):
        if hasattr(array, "__array_interface__"):
            array = np.asarray(array)
        elif hasattr(array, "__dlpack__"):
            try:
                array = np.from_dlpack(array)
            except (BufferError, RuntimeError, TypeError) as error:
                raise TypeError(
                    f"{name} cannot be read without a copy ({error}); pass a CPU tensor that needs no gradient, "
                    "or a NumPy array"
                ) from error
        else:
            raise TypeError(f"{name} must be an array (NumPy, DLPack or array interface); got {type(array).__name__}")
    if not array.flags.c_contiguous:
        raise ValueError(
            f"{name} must be C-contiguous; got shape {array.shape} with strides {array.strides}: "
            "pass numpy.ascontiguousarray(...)"
        )
    return array


def check_dtype(array: Any, name: str, allowed: Sequence[str]) -> None:
    """Raises TypeError unless the dtype is one of `allowed`."""
    if str(array.dtype) not in allowed:
        choice = f"{', '.join(allowed[:-1])} or {allowed[-1]}" if len(allowed) > 1 else allowed[0]
        raise TypeError(f"{name} must be {choice}; got {array.dtype}")


def check_pixels(name: str, height: int, width: int) -> None:
    """Raises where an image or map has more than `MAX_PIXELS` pixels."""
    if height * width > MAX_PIXELS:
        raise ValueError(f"{name} must have at most 2^31 - 1 pixels each; got {height} x {width}: split it into tiles")


def check_images(images: Any, name: str = "images") -> None:
    """Raises unless `images` is a non-empty `[..., H, W, C]` of an image dtype."""
    if images.ndim < 3:
        raise ValueError(f"{name} must be [..., H, W, C]; got shape {tuple(images.shape)}")
    if 0 in images.shape[-3:]:
        raise ValueError(f"{name} must have at least one pixel and one channel; got shape {tuple(images.shape)}")
    check_pixels(name, *images.shape[-3:-1])
    check_dtype(images, name, IMAGE_DTYPES)


def check_maps(maps: Any, name: str = "maps", dtypes: Sequence[str] = MAP_DTYPES) -> None:
    """Raises unless `maps` is a non-empty `[..., H, W]` of one of `dtypes`."""
    if maps.ndim < 2:
        raise ValueError(f"{name} must be [..., H, W]; got shape {tuple(maps.shape)}")
    if 0 in maps.shape[-2:]:
        raise ValueError(f"{name} must have at least one pixel; got shape {tuple(maps.shape)}")
    check_pixels(name, *maps.shape[-2:])
    check_dtype(maps, name, dtypes)


def check_same_item(first: Any, first_name: str, second: Any, second_name: str, axes: int) -> None:
    """Raises unless the last `axes` axes (one image, one map) of both are the same."""
    if tuple(first.shape[-axes:]) != tuple(second.shape[-axes:]):
        raise ValueError(
            f"{second_name} must have the last {axes} axes of {first_name}, {tuple(first.shape[-axes:])}; "
            f"got shape {tuple(second.shape)}"
        )


def broadcast_batch(first: Any, first_name: str, second: Any, second_name: str, axes: int) -> tuple[int, ...]:
    """The batch axes (all but the last `axes`) of both together, by NumPy's broadcasting rule."""
    try:
        return np.broadcast_shapes(tuple(first.shape[:-axes]), tuple(second.shape[:-axes]))
    except ValueError:
        raise ValueError(
            f"the leading axes of {first_name} and {second_name} must broadcast; "
            f"got shapes {tuple(first.shape)} and {tuple(second.shape)}"
        ) from None


def with_batch_rank(array: Any, axes: int, rank: int) -> Any:
    """`array` with axes of length 1 put in front, so that it has `rank` batch axes; never a copy.

    Operands of one FFI call need equal rank: `vmap` puts its axis in front of each.
    """
    return array.reshape((1,) * (rank - (array.ndim - axes)) + tuple(array.shape))
