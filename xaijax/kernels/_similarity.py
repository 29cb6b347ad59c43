"""How alike two maps of one image are: across models, seeds, shifts or methods.

Maps are `[..., H, W]` in any unit and are compared as they are: take absolute values, ReLU or scaling first where they
are wanted. Correlations do not depend on unit or offset; none of the measures on the order of the pixels, so flipping
both maps changes no byte. SSIM is scikit-image's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from xaijax.kernels import _arrays, _backend, _checks

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
        a: `[..., H, W]` floats, any unit. NumPy, JAX, PyTorch or DLPack.
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
    names = _checks.some_of(measure, "measure", MEASURES)
    wanted = sum(1 << MEASURES.index(name) for name in names)
    percent = _checks.number(percent, "percent", "above 0 and at most 100", lambda value: 0.0 < value <= 100.0)
    threads = _backend.num_threads(num_threads)
    home, (a, b) = _arrays.read(a=a, b=b)
    _arrays.check_maps(a, "a")
    _arrays.check_maps(b, "b")
    _arrays.check_same_dtype(a, "a", b, "b")
    _arrays.check_same_item(a, "a", b, "b", 2)
    lead = _arrays.broadcast_batch(a, "a", b, "b", 2)
    a, b = home.ready(a), home.ready(b)
    if home.on_jax:
        import jax

        from xaijax.kernels import _ffi

        values = _ffi.call(
            "similarity",
            jax.ShapeDtypeStruct((*lead, len(names)), _ffi.real_dtype()),
            _arrays.with_batch_rank(a, 2, len(lead)),
            _arrays.with_batch_rank(b, 2, len(lead)),
            fallback=lambda x, y: _numba(x, y, wanted, percent),
            wanted=np.int64(wanted),
            percent=np.float64(percent),
        )
    else:
        for name, maps in (("a", a), ("b", b)):
            if not np.isfinite(maps).all():
                raise ValueError(f"{name} must be finite; it holds NaN or infinity: repair it or leave the map out")
        if _backend.use_numba():
            values = _numba(a, b, wanted, percent)
        else:
            owners = _arrays.owners(a.shape[:-2], lead), _arrays.owners(b.shape[:-2], lead)
            values = _backend.core().similarity(a, b, *owners, wanted, percent, threads)
        values = home.give(values.reshape(*lead, len(names)))
    return {name: values[..., i] for i, name in enumerate(names)}


def _numba(a: np.ndarray, b: np.ndarray, wanted: int, percent: float) -> np.ndarray:
    from xaijax.kernels._numba import similarity as numba_similarity

    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    owners = _arrays.owners(a.shape[:-2], lead), _arrays.owners(b.shape[:-2], lead)
    with np.errstate(invalid="ignore"):  # maps that hold NaN or infinity get NaN
        values = numba_similarity.similarity(a, b, *owners, wanted, percent)
    return values.reshape(*lead, -1)
