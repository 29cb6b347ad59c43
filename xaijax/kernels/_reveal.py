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

import math
import numbers
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from xaijax.kernels import _arrays, _backend, _checks

Direction = Literal["insertion", "deletion"]
FILLS = {"linear": 0, "mean": 2, "blur": 3, "nearest": 4, "noisy_linear": 5}
"""Named fills and their codes in the compiled kernel; 1 is a background that is given."""
DIRECTIONS = ("insertion", "deletion")
LARGEST = {"bool": 1, "uint8": 255, "uint16": 65535}
"""Largest values of the dtypes that hold whole numbers."""
MAX_SIDE = 16384


def reveal(
    images: Any,
    levels: Any,
    num_levels: int,
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
        images: `[..., H, W, C]`, bool, uint8, uint16 or floats, any unit. NumPy, JAX, PyTorch or DLPack.
        levels: `[..., H, W]`, uint16. Leading axes broadcast against those of `images`: one image `[H, W, C]` with
            the levels `[M, H, W]` of M maps gives M results, and maps that know the same pixels at level 0 then
            share that part of the work.
        num_levels: images per map, from 1 to 65535; with F fractions F + 1, image 0 being the most perturbed one.
        fill: see above. Numbers must be representable in the images' dtype, an array must have it.
        direction: `"insertion"`, or `"deletion"`: image i hides the pixels with level 1 to i and knows the others
            (those of level 0 always), so that image 0 is intact.
        sigma: of the blur, pixels, above 0.
        noise: of `"noisy_linear"`, the standard deviation: in the images' unit for floats, as a share of the largest
            value for integers (which are clipped to their range). The solution alone with 0.
        seed: of that noise, 0 to 2^63 - 1. It depends on seed, pixel and channel only: all images get the same.
        num_threads: threads over the maps; default: the processors this process may use. JAX arrays use XLA's pool.

    Returns:
        `[..., num_levels, H, W, C]` in the images' dtype, the leading axes being the broadcast ones. In insertion
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
    call = _checked(images, levels, num_levels, fill, direction, sigma, noise, seed, num_threads)
    count, options = call.num_levels, call.options
    shape = (*call.lead, count, *call.images.shape[-3:])
    if call.home.on_jax:
        import jax

        from xaijax.kernels import _ffi

        operands = [
            _arrays.with_batch_rank(array, axes, len(call.lead))
            for array, axes in zip((call.images, call.levels, call.background), _ITEM_AXES, strict=True)
        ]
        out = _ffi.call(
            "reveal",
            jax.ShapeDtypeStruct(shape, call.images.dtype),
            *operands,
            fallback=lambda *arrays: _numba(arrays, count, *options),
            deletion=options.deletion,
            fill=np.int64(options.fill),
            sigma=np.float64(options.sigma),
            noise=np.float64(options.noise),
            seed=np.int64(options.seed),
        )
        return call.home.give(out, call.dtype)
    owners = [_arrays.owners(own, call.lead) for own in call.leads]
    return call.home.give(_on_host(call, call.levels, owners, count).reshape(shape), call.dtype)


def reveal_chunks(
    images: Any,
    levels: Any,
    num_levels: int,
    fill: Any = "linear",
    *,
    max_bytes: int = 1 << 28,
    direction: Direction = "insertion",
    sigma: float = 10.0,
    noise: float = 0.01,
    seed: int = 0,
    num_threads: int | None = None,
) -> Iterator[tuple[int, int, Any]]:
    """`reveal` piece by piece, for stacks that would not fit in memory.

    `for map, level, stack in reveal_chunks(...)`: `stack[j, i]` is image `level + i` of map `map + j`, the maps being
    numbered over the broadcast leading axes in row-major order. Maps come in order and levels in order within them;
    a map's levels are split only when one map's stack alone is larger than `max_bytes`.

    Args:
        images: as in `reveal`, but with values: it does not run inside `jit`.
        levels: as in `reveal`.
        num_levels: as in `reveal`.
        fill: as in `reveal`.
        max_bytes: size of a chunk, bytes; one image is the least there is.
        direction: as in `reveal`.
        sigma: as in `reveal`.
        noise: as in `reveal`.
        seed: as in `reveal`.
        num_threads: as in `reveal`.

    Yields:
        `(map, level, stack)`, stack `[m, k, H, W, C]` in the images' dtype: NumPy, or PyTorch for tensors.

    Raises:
        TypeError: as `reveal`, and for traced arrays.
        ValueError: as `reveal`, and for `max_bytes` below 1.

    Example:
        >>> import numpy as np
        >>> from xaijax import kernels
        >>> image, levels = np.zeros((8, 8, 3), np.uint8), np.ones((5, 8, 8), np.uint16)
        >>> [(m, i, stack.shape[:2]) for m, i, stack in kernels.reveal_chunks(image, levels, 4, max_bytes=1600)]
        [(0, 0, (2, 4)), (2, 0, (2, 4)), (4, 0, (1, 4))]
    """
    max_bytes = _checks.integer(max_bytes, "max_bytes", "a positive integer", 1)
    images, levels, fill = (
        _arrays.concrete(array, name, "reveal_chunks")
        for array, name in ((images, "images"), (levels, "levels"), (fill, "fill"))
    )
    return _chunks(_checked(images, levels, num_levels, fill, direction, sigma, noise, seed, num_threads), max_bytes)


class _Options(NamedTuple):
    """In the order of the compiled kernel; `fill` is a code, `noise` in units of the images' dtype."""

    deletion: bool
    fill: int
    sigma: float
    noise: float
    seed: int


class _Call(NamedTuple):
    """A call whose arguments were checked, with its arrays as the kernels read them."""

    home: _arrays.Home
    dtype: str  # of the images as they were given
    images: Any
    levels: Any
    background: Any
    leads: list[tuple[int, ...]]  # of the three arrays
    lead: tuple[int, ...]  # of all together
    num_levels: int
    options: _Options
    threads: int


_ITEM_AXES = (3, 2, 3)  # of images, levels and backgrounds


def _checked(
    images: Any,
    levels: Any,
    num_levels: Any,
    fill: Any,
    direction: Any,
    sigma: Any,
    noise: Any,
    seed: Any,
    num_threads: Any,
) -> _Call:
    num_levels = _checks.integer(num_levels, "num_levels", "an integer from 1 to 65535", 1, 65535)
    direction = _checks.choice(direction, "direction", DIRECTIONS)
    sigma = _checks.number(sigma, "sigma", "above 0 and below 10000 pixels", lambda value: 0.0 < value < 1e4)
    noise = _checks.number(noise, "noise", "0 or more, and below 1000000", lambda value: 0.0 <= value < 1e6)
    seed = _checks.integer(seed, "seed", "an integer from 0 to 2^63 - 1", 0, 2**63 - 1)
    threads = _backend.num_threads(num_threads)
    if _is_image(fill):
        home, (images, levels, fill) = _arrays.read(images=images, levels=levels, fill=fill)
    else:
        home, (images, levels) = _arrays.read(images=images, levels=levels)
    _arrays.check_images(images)
    _arrays.check_maps(levels, "levels", ("uint16",))
    _check_sides(images, levels)
    code, background = _fill(fill, images)
    height, width = images.shape[-3:-1]
    if code in (FILLS["linear"], FILLS["nearest"]) and max(height, width) > MAX_SIDE:
        raise ValueError(
            f"the fill {fill!r} takes sides up to {MAX_SIDE} pixels; got {height} x {width}: "
            "reveal a smaller image, or use another fill"
        )
    leads = [tuple(array.shape[:-axes]) for array, axes in zip((images, levels, background), _ITEM_AXES, strict=True)]
    try:
        lead = np.broadcast_shapes(*leads)
    except ValueError:
        raise ValueError(
            f"the leading axes of images, levels and fill must broadcast; got {', '.join(map(str, leads))}"
        ) from None
    dtype = _checks.dtype_name(images)
    return _Call(
        home,
        dtype,
        home.ready(images, bools=np.uint8),
        home.ready(levels),
        home.ready(background, bools=np.uint8),
        leads,
        lead,
        num_levels,
        _Options(direction == "deletion", code, sigma, noise * LARGEST.get(dtype, 1), seed),
        threads,
    )


def _check_sides(images: Any, levels: Any) -> None:
    """Raises unless images `[..., H, W, C]` and levels `[..., H, W]` have one H and W, and no other reading has."""
    height, width, channels = images.shape[-3:]
    as_grey = "write images[..., None] for grey images, and move channels that come first to the end"
    if tuple(levels.shape[-2:]) != (height, width):
        advice = f": {as_grey}" if tuple(levels.shape[-2:]) == (width, channels) else ""
        raise ValueError(
            f"levels must be [..., {height}, {width}] like images {tuple(images.shape)}; got "
            f"{tuple(levels.shape)}{advice}"
        )
    if height == width == channels > _arrays.MAX_CHANNELS:
        raise ValueError(
            f"images must be [..., H, W, C], and a last axis of {channels} may be a width; got shape "
            f"{tuple(images.shape)}: {as_grey}"
        )


def _chunks(call: _Call, max_bytes: int) -> Iterator[tuple[int, int, Any]]:
    owners = [_arrays.owners(own, call.lead) for own in call.leads]
    levels = call.levels.reshape(-1, *call.levels.shape[-2:])
    one = math.prod(call.images.shape[-3:]) * call.images.itemsize
    maps, steps = max(1, max_bytes // (one * call.num_levels)), min(call.num_levels, max(1, max_bytes // one))
    for first in range(0, math.prod(call.lead), maps):
        image_of, level_of, background_of = (items[first : first + maps] for items in owners)
        for start in range(0, call.num_levels, steps):
            count = min(steps, call.num_levels - start)
            part, skip = _between(levels[level_of], start, call.options.deletion)
            stack = _on_host(call, part, [image_of, np.arange(len(part), dtype=np.int64), background_of], count + skip)
            yield first, start, call.home.give(stack[:, skip:], call.dtype)


def _between(levels: np.ndarray, start: int, deletion: bool) -> tuple[np.ndarray, int]:
    """Levels whose image `skip + i` is image `start + i` of the given ones, and skip."""
    if start == 0:
        return levels, 0
    if not deletion:
        return np.where(levels > start, levels - np.uint16(start), np.uint16(0)), 0
    # A deletion hides nothing in its first image, so it starts one earlier.
    hidden = np.where(levels > start, levels - np.uint16(start - 1), np.uint16(1))
    return np.where(levels == 0, np.uint16(0), hidden), 1


def _on_host(call: _Call, levels: np.ndarray, owners: Sequence[np.ndarray], num_levels: int) -> np.ndarray:
    """`[items, num_levels, H, W, C]`: item i has the image, levels and background of the numbers in `owners`."""
    if _backend.use_numba():
        from xaijax.kernels._numba import reveal as numba_reveal

        return numba_reveal.reveal((call.images, levels, call.background), owners, num_levels, *call.options)
    return _backend.core().reveal(
        call.images, levels, call.background, *owners, num_levels, *call.options, call.threads
    )


def _numba(operands: Sequence[np.ndarray], num_levels: int, *options: Any) -> np.ndarray:
    from xaijax.kernels._numba import reveal as numba_reveal

    # Under vmap the leading axes are others than those of the call.
    leads = [array.shape[:-axes] for array, axes in zip(operands, _ITEM_AXES, strict=True)]
    lead = np.broadcast_shapes(*leads)
    owners = [_arrays.owners(own, lead) for own in leads]
    stacks = numba_reveal.reveal(operands, owners, num_levels, *options)
    return stacks.reshape(*lead, *stacks.shape[1:])


def _is_image(fill: Any) -> bool:
    """Whether a fill is an array; one of less than two axes is a colour, which JAX alone may have to compute."""
    if isinstance(fill, str | np.generic) or not _arrays.is_array(fill):
        return False
    return _arrays.is_jax(fill) or _arrays.view(fill, "fill").ndim >= 2


def _fill(fill: Any, images: Any) -> tuple[int, Any]:
    """The fill's code and its background `[..., 1 or H, 1 or W, C]` in the images' dtype."""
    height, width, channels = images.shape[-3:]
    if isinstance(fill, str) and fill in FILLS:
        return FILLS[fill], np.zeros((1, 1, channels), images.dtype)
    if not _is_image(fill):
        return 1, _colour(fill, images)
    _arrays.check_dtype(fill, "fill", (_checks.dtype_name(images),))
    if fill.ndim < 2 and fill.shape in ((), (1,), (channels,)):
        import jax.numpy as jnp

        return 1, jnp.broadcast_to(fill, (1, 1, channels))
    if fill.ndim < 3 or tuple(fill.shape[-3:]) != (height, width, channels):
        raise ValueError(
            f"fill must be [..., {height}, {width}, {channels}] like images, or a number or {channels} of them, one "
            f"per channel; got shape {tuple(fill.shape)}"
        )
    return 1, fill


def _colour(fill: Any, images: Any) -> np.ndarray:
    """`[1, 1, C]` of a number or of one for each channel, in the images' dtype."""
    name, channels = _checks.dtype_name(images), images.shape[-1]
    if _arrays.is_array(fill):
        colour = _arrays.view(fill, "fill")
    else:
        given = [fill] if isinstance(fill, numbers.Number) else _checks.entries(fill, channels)
        known = given is not None and all(isinstance(entry, numbers.Number | np.generic) for entry in given)
        colour = np.asarray(fill) if known else np.empty(0, object)
    if _checks.dtype_name(colour) in _arrays.HALVES:
        colour = colour.astype(np.float32)
    if name == "bool" and colour.dtype == np.bool_:
        colour = colour.astype(np.uint8)
    if colour.shape not in ((), (1,), (channels,)) or colour.dtype.kind not in "uif":
        raise ValueError(
            f"fill must be one of {', '.join(FILLS)}, a number or {channels} of them, one per channel, or an image "
            f"[..., H, W, C]; got {_checks.described(fill)}"
        )
    if name in LARGEST:
        whole = np.isfinite(colour).all() and (colour == np.floor(colour)).all()
        if not whole or (colour < 0).any() or (colour > LARGEST[name]).any():
            raise ValueError(
                f"fill must be whole numbers from 0 to {LARGEST[name]} for {name} images; got {_checks.described(fill)}"
            )
    with np.errstate(over="ignore"):
        converted = colour.astype(np.dtype(images.dtype).newbyteorder("="))
    if (np.isfinite(colour) & ~np.isfinite(converted)).any():
        raise ValueError(f"fill must lie in the range of {name} images; got {_checks.described(fill)}")
    return np.broadcast_to(converted, (1, 1, channels))
