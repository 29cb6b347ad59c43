"""The order in which a map reveals an image's pixels."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from xaijax.kernels import _arrays, _backend, _checks

MAX_FRACTIONS = 2**16 - 3  # levels are uint16, with one more for "always" and one for "never"


def reveal_levels(
    maps: Any, fractions: Sequence[float] | int, always: Any = None, *, num_threads: int | None = None
) -> Any:
    """At which fraction each pixel is revealed.

    Fraction `t` reveals the pixels with `S >= np.quantile(S, 1 - t)` of their map `S`: the linear quantile as NumPy
    computes it for a Python float, position `(pixels - 1)(1 - t)` in float64 and interpolation in the map's own
    dtype. Ties reveal more. In NumPy, for one map:

        level = np.full(S.shape, len(fractions) + 1, np.uint16)
        for i, t in reversed(list(enumerate(fractions))):
            level[S >= np.quantile(S, 1 - t)] = i + 1
        level[always] = 0

    Args:
        maps: `[..., H, W]` floats, any unit. NumPy, JAX, PyTorch or DLPack.
        fractions: shares of the pixels in (0, 1], strictly increasing, at most 65533; or a number of steps N, for the
            fractions 1/N, 2/N, ... 1. Static under `jit`.
        always: `[..., H, W]` bool or None: pixels known from the start; leading axes broadcast to those of `maps`.
            They count in the quantile like all others.
        num_threads: threads for the batch; default: the processors this process may use. JAX arrays use XLA's pool.

    Returns:
        `[..., H, W]` uint16: 0 = always known, i + 1 = first revealed by `fractions[i]`, `len(fractions) + 1` = never.

    Raises:
        TypeError: for another dtype or an object that is no CPU array.
        ValueError: for NaN in a map (JAX arrays: such a map reveals nothing), fractions that are not increasing in
            (0, 1], or shapes that do not fit together.

    References:
        Kapishnikov et al., "XRAI: Better Attributions Through Regions", ICCV 2019, section 4.

    Example:
        >>> import numpy as np
        >>> from xaijax import kernels
        >>> kernels.reveal_levels(np.array([[0.0, 1.0, 2.0, 3.0, 4.0]]), (0.25, 0.5))
        array([[3, 3, 2, 1, 1]], dtype=uint16)
    """
    shares = _fractions(fractions)
    threads = _backend.num_threads(num_threads)
    if always is None:
        home, (maps,) = _arrays.read(maps=maps)
    else:
        home, (maps, always) = _arrays.read(maps=maps, always=always)
    _arrays.check_maps(maps)
    if always is not None:
        _arrays.check_maps(always, "always", ("bool",))
        _arrays.check_serves(always, "always", maps, "maps")
        always = home.ready(always)
    maps = home.ready(maps)
    if home.on_jax:
        import jax

        from xaijax.kernels import _ffi

        masks = () if always is None else (_arrays.with_batch_rank(always, 2, maps.ndim - 2),)
        return _ffi.call(
            "reveal_levels",
            jax.ShapeDtypeStruct(maps.shape, np.uint16),
            maps,
            *masks,
            fallback=lambda array, mask=None: _numba_broadcast(array, shares, mask),
            fractions=np.array(shares, np.float64),
        )
    if _backend.use_numba():
        bad = np.isnan(maps).any(axis=(-2, -1)).ravel()
        levels, with_nan = _numba(maps, shares, always, threads), int(np.argmax(bad)) if bad.any() else -1
    else:
        levels, with_nan = _backend.core().reveal_levels(maps, list(shares), always, threads)
    if with_nan >= 0:
        where = tuple(int(i) for i in np.unravel_index(with_nan, maps.shape[:-2]))
        place = "the map" if not where else f"map {where[0] if len(where) == 1 else where}"
        raise ValueError(f"maps must not hold NaN; {place} does: drop it or replace its values")
    return home.give(levels)


def _fractions(fractions: Sequence[float] | int) -> tuple[float, ...]:
    steps = _checks.as_integer(fractions)
    if steps is not None:
        if not 1 <= steps <= MAX_FRACTIONS:
            raise ValueError(
                f"fractions: the number of steps must be from 1 to {MAX_FRACTIONS}; got {_checks.described(fractions)}"
            )
        return tuple(step / steps for step in range(1, steps + 1))
    one = _checks.as_real(fractions)
    found = [one] if one is not None else _checks.entries(fractions, MAX_FRACTIONS) or []
    shares = tuple(share for share in map(_checks.as_real, found) if share is not None)
    increasing = all(a < b for a, b in itertools.pairwise(shares))
    if not (0 < len(found) == len(shares) and increasing and shares[0] > 0.0 and shares[-1] <= 1.0):
        raise ValueError(
            f"fractions must be 1 to {MAX_FRACTIONS} strictly increasing numbers in (0, 1], or a number of steps; got "
            f"{_checks.described(fractions)}"
        )
    return shares


def _numba(maps: np.ndarray, fractions: tuple[float, ...], always: np.ndarray | None, threads: int) -> np.ndarray:
    from xaijax.kernels._numba import levels

    return levels.reveal_levels(maps, fractions, always, threads)


def _numba_broadcast(maps: np.ndarray, fractions: tuple[float, ...], always: np.ndarray | None) -> np.ndarray:
    # Under vmap an operand that is not mapped comes with an axis of length 1.
    shape = maps.shape if always is None else np.broadcast_shapes(maps.shape, always.shape)
    return _numba(np.ascontiguousarray(np.broadcast_to(maps, shape)), fractions, always, _backend.num_threads(None))
