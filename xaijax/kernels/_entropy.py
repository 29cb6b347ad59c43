"""Information content of images: Shannon entropy of a histogram.

Images are `[..., H, W, C]` in any unit; all channels of an image share one histogram, as in the study that brought
Shannon entropy to the Performance Information Curves (BioData Mining 2024). Bins and edges are those of
`np.histogram` in the image's own dtype (float64 edges for integers), with the same counts in every bin.
"""

import math
from typing import Any, Literal

import numpy as np

from xaijax.kernels import _arrays, _backend, _checks

Range = Literal["image"] | tuple[float, float]

# More bins than a float32 can number exactly make no sense, and would need their memory for every thread.
MAX_BINS = 2**24


def histogram_entropy(
    images: Any,
    bins: int = 256,
    range: Range = "image",
    *,
    channels: int | None = None,
    num_threads: int | None = None,
) -> Any:
    """Base-2 Shannon entropy of each image's histogram.

    `H = -Σ_k p_k log2 p_k`, `p_k` the share of the values (all channels together) in bin `k` of `bins` equal bins.

    Args:
        images: `[..., H, W, C]`, bool, uint8, uint16 or floats, any unit. NumPy, JAX, PyTorch or DLPack.
        bins: number of bins, from 1 to 2**24.
        range: `"image"` for each image's own minimum and maximum, or `(low, high)`; values outside are not counted.
        channels: how many, where there are more than 4; a longer last axis may be the width of grey images `[B, H, W]`.
        num_threads: threads for the batch; default: the processors this process may use. JAX arrays use XLA's pool.

    Returns:
        `[...]` float64, bits, from 0 to log2(bins); float32 for JAX arrays unless x64 is on. NaN for an image that
        holds NaN or infinity, has no value in the range, or has a range so narrow that its dtype cannot divide it
        into so many bins (`np.histogram` raises "Too many bins" there). A constant image has 0 bits.

    Raises:
        TypeError: for another dtype or an object that is no CPU array.
        ValueError: for fewer than three axes, more than 4 channels without `channels`, bad bins or range.

    References:
        Kapishnikov et al., "XRAI: Better Attributions Through Regions", ICCV 2019 (the curves);
        BioData Mining 2024 (Shannon entropy in their place of WebP size).

    Example:
        >>> import numpy as np
        >>> from xaijax import kernels
        >>> half = np.zeros((4, 4, 1), np.uint8)
        >>> half[:2] = 255
        >>> float(kernels.histogram_entropy(half))
        1.0
    """
    bins = _checks.integer(bins, "bins", f"an integer from 1 to {MAX_BINS}", 1, MAX_BINS)
    limits = _limits(range)
    threads = _backend.num_threads(num_threads)
    home, (images,) = _arrays.read(images=images)
    _arrays.check_images(images)
    _arrays.check_channels(images, channels)
    images = home.ready(images, bools=np.uint8)
    low, high = limits or (0.0, 0.0)
    if home.on_jax:
        import jax

        from xaijax.kernels import _ffi

        return _ffi.call(
            "histogram_entropy",
            jax.ShapeDtypeStruct(images.shape[:-3], _ffi.real_dtype()),
            images,
            fallback=lambda array: _numba(array, bins, limits, _backend.num_threads(None)),
            bins=np.int64(bins),
            from_image=limits is None,
            low=np.float64(low),
            high=np.float64(high),
        )
    if _backend.use_numba():
        return home.give(_numba(images, bins, limits, threads))
    return home.give(_backend.core().histogram_entropy(images, bins, limits is None, low, high, threads))


def _limits(range: Range) -> tuple[float, float] | None:
    if isinstance(range, str) and range == "image":
        return None
    match [_checks.as_real(edge) for edge in _checks.entries(range, 2) or []]:
        case [float(low), float(high)] if -math.inf < low <= high < math.inf:
            return low, high
    raise ValueError(
        f'range must be "image" or (low, high), finite numbers with low <= high; got {_checks.described(range)}'
    )


def _numba(images: np.ndarray, bins: int, limits: tuple[float, float] | None, threads: int) -> np.ndarray:
    from xaijax.kernels._numba import entropy

    return entropy.histogram_entropy(images, bins, limits, threads)
