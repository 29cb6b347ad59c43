"""Validation and zero-copy conversion of array arguments, before any kernel runs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

IMAGE_DTYPES = ("uint8", "uint16", "float32", "float64")


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
        raise TypeError(f"{name} must be {', '.join(allowed[:-1])} or {allowed[-1]}; got {array.dtype}")


def check_images(images: Any, name: str = "images") -> None:
    """Raises unless `images` is a non-empty `[..., H, W, C]` of an image dtype."""
    if images.ndim < 3:
        raise ValueError(f"{name} must be [..., H, W, C]; got shape {tuple(images.shape)}")
    if 0 in images.shape[-3:]:
        raise ValueError(f"{name} must have at least one pixel and one channel; got shape {tuple(images.shape)}")
    check_dtype(images, name, IMAGE_DTYPES)


def check_maps(maps: Any, name: str = "maps", dtypes: Sequence[str] = ("float32", "float64")) -> None:
    """Raises unless `maps` is a non-empty `[..., H, W]` of one of `dtypes`."""
    if maps.ndim < 2:
        raise ValueError(f"{name} must be [..., H, W]; got shape {tuple(maps.shape)}")
    if 0 in maps.shape[-2:]:
        raise ValueError(f"{name} must have at least one pixel; got shape {tuple(maps.shape)}")
    check_dtype(maps, name, dtypes)
