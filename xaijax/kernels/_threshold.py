"""Thresholding of maps: top-k % and empirical Bayes.

Maps are `[..., H, W]` in any unit; each map is thresholded on its own and keeps its dtype.

Empirical-Bayes thresholding (Johnstone & Silverman) models a pixel as x ~ N(θ, sd²) with a prior
`(1 - w) δ_0 + w γ` on θ: an atom at zero, and a heavy-tailed slab γ that is Laplace, `a/2 exp(-a|u|)`, or quasi-Cauchy,
`(1 - |u| Φ(-|u|)/φ(u))/√(2π)`. The weight w maximises the marginal likelihood, so sparse maps get high thresholds and
dense ones low. The posterior median is zero below a threshold and bends towards the identity above it. Some
programs call a soft threshold at a fixed percentile by the same name; this is the estimator of the paper.
"""

import math
from typing import Any, Literal, NamedTuple

import numpy as np

from xaijax.kernels import _arrays, _backend, _checks

PRIORS = ("laplace", "cauchy")
RULES = ("median", "mean", "hard", "soft")
REASONS = ("", "the median of the map's absolute values is zero: returned unchanged", "the map is not finite")
"""Why a map was not thresholded, by reason code."""


class Ebayes(NamedTuple):
    """Thresholded maps `[..., H, W]`, and per map `[...]` what was estimated.

    `weights` w in (0, 1], `scales` a (NaN for the quasi-Cauchy prior), `sds` and `thresholds` in the unit of the map
    (where the posterior median leaves zero), `reasons` uint8, an index into `EBAYES_REASONS`. Estimates are NaN
    where there is a reason.
    """

    maps: Any
    weights: Any
    scales: Any
    sds: Any
    thresholds: Any
    reasons: Any


def top_k_threshold(maps: Any, percent: float, *, num_threads: int | None = None) -> Any:
    """Keeps the values of each map that are at least its k-th largest, and zeroes the rest.

    k = ⌈percent/100 · pixels⌉, at least 1; values tied with the k-th largest are kept.

    Args:
        maps: `[..., H, W]` floats, any unit. NumPy, JAX, PyTorch or DLPack.
        percent: share of the pixels to keep, above 0 and at most 100.
        num_threads: threads for the batch; default: the processors this process may use. JAX arrays use XLA's pool.

    Returns:
        `[..., H, W]` in the dtype of `maps`.

    Raises:
        TypeError: for another dtype or an object that is no CPU array.
        ValueError: for fewer than two axes, a bad percent, and NaN in a NumPy map (a JAX map becomes NaN).

    Example:
        >>> import numpy as np
        >>> from xaijax import kernels
        >>> kernels.top_k_threshold(np.array([[3.0, 1.0], [2.0, -5.0]]), 50)
        array([[3., 0.],
               [2., 0.]])
    """
    percent = _checks.number(percent, "percent", "above 0 and at most 100", lambda value: 0.0 < value <= 100.0)
    threads = _backend.num_threads(num_threads)
    home, (maps,) = _arrays.read(maps=maps)
    _arrays.check_maps(maps)
    dtype, maps = _checks.dtype_name(maps), home.ready(maps)
    if home.on_jax:
        import jax

        from xaijax.kernels import _ffi

        out = _ffi.call(
            "top_k_threshold",
            jax.ShapeDtypeStruct(maps.shape, maps.dtype),
            maps,
            fallback=lambda array: _numba_top_k(array, percent),
            percent=np.float64(percent),
        )
        return home.give(out, dtype)
    if _backend.use_numba():
        from xaijax.kernels._numba import threshold as numba_threshold

        out, broken = numba_threshold.top_k_threshold(maps, percent)
    else:
        out, broken = _backend.core().top_k_threshold(maps, percent, threads)
    _refuse(maps, broken != 0, "without NaN", "NaN")
    return home.give(out, dtype)


