"""Random sets of pixels: the same for the same seed on every platform, backend and thread count."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from xaijax.kernels import _arrays, _backend, _checks


def random_mask(shape: Sequence[int], fraction: float, seed: Any) -> Any:
    """A random mask with exactly `floor(fraction · H · W)` true pixels, every such set equally likely.

    Generator: SplitMix64 from `seed`. A number below `m`: as many top bits of one draw as `m - 1` has, drawn again
    until it is below `m`. Selection: the first steps of a Fisher-Yates shuffle of the pixel numbers, step `i` swapping
    place `i` with place `i + below(H W - i)`.

    Args:
        shape: `(H, W)`.
        fraction: share of the pixels in [0, 1]; the product with the pixels is taken in float64.
        seed: integer in [0, 2**64), or a JAX integer scalar (traced or not; it may be mapped by `vmap`), which is
            read as its 64-bit two's complement.

    Returns:
        `[H, W]` bool; a JAX array if `seed` is one.

    Raises:
        TypeError: for a seed that is no integer.
        ValueError: for a bad shape, fraction or seed.

    References:
        Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.

    Example:
        >>> from xaijax import kernels
        >>> mask = kernels.random_mask((10, 10), 0.25, seed=1)
        >>> mask.shape, int(mask.sum())
        ((10, 10), 25)
    """
    sides = [_checks.as_integer(side) for side in _checks.entries(shape, 2) or []]
    match sides:
        case [int(height), int(width)] if height >= 1 and width >= 1 and height * width < 2**32:
            pass
        case _:
            raise ValueError(
                "shape must be (H, W), integers, with at least 1 and fewer than 2**32 pixels; got "
                f"{_checks.described(shape)}"
            )
    share = _checks.number(fraction, "fraction", "a number in [0, 1]", lambda value: 0.0 <= value <= 1.0)
    count = math.floor(share * (height * width))
    home = _arrays.home(seed)
    if home.on_jax:
        import jax

        from xaijax.kernels import _ffi

        if seed.ndim != 0 or _checks.dtype_name(seed) not in ("int32", "uint32", "int64", "uint64"):
            raise TypeError(
                "seed must be an integer scalar, of int32, uint32, int64 or uint64 for JAX; got "
                f"{seed.dtype} of shape {tuple(seed.shape)}"
            )
        return _ffi.call(
            "random_mask",
            jax.ShapeDtypeStruct((height, width), np.bool_),
            seed,
            fallback=lambda seeds: _numba_batch(height, width, count, seeds),
            count=np.int64(count),
        )
    number = _checks.as_integer(seed)
    if number is None:
        raise TypeError(f"seed must be an integer in [0, 2**64); got {_checks.described(seed)}")
    if not 0 <= number < 2**64:
        raise ValueError(f"seed must lie in [0, 2**64); got {_checks.described(seed)}")
    if _backend.use_numba():
        return home.give(_numba(height, width, count, number))
    return home.give(_backend.core().random_mask(height, width, count, number))


def _numba(height: int, width: int, count: int, seed: int) -> np.ndarray:
    from xaijax.kernels._numba import random_mask as numba_random_mask

    return numba_random_mask.random_mask(height, width, count, seed)


def _numba_batch(height: int, width: int, count: int, seeds: np.ndarray) -> np.ndarray:
    masks = [_numba(height, width, count, int(seed) % 2**64) for seed in seeds.ravel()]
    return np.array(masks, np.bool_).reshape(*seeds.shape, height, width)
