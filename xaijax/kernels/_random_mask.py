"""Random sets of pixels: the same for the same seed on every platform, backend and thread count."""

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from xaijax.kernels import _backend


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
    try:
        height, width = (int(length) for length in shape)
    except (TypeError, ValueError):
        raise ValueError(f"shape must be (H, W); got {shape!r}") from None
    if height < 1 or width < 1 or height * width >= 2**32:
        raise ValueError(f"shape must be (H, W) with at least 1 and fewer than 2**32 pixels; got {shape!r}")
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"fraction must lie in [0, 1]; got {fraction!r}")
    count = math.floor(float(fraction) * (height * width))
    if _backend.is_jax(seed):
        import jax

        from xaijax.kernels import _ffi

        if seed.ndim != 0 or str(seed.dtype) not in ("int32", "uint32", "int64", "uint64"):
            raise TypeError(f"seed must be an integer scalar; got {seed.dtype} of shape {tuple(seed.shape)}")
        return _ffi.call(
            "random_mask",
            jax.ShapeDtypeStruct((height, width), np.bool_),
            seed,
            fallback=lambda seeds: _numba_batch(height, width, count, seeds),
            count=np.int64(count),
        )
    try:
        if isinstance(seed, bool):
            raise TypeError
        seed = operator.index(seed)
    except TypeError:
        raise TypeError(f"seed must be an integer; got {type(seed).__name__}") from None
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must lie in [0, 2**64); got {seed}")
    if _backend.use_numba():
        return _numba(height, width, count, seed)
    return _backend.core().random_mask(height, width, count, seed)


def _numba(height: int, width: int, count: int, seed: int) -> np.ndarray:
    from xaijax.kernels._numba import random_mask as numba_random_mask

    return numba_random_mask.random_mask(height, width, count, seed)


def _numba_batch(height: int, width: int, count: int, seeds: np.ndarray) -> np.ndarray:
    masks = [_numba(height, width, count, int(seed) % 2**64) for seed in seeds.ravel()]
    return np.array(masks, np.bool_).reshape(*seeds.shape, height, width)