def ebayes_threshold(
    maps: Any,
    *,
    prior: Literal["laplace", "cauchy"] = "laplace",
    a: float | None = 0.5,
    sd: float | None = None,
    rule: Literal["median", "mean", "hard", "soft"] = "median",
    universal_floor: bool = True,
    details: bool = False,
    num_threads: int | None = None,
) -> Any:
    """Empirical-Bayes thresholding of each map.

    With `β(x) = (γ∗φ)(x)/φ(x) - 1` of the map over `sd`, w is the root of `Σ β/(1 + wβ) = 0` in [w_lo, 1], where w_lo
    gives the universal threshold √(2 ln n) of n pixels. Then every pixel gets its posterior median, its posterior mean,
    or is thresholded, hard or soft, where the posterior median leaves zero.

    Args:
        maps: `[..., H, W]` floats, any unit. NumPy, JAX, PyTorch or DLPack.
        prior: the slab, `"laplace"` or `"cauchy"` (quasi-Cauchy).
        a: scale of the Laplace slab in units of 1/sd, from 1e-6 to 20; None estimates it, in [0.04, 3], together
            with w (to about 1e-6; some 25 times the work). The quasi-Cauchy slab has none.
        sd: standard deviation of the noise in the unit of the maps; None for 1.4826 · median |x| of each map.
        rule: `"median"`, `"mean"`, `"hard"` or `"soft"`.
        universal_floor: False lets w go to zero (1e-12).
        details: whether to return the estimates too.
        num_threads: threads for the batch; default: the processors this process may use. JAX arrays use XLA's pool.

    Returns:
        `[..., H, W]` in the dtype of `maps`; with `details` an `Ebayes` of maps, estimates (float64; float32 for JAX
        arrays unless x64 is on) and reasons. A map of which more than half is zero has no spread to estimate `sd` from
        and comes back unchanged.

    Raises:
        TypeError: for another dtype or an object that is no CPU array.
        ValueError: for fewer than two axes, options out of range, and NaN or infinity in a NumPy map (it names the map;
            a JAX map becomes NaN, with a reason).

    References:
        Johnstone & Silverman, "Needles and straw in haystacks", Annals of Statistics 2004; "EbayesThresh: R programs
        for empirical Bayes thresholding", Journal of Statistical Software 12(8), 2005.

    Example:
        >>> import numpy as np
        >>> from xaijax import kernels
        >>> noise = np.random.default_rng(0).normal(size=(32, 32))
        >>> noise[8:12, 8:12] += 6
        >>> kept = kernels.ebayes_threshold(noise) != 0
        >>> bool(kept[8:12, 8:12].all()), int(kept.sum())
        (True, 20)
    """
    prior_code = PRIORS.index(_checks.choice(prior, "prior", PRIORS))
    rule_code = RULES.index(_checks.choice(rule, "rule", RULES))
    if a is not None:
        # A smaller slab is so wide that 1/w - 1 and 1 + beta, of its size, would lose their digits against 1.
        must = "from 1e-6 to 20, or None to estimate it"
        a = _checks.number(a, "a", must, lambda value: 1e-6 <= value <= 20.0)
    if sd is not None:
        must = "positive and finite, or None to estimate it"
        sd = _checks.number(sd, "sd", must, lambda value: 0.0 < value < math.inf)
    options: dict[str, Any] = {
        "prior": prior_code,
        "a": 0.5 if a is None else a,
        "fit_scale": a is None and prior == "laplace",
        "sd": 0.0 if sd is None else sd,
        "rule": rule_code,
        "universal_floor": _checks.flag(universal_floor, "universal_floor"),
    }
    details = _checks.flag(details, "details")
    threads = _backend.num_threads(num_threads)
    home, (maps,) = _arrays.read(maps=maps)
    _arrays.check_maps(maps)
    dtype, maps = _checks.dtype_name(maps), home.ready(maps)
    if home.on_jax:
        out, estimates, reasons = _ebayes_jax(maps, options)
    else:
        if _backend.use_numba():
            from xaijax.kernels._numba import threshold as numba_threshold

            out, estimates, reasons = numba_threshold.ebayes_threshold(maps, **options)
        else:
            out, estimates, reasons = _backend.core().ebayes_threshold(maps, **options, num_threads=threads)
        _refuse(maps, reasons == REASONS.index("the map is not finite"), "finite", "NaN or infinity")
        estimates, reasons = home.give(estimates), home.give(reasons)
    out = home.give(out, dtype)
    if not details:
        return out
    return Ebayes(out, estimates[..., 1], estimates[..., 2], estimates[..., 0], estimates[..., 3], reasons)


def _ebayes_jax(maps: Any, options: dict[str, Any]) -> Any:
    import jax

    from xaijax.kernels import _ffi

    lead = maps.shape[:-2]
    results = [
        jax.ShapeDtypeStruct(maps.shape, maps.dtype),
        jax.ShapeDtypeStruct((*lead, 4), _ffi.real_dtype()),
        jax.ShapeDtypeStruct(lead, np.uint8),
    ]
    as_static = {bool: bool, int: np.int64, float: np.float64}
    attributes: dict[str, Any] = {name: as_static[type(value)](value) for name, value in options.items()}
    return _ffi.call(
        "ebayes_threshold", results, maps, fallback=lambda array: _numba_ebayes(array, options), **attributes
    )


def _numba_top_k(maps: np.ndarray, percent: float) -> np.ndarray:
    from xaijax.kernels._numba import threshold as numba_threshold

    out, broken = numba_threshold.top_k_threshold(maps, percent)
    return np.where(broken[..., None, None], maps.dtype.type(np.nan), out)


def _numba_ebayes(maps: np.ndarray, options: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from xaijax.kernels._numba import threshold as numba_threshold

    out, estimates, reasons = numba_threshold.ebayes_threshold(maps, **options)
    broken = reasons == REASONS.index("the map is not finite")
    return np.where(broken[..., None, None], maps.dtype.type(np.nan), out), estimates, reasons


def _refuse(maps: np.ndarray, broken: Any, what: str, holds: str) -> None:
    bad = np.flatnonzero(broken)
    if bad.size:
        where = np.unravel_index(bad[0], maps.shape[:-2]) if maps.ndim > 2 else ()
        raise ValueError(
            f"maps must be {what}; map {list(map(int, where))} of maps {list(maps.shape)} holds {holds}: "
            "leave it out or repair it"
        )
