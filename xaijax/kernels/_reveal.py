"""Reveal: the perturbed images that insertion, deletion and information curves are measured on.

Images are `[..., H, W, C]` in any unit, levels `[..., H, W]` uint16 as `reveal_levels` gives them: 0 = always known,
i + 1 = revealed by fraction i, len(fractions) + 1 = never. Known pixels keep their value bit for bit; a fill rebuilds
the others.

The linear fill interpolates in the Delaunay cells of the known pixels and the four corners. On a grid four or more
points share an empty circle nearly everywhere, and a triangulation must choose diagonals there: SciPy's (and with it
the PAIR `saliency` package's) answer changes when the image is flipped. Here the whole cell is used, with Wachspress
coordinates: barycentric in a triangle, bilinear in a rectangle. Flipping or transposing image and levels flips or
transposes the result: bit for bit for integer images, to 1e-12 of the range for float64.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from xaijax.kernels import _arrays, _backend

Direction = Literal["insertion", "deletion"]
FILLS = {"linear": 0, "mean": 2, "blur": 3, "nearest": 4, "noisy_linear": 5}
"""Named fills and their codes in the compiled kernel; 1 is a background that is given."""
MAX_SIDE = 16384


def reveal(
    images: Any,
    levels: Any,
    n_levels: int,
    fill: Any = "linear",
    *,
    direction: Direction = "insertion",
    sigma: float = 10.0,
    noise: float = 0.01,
    seed: int = 0,
    num_threads: int | None = None,
) -> Any:
    """The images of every level: image i shows the pixels with level <= i and rebuilds the others.

    | fill | an unknown pixel shows |
    |---|---|
    | `"linear"` | `Σ w_i f_i / Σ w_i` over the vertices of its Delaunay cell; the corners count as known |
    | `"mean"` | the mean colour of the intact image, one value per channel |
    | `"blur"` | the intact image under a Gaussian of `sigma` pixels, cut at 4 sigma, sides mirrored (edge repeated) |
    | `"nearest"` | the mean of all known pixels at the smallest Euclidean distance; the corners count as known |
    | `"noisy_linear"` | the solution of `x_p = Σ w_q x_q / Σ w_q` over its neighbours, w 1/6 and 1/12, plus noise |
    | a number, or one per channel | that colour |
    | an array `[..., H, W, C]` | that image |

    The linear weights are Wachspress coordinates, `w_i = |v_{i-1} v_i v_{i+1}| / (|p v_{i-1} v_i| |p v_i v_{i+1}|)`;
    on an edge between two cells only its ends count. Where a side of the image is one pixel long this is `np.interp`.
    Integer results are the exact value rounded half to even. A NaN or infinity in a known pixel of a float image
    spreads to the unknown pixels of the cells it is a vertex of, and to no others.

    Args:
        images: `[..., H, W, C]`, uint8, uint16, float32 or float64, any unit. NumPy, DLPack or JAX.
        levels: `[..., H, W]`, uint16. Leading axes broadcast against those of `images`: one image `[H, W, C]` with
            the levels `[M, H, W]` of M maps gives M results, and maps that know the same pixels at level 0 then
            share that part of the work.
        n_levels: images per map, from 1 to 65535; with F fractions F + 1, image 0 being the most perturbed one.
        fill: see above. Numbers must be representable in the images' dtype, an array must have it.
        direction: `"insertion"`, or `"deletion"`: image i hides the pixels with level 1 to i and knows the others
            (those of level 0 always), so that image 0 is intact.
        sigma: of the blur, pixels, above 0.
        noise: of `"noisy_linear"`, the standard deviation: in the images' unit for floats, as a share of the largest
            value for integers (which are clipped to their range). The solution alone with 0.
        seed: of that noise, 0 to 2^63 - 1. It depends on seed, pixel and channel only: all images get the same.
        num_threads: threads over the maps; default: the processors this process may use. JAX arrays use XLA's pool.

    Returns:
        `[..., n_levels, H, W, C]` in the images' dtype, the leading axes being the broadcast ones. In insertion
        the values of a fill `"linear"`, `"mean"` or `"blur"` lie within the range of the image's channel.

    Raises:
        TypeError: for other dtypes or objects that are no CPU arrays.
        ValueError: for shapes that do not fit, options out of range, or a side above 16384 pixels in the fills
            `"linear"` and `"nearest"`.

    References:
        Kapishnikov et al., "XRAI: Better Attributions Through Regions", ICCV 2019 (the curves);
        Wachspress, "A Rational Finite Element Basis", 1975 (the coordinates);
        Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022 (noisy linear).

    Example:
        >>> import numpy as np
        >>> from xaijax import kernels
        >>> ramp = np.arange(5, dtype=np.uint8).repeat(5).reshape(5, 5, 1) * 10
        >>> levels = np.full((5, 5), 2, np.uint16)
        >>> levels[2, 2] = 1
        >>> rebuilt = kernels.reveal(ramp, levels, 2)
        >>> rebuilt.shape, bool((rebuilt == ramp).all())
        ((2, 5, 5, 1), True)
    """
    if isinstance(n_levels, bool) or not isinstance(n_levels, int | np.integer) or not 1 <= n_levels <= 65535:
        raise ValueError(f"n_levels must be an integer from 1 to 65535; got {n_levels!r}")
    if direction not in ("insertion", "deletion"):
        raise ValueError(f'direction must be "insertion" or "deletion"; got {direction!r}')
    if not (isinstance(sigma, int | float) and 0.0 < sigma < 1e4):
        raise ValueError(f"sigma must be above 0 and below 10000 pixels; got {sigma!r}")
    if not (isinstance(noise, int | float) and 0.0 <= noise < 1e6):
        raise ValueError(f"noise must be 0 or more; got {noise!r}")
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise ValueError(f"seed must be an integer from 0 to 2^63 - 1; got {seed!r}")
    traced = _backend.is_jax(images, levels, fill)
    if not traced:
        images, levels = _arrays.as_numpy(images, "images"), _arrays.as_numpy(levels, "levels")
    _arrays.check_images(images)
    _arrays.check_maps(levels, "levels", ("uint16",))
    height, width, channels = images.shape[-3:]
    if tuple(levels.shape[-2:]) != (height, width):
        raise ValueError(
            f"levels must be [..., {height}, {width}] like images {tuple(images.shape)}; got {tuple(levels.shape)}"
        )
    code, background = _fill(fill, images)
    deviation = float(noise) * (np.iinfo(images.dtype).max if np.dtype(images.dtype).kind == "u" else 1)
    if code in (FILLS["linear"], FILLS["nearest"]) and max(height, width) > MAX_SIDE:
        raise ValueError(
            f"the fill {fill!r} takes sides up to {MAX_SIDE} pixels; got {height} x {width}: "
            "reveal a smaller image, or use another fill"
        )
    leads = [images.shape[:-3], levels.shape[:-2], background.shape[:-3]]
    try:
        lead = np.broadcast_shapes(*leads)
    except ValueError:
        raise ValueError(
            f"the leading axes of images {tuple(images.shape)}, levels {tuple(levels.shape)} and fill must broadcast"
        ) from None
    shape = (*lead, int(n_levels), height, width, channels)
    deletion = direction == "deletion"
    if traced:
        import jax

        from xaijax.kernels import _ffi

        def ranked(array: Any, own: tuple[int, ...]) -> jax.Array:
            return jax.numpy.reshape(array, (1,) * (len(lead) - len(own)) + tuple(array.shape))

        operands = [ranked(array, own) for array, own in zip((images, levels, background), leads, strict=True)]
        return _ffi.call(
            "reveal",
            jax.ShapeDtypeStruct(shape, images.dtype),
            *operands,
            fallback=lambda *arrays: _numba(arrays, int(n_levels), deletion, code, sigma, deviation, int(seed)),
            deletion=deletion,
            fill=np.int64(code),
            sigma=np.float64(sigma),
            noise=np.float64(deviation),
            seed=np.int64(seed),
        )
    threads = _backend.num_threads(num_threads)
    if _backend.use_numba():
        return _numba((images, levels, background), int(n_levels), deletion, code, sigma, deviation, int(seed))
    owners = [_owners(own, lead) for own in leads]
    core = _backend.core()
    return core.reveal(
        images, levels, background, *owners, int(n_levels), deletion, code, float(sigma), deviation, int(seed), threads
    ).reshape(shape)


def reveal_chunks(
    images: Any,
    levels: Any,
    n_levels: int,
    fill: Any = "linear",
    *,
    max_bytes: int = 1 << 28,
    direction: Direction = "insertion",
    **options: Any,
) -> Iterator[tuple[int, int, np.ndarray]]:
    """`reveal` piece by piece, for stacks that would not fit in memory.

    `for map, level, stack in reveal_chunks(...)`: `stack[j, i]` is image `level + i` of map `map + j`, the maps being
    numbered over the broadcast leading axes in row-major order. Maps come in order and levels in order within them;
    a map's levels are split only when one map's stack alone is larger than `max_bytes`.

    Args:
        images: as in `reveal`; NumPy or DLPack.
        levels: as in `reveal`.
        n_levels: as in `reveal`.
        fill: as in `reveal`.
        max_bytes: size of a chunk, bytes; one image is the least there is.
        direction: as in `reveal`.
        **options: further options of `reveal`.

    Yields:
        `(map, level, stack)`, stack `[m, k, H, W, C]` in the images' dtype.

    Raises:
        TypeError: as `reveal`.
        ValueError: as `reveal`, and for `max_bytes` below 1.

    Example:
        >>> import numpy as np
        >>> from xaijax import kernels
        >>> image, levels = np.zeros((8, 8, 3), np.uint8), np.ones((5, 8, 8), np.uint16)
        >>> [(m, i, stack.shape[:2]) for m, i, stack in kernels.reveal_chunks(image, levels, 4, max_bytes=1600)]
        [(0, 0, (2, 4)), (2, 0, (2, 4)), (4, 0, (1, 4))]
    """
    if not isinstance(max_bytes, int) or max_bytes < 1:
        raise ValueError(f"max_bytes must be a positive integer; got {max_bytes!r}")
    images, levels = _arrays.as_numpy(images, "images"), _arrays.as_numpy(levels, "levels")
    _arrays.check_images(images)
    _arrays.check_maps(levels, "levels", ("uint16",))
    _, background = _fill(fill, images)
    named = isinstance(fill, str)
    leads = [images.shape[:-3], levels.shape[:-2], background.shape[:-3]]
    lead = np.broadcast_shapes(*leads)
    image_of, level_of, fill_of = (_owners(own, lead) for own in leads)
    images = images.reshape(-1, *images.shape[-3:])
    levels = levels.reshape(-1, *levels.shape[-2:])
    background = background.reshape(-1, *background.shape[-3:])
    one = images[0].nbytes
    maps, steps = max(1, max_bytes // (one * n_levels)), min(n_levels, max(1, max_bytes // one))
    for first in range(0, image_of.size, maps):
        chosen = slice(first, first + maps)
        shared = len(set(image_of[chosen])) == 1
        chunk = images[image_of[first]] if shared else images[image_of[chosen]]
        back = fill if named else background[fill_of[chosen]]
        if not named and back.shape[1:3] != images.shape[1:3]:
            back = np.ascontiguousarray(np.broadcast_to(back, (len(back), *images.shape[1:])))
        for start in range(0, n_levels, steps):
            stop = min(start + steps, n_levels)
            part, skip = _between(levels[level_of[chosen]], start, direction)
            stack = reveal(chunk, part, stop - start + skip, back, direction=direction, **options)
            yield first, start, stack[:, skip:]


def _between(levels: np.ndarray, start: int, direction: Direction) -> tuple[np.ndarray, int]:
    """Levels whose image `skip + i` is image `start + i` of the given ones, and skip."""
    if start == 0:
        return levels, 0
    if direction == "insertion":
        return np.where(levels > start, levels - np.uint16(start), np.uint16(0)), 0
    # A deletion hides nothing in its first image, so it starts one earlier.
    hidden = np.where(levels > start, levels - np.uint16(start - 1), np.uint16(1))
    return np.where(levels == 0, np.uint16(0), hidden), 1


def _numba(operands: Sequence[np.ndarray], n_levels: int, *options: Any) -> np.ndarray:
    from xaijax.kernels._numba import reveal as numba_reveal

    leads = [array.shape[:-axes] for array, axes in zip(operands, (3, 2, 3), strict=True)]
    lead = np.broadcast_shapes(*leads)
    stacks = numba_reveal.reveal(operands, [_owners(own, lead) for own in leads], n_levels, *options)
    return stacks.reshape(*lead, *stacks.shape[1:])


def _owners(own: tuple[int, ...], lead: tuple[int, ...]) -> np.ndarray:
    """For each item of the broadcast leading axes, the number of the operand's item."""
    items = np.arange(int(np.prod(own, dtype=np.int64)), dtype=np.int64).reshape(own)
    return np.ascontiguousarray(np.broadcast_to(items, lead)).reshape(-1)


