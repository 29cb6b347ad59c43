"""XRAI's ranking of regions (Kapishnikov et al. 2019, algorithm 1).

An attribution map `[..., H, W]` and a set of S masks `[S, H, W]` (or one set per map) give a map that is constant on
regions. Greedy growth takes, again and again, the mask whose pixels that are not covered yet have the largest mean
attribution. Means are taken in the attribution's dtype and summed pairwise in raster order as NumPy does, so that on
the same masks map and ranks are those of PAIR's `saliency` 0.2.1, ties included (and a flipped input may differ in the
last bit of a mean). PAIR dilates masks while it segments; here they are taken as given unless `dilate` says otherwise.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from xaijax.kernels import _arrays, _backend, _checks


class Regions(NamedTuple):
    """`maps` `[..., H, W]` and `ranks` `[..., H, W]` int32, 1 for the most important region."""

    maps: Any
    ranks: Any

    def __repr__(self) -> str:
        return f"Regions(maps and ranks of {'x'.join(map(str, self.maps.shape))} pixels)"


def rank_regions(
    attribution: Any,
    masks: Any,
    dilate: int = 0,
    *,
    fast: bool = False,
    min_pixels: int = 50,
    area: float = 1.0,
    num_threads: int | None = None,
) -> Regions:
    """Ranks masks by the mean attribution of the pixels they add.

    Full: `argmax_m mean(attribution[m \\ covered])`, the first of equal means, until no mask is left; masks that would
    add fewer than `min_pixels` are dropped on the way. Fast: one sort of the masks by `mean(attribution[m])`, added in
    that order. Either way a region gets the mean of the pixels it added; the pixels that no mask covers form the last
    region.

    Args:
        attribution: `[..., H, W]` floats, any unit, finite, channels already merged (PAIR takes their maximum). NumPy,
            JAX, PyTorch or DLPack.
        masks: `[S, H, W]` for all maps, or `[..., S, H, W]` with the leading axes of `attribution`; bool or uint8.
            Sets of different sizes can be filled up with empty masks.
        dilate: radius in pixels of the disk the masks are dilated by first; XRAI uses 5.
        fast: whether to sort once.
        min_pixels: the smallest number of pixels a mask must add, at least 1.
        area: full growth ends when more than this share of the pixels is covered, above 0.
        num_threads: threads for the batch; default: the processors this process may use. JAX arrays use XLA's pool.

    Returns:
        `Regions(maps, ranks)`: `maps` float64 (float32 for JAX arrays unless x64 is on) in the unit of `attribution`,
        `ranks` int32 from 1 (largest mean) up, equal means in the order in which they were added, uncovered pixels
        last.

    Raises:
        TypeError: for other dtypes or objects that are no CPU arrays.
        ValueError: for shapes that do not fit, options out of range, and NaN or infinity in a NumPy attribution.

    References:
        Kapishnikov et al., "XRAI: Better Attributions Through Regions", ICCV 2019.

    Example:
        >>> import numpy as np
        >>> from xaijax import kernels
        >>> attribution = np.array([[3.0, 1.0, 0.0], [3.0, 1.0, 0.0]])
        >>> columns = np.array([[[1, 0, 0]] * 2, [[1, 1, 0]] * 2], bool)
        >>> kernels.rank_regions(attribution, columns, min_pixels=1).ranks
        array([[1, 2, 3],
               [1, 2, 3]], dtype=int32)
    """
    dilate = _checks.integer(dilate, "dilate", "an integer of at least 0", 0)
    fast = _checks.flag(fast, "fast")
    min_pixels = _checks.integer(min_pixels, "min_pixels", "an integer of at least 1", 1)
    area = _checks.number(area, "area", "a share of the pixels above 0", lambda value: 0.0 < value < math.inf)
    threads = _backend.num_threads(num_threads)
    home, (attribution, masks) = _arrays.read(attribution=attribution, masks=masks)
    _check(attribution, masks)
    height, width = attribution.shape[-2:]
    # As far as they make a difference: no disk reaches further than the map, no mask holds more pixels.
    dilate, min_pixels = min(dilate, height + width), min(min_pixels, height * width + 1)
    options = (dilate, fast, min_pixels, area)
    attribution, masks = home.ready(attribution), home.ready(masks)
    if home.on_jax:
        import jax

        from xaijax.kernels import _ffi

        found = _ffi.call(
            "rank_regions",
            [
                jax.ShapeDtypeStruct(attribution.shape, _ffi.real_dtype()),
                jax.ShapeDtypeStruct(attribution.shape, np.int32),
            ],
            attribution,
            _arrays.with_batch_rank(masks, 3, attribution.ndim - 2),
            fallback=lambda values, sets: _numba_broadcast(values, sets, *options),
            dilate=np.int64(dilate),
            fast=fast,
            min_pixels=np.int64(min_pixels),
            area=np.float64(area),
        )
        return Regions(*found)
    if not np.isfinite(attribution).all():
        raise ValueError("attribution must be finite; it holds NaN or infinity: repair it or leave the image out")
    if masks.ndim > 3:
        masks = masks.reshape(-1, *masks.shape[-3:])
    masks = masks.view(np.uint8)
    if _backend.use_numba():
        from xaijax.kernels._numba import regions as numba_regions

        found = numba_regions.rank_regions(attribution, masks, *options)
    else:
        found = _backend.core().rank_regions(attribution, masks, *options, threads)
    return Regions(*map(home.give, found))


def _check(attribution: Any, masks: Any) -> None:
    _arrays.check_maps(attribution, "attribution")
    _arrays.check_dtype(masks, "masks", _arrays.MASK_DTYPES)
    fits = masks.ndim >= 3 and masks.shape[-2:] == attribution.shape[-2:] and masks.shape[-3] > 0
    if not fits or (masks.ndim > 3 and masks.shape[:-3] != attribution.shape[:-2]):
        raise ValueError(
            f"masks must be [S, H, W], S at least 1, or [..., S, H, W] with the leading axes of attribution; got masks "
            f"{tuple(masks.shape)} for attribution {tuple(attribution.shape)}"
        )


def _numba_broadcast(attribution: np.ndarray, masks: np.ndarray, *options: Any) -> tuple[np.ndarray, np.ndarray]:
    from xaijax.kernels._numba import regions as numba_regions

    # Under vmap an operand that is not mapped comes with an axis of length 1.
    lead = np.broadcast_shapes(attribution.shape[:-2], masks.shape[:-3])
    attribution = np.broadcast_to(attribution, (*lead, *attribution.shape[-2:]))
    sets = np.broadcast_to(masks, (*lead, *masks.shape[-3:])).reshape(-1, *masks.shape[-3:])
    return numba_regions.rank_regions(attribution, sets.view(np.uint8), *options)
