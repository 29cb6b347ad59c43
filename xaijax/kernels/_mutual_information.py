"""Information that a rebuilt image still carries about the original: mutual information.

`I(x; y) = H(x) + H(y) - H(x, y)` from one joint histogram per channel over the range of `x` in that channel,
averaged over the channels; all three terms come from that histogram. The edges are those of `np.histogram` of the
channel of `x`, on both axes. Values of `y` outside the range of `x` count in the first or last bin: to drop them would
drop their partners in `x` too, and H(x) would depend on `y`. So `0 <= I(x; y) <= I(x; x) = H(x)` always.
"""

import math
from typing import Any

import numpy as np

from xaijax.kernels import _arrays, _backend, _checks

MAX_BINS = 1024  # the joint histogram has bins² cells


def mutual_information(
    images: Any,
    references: Any,
    bins: int | None = None,
    *,
    channels: int | None = None,
    num_threads: int | None = None,
) -> Any:
    """Mutual information of each image with its reference.

    `I = Σ_ij p_ij log2(p_ij / (p_i p_j))`, `p_ij` the share of the pixels whose reference value lies in bin `i` and
    image value in bin `j`, per channel and averaged over the channels. `mutual_information(x, x)` is the entropy of
    `x` on the same bins, which no image exceeds.

    Args:
        images: `[..., H, W, C]`, bool, uint8, uint16 or floats, any unit. NumPy, JAX, PyTorch or DLPack.
        references: `[..., H, W, C]` of the same dtype and unit. Leading axes broadcast without a copy: one
            `[H, W, C]` serves `[N, H, W, C]` images, `[B, 1, H, W, C]` serves `[B, N, H, W, C]`.
        bins: bins of each axis, from 1 to 1024; default: `min(64, floor(sqrt(H W) / 3))`, but at least 2.
        channels: how many, where there are more than 4; a longer last axis may be the width of grey images `[B, H, W]`.
        num_threads: threads for the batch; default: the processors this process may use. JAX arrays use XLA's pool.

    Returns:
        Broadcast leading axes, float64, bits, from 0 to log2(bins); float32 for JAX arrays unless x64 is on. NaN
        where the image or the reference holds NaN or infinity, or where the reference's dtype cannot divide its range
        into so many bins. A channel in which the reference is constant contributes 0.

    Raises:
        TypeError: for another dtype, two different dtypes, or an object that is no CPU array.
        ValueError: for shapes that do not fit together, more than 4 channels without `channels`, or bad bins.

    References:
        Cover and Thomas, "Elements of Information Theory", 2.28. The estimate from counts is biased upwards by about
        `(bins - 1)² / (2 ln 2 · H W)` bits (Miller 1955), hence the default for small images.

    Example:
        >>> import numpy as np
        >>> from xaijax import kernels
        >>> x = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
        >>> float(kernels.mutual_information(x, x, bins=4))
        2.0
        >>> float(kernels.mutual_information(np.zeros_like(x), x, bins=4))
        0.0
    """
    if bins is not None:
        bins = _checks.integer(bins, "bins", f"None or an integer from 1 to {MAX_BINS}", 1, MAX_BINS)
    threads = _backend.num_threads(num_threads)
    home, (images, references) = _arrays.read(images=images, references=references)
    _arrays.check_images(images)
    _arrays.check_images(references, "references")
    _arrays.check_same_dtype(images, "images", references, "references")
    _arrays.check_same_item(images, "images", references, "references", 3)
    _arrays.check_channels(images, channels)
    batch = _arrays.broadcast_batch(images, "images", references, "references", 3)
    if bins is None:
        bins = max(2, min(64, math.isqrt(images.shape[-3] * images.shape[-2]) // 3))
    images, references = home.ready(images, bools=np.uint8), home.ready(references, bools=np.uint8)
    if home.on_jax:
        import jax

        from xaijax.kernels import _ffi

        return _ffi.call(
            "mutual_information",
            jax.ShapeDtypeStruct(batch, _ffi.real_dtype()),
            _arrays.with_batch_rank(images, 3, len(batch)),
            _arrays.with_batch_rank(references, 3, len(batch)),
            fallback=lambda x, y: _numba_broadcast(x, y, bins),
            bins=np.int64(bins),
        )
    if _backend.use_numba():
        return home.give(_numba(images, references, bins, batch, threads))
    return home.give(_backend.core().mutual_information(images, references, bins, batch, threads))


def _numba(images: np.ndarray, references: np.ndarray, bins: int, batch: tuple[int, ...], threads: int) -> np.ndarray:
    from xaijax.kernels._numba import mutual_information as numba_mutual_information

    return numba_mutual_information.mutual_information(images, references, bins, batch, threads)


def _numba_broadcast(images: np.ndarray, references: np.ndarray, bins: int) -> np.ndarray:
    batch = np.broadcast_shapes(images.shape[:-3], references.shape[:-3])
    return _numba(images, references, bins, batch, _backend.num_threads(None))