def _fill(fill: Any, images: Any) -> tuple[int, Any]:
    """The fill's code and its background `[..., 1 or H, 1 or W, C]` in the images' dtype."""
    height, width, channels = images.shape[-3:]
    dtype = np.dtype(images.dtype)
    if isinstance(fill, str):
        if fill not in FILLS:
            raise ValueError(f"fill must be {', '.join(FILLS)}, a number per channel or an image; got {fill!r}")
        return FILLS[fill], np.zeros((1, 1, channels), dtype)
    if isinstance(fill, int | float | np.number | Sequence) or getattr(fill, "ndim", 3) < 2:
        return 1, _colour(fill, dtype, channels)
    array = fill if _backend.is_jax(fill) else _arrays.as_numpy(fill, "fill")
    _arrays.check_dtype(array, "fill", (str(dtype), str(dtype)))
    if array.ndim < 3 or tuple(array.shape[-3:]) != (height, width, channels):
        raise ValueError(
            f"fill must be [..., {height}, {width}, {channels}] like images; got shape {tuple(array.shape)}"
        )
    return 1, array


def _colour(fill: Any, dtype: np.dtype, channels: int) -> Any:
    if _backend.is_jax(fill):
        import jax.numpy as jnp

        if fill.shape not in ((), (1,), (channels,)):
            raise ValueError(f"fill must be one number or {channels}, one per channel; got shape {tuple(fill.shape)}")
        _arrays.check_dtype(fill, "fill", (str(dtype), str(dtype)))
        return jnp.broadcast_to(fill, (1, 1, channels))
    colour = np.asarray(fill)
    if colour.shape not in ((), (1,), (channels,)) or colour.dtype.kind not in "uif":
        raise ValueError(f"fill must be one number or {channels}, one per channel; got {fill!r}")
    if dtype.kind == "u":
        limit = np.iinfo(dtype).max
        if (
            not (np.isfinite(colour).all() and (colour == np.floor(colour)).all() and (colour >= 0).all())
            or (colour > limit).any()
        ):
            raise ValueError(f"fill must be whole numbers from 0 to {limit} for {dtype} images; got {fill!r}")
    return np.ascontiguousarray(np.broadcast_to(colour.astype(dtype), (1, 1, channels)))
