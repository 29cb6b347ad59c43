"""How alike two maps of one image are: across models, seeds, shifts or methods.

Maps are `[..., H, W]` in any unit and are compared as they are: take absolute values, ReLU or scaling first where they
are wanted. Correlations do not depend on unit or offset; none of the measures on the order of the pixels, so flipping
both maps changes no byte. SSIM is scikit-image's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from xaijax.kernels import _arrays, _backend

MEASURES = ("spearman", "pearson", "topk_iou")
"""Names of the measures, in the order of the compiled kernel."""


def similarity(
    a: Any,
    b: Any,
    *,
    measure: Sequence[str] | str = MEASURES,
    percent: float = 10.0,
    num_threads: int | None = None,
) -> dict[str, Any]:
    """Similarity of each pair of maps.

    * `spearman`: the Pearson correlation of the ranks, tied pixels having the mean of their ranks.
    * `pearson`: `Σ (a - ā)(b - b̄) / √(Σ (a - ā)² Σ (b - b̄)²)`.
    * `topk_iou`: IoU of the pixels of `a` and of `b` that are at least the k-th largest of their map,
      k = ⌈percent/100 · pixels⌉.

    Args:
        a: `[..., H, W]`, float32 or float64, any unit. NumPy, DLPack or JAX.
        b: the same H, W and dtype; leading axes broadcast with those of `a`.
        measure: names out of `SIMILARITY_MEASURES`, or one of them; only these are computed.
        percent: of the pixels, above 0 and at most 100, for `topk_iou`.
        num_threads: threads for the batch; default: the processors this process may use. JAX arrays use XLA's pool.

    Returns:
        A dictionary by measure: `[...]` float64 (float32 for JAX arrays unless x64 is on), correlations from -1 to 1
        and NaN for a constant map, IoU from 0 to 1.

    Raises:
        TypeError: for other dtypes, two dtypes, or objects that are no CPU arrays.
        ValueError: for shapes that do not fit, options out of range, and NaN or infinity in a NumPy map (JAX maps that
            hold them get NaN).

    References:
        Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018.

    Example:
        >>> import numpy as np
        >>> from xaijax import kernels
        >>> a = np.array([[0.0, 1.0], [2.0, 3.0]])
        >>> kernels.similarity(a, a**3, measure="spearman")
        {'spearman': array(1.)}
    """
    names = [measure] if isinstance(measure, str) else list(measure)
    unknown = [name for name in names if name not in MEASURES]
    if unknown or not names:
        raise ValueError(
            f"measure must be some of {', '.join(MEASURES)}; got {', '.join(map(repr, unknown)) or 'none'}"
        )
    names = [name for name in MEASURES if name in names]
    wanted = sum(1 << MEASURES.index(name) for name in names)
    if not 0.0 < percent <= 100.0:
        raise ValueError(f"percent must be above 0 and at most 100; got {percent!r}")
    if _backend.is_jax(a, b):
        values = _similarity_jax(a, b, wanted, len(names), percent)
    else:
        a, b = _arrays.as_numpy(a, "a"), _arrays.as_numpy(b, "b")
        lead = _check(a, b)
        for name, maps in (("a", a), ("b", b)):
            if not np.isfinite(maps).all():
                raise ValueError(f"{name} must be finite; it holds NaN or infinity: repair it or leave the map out")
        threads = _backend.num_threads(num_threads)
        if _backend.use_numba():
            values = _numba(a, b, wanted, float(percent))
        else:
            owners = _items(a, lead), _items(b, lead)
            values = _backend.core().similarity(a, b, *owners, wanted, float(percent), threads)
        values = values.reshape(*lead, len(names))
    return {name: values[..., i] for i, name in enumerate(names)}


def _items(maps: np.ndarray, lead: tuple[int, ...]) -> np.ndarray:
    """For each pair the number of its map."""
    own = maps.shape[:-2]
    numbers = np.arange(int(np.prod(own, dtype=np.int64)), dtype=np.int64).reshape(own)
    return np.ascontiguousarray(np.broadcast_to(numbers, lead)).reshape(-1)


def _check(a: Any, b: Any) -> tuple[int, ...]:
    """The leading axes of the pairs."""
    _arrays.check_maps(a, "a")
    _arrays.check_maps(b, "b")
    if a.dtype != b.dtype:
        raise TypeError(f"a and b must have one dtype; got {a.dtype} and {b.dtype}")
    try:
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        lead = None
    if lead is None or a.shape[-2:] != b.shape[-2:]:
        raise ValueError(
            f"a and b must be [..., H, W] of one size, leading axes equal or broadcast; got {tuple(a.shape)} and "
            f"{tuple(b.shape)}"
        )
    return lead


def _similarity_jax(a: Any, b: Any, wanted: int, count: int, percent: float) -> Any:
    import jax
    import jax.numpy as jnp

    from xaijax.kernels import _ffi

    a, b = jnp.asarray(a), jnp.asarray(b)
    lead = _check(a, b)
    # Axes of length one stay as they are: the handler broadcasts without a copy.
    a, b = (maps.reshape((1,) * (len(lead) + 2 - maps.ndim) + maps.shape) for maps in (a, b))
    result = jax.ShapeDtypeStruct((*lead, count), _ffi.real_dtype())
    options: dict[str, Any] = {"wanted": np.int64(wanted), "percent": np.float64(percent)}
    return _ffi.call("similarity", result, a, b, fallback=lambda x, y: _numba(x, y, wanted, float(percent)), **options)


def _numba(a: np.ndarray, b: np.ndarray, wanted: int, percent: float) -> np.ndarray:
    from xaijax.kernels._numba import similarity as numba_similarity

    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    with np.errstate(invalid="ignore"):  # maps that hold NaN or infinity get NaN
        values = numba_similarity.similarity(a, b, _items(a, lead), _items(b, lead), wanted, percent)
    return values.reshape(*lead, -1)
