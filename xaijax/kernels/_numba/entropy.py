"""Shannon entropy of a histogram."""

import math

import numpy as np

from xaijax.kernels._numba.batch import for_each
from xaijax.kernels._numba.histogram import bins_of, edges_of, entropy_of_counts


def histogram_entropy(
    images: np.ndarray, bins: int, value_range: tuple[float, float] | None, num_threads: int
) -> np.ndarray:
    """`[..., H, W, C]` -> `[...]` float64, bits; `value_range` None: each image's own."""
    batch = images.shape[:-3]
    flat = images.reshape(math.prod(batch), math.prod(images.shape[-3:]))
    bits = np.empty(len(flat))

    def one(i: int) -> None:
        values = flat[i]
        if not np.isfinite(values).all():
            bits[i] = np.nan
        elif value_range is None and values.min() == values.max():
            bits[i] = 0.0
        else:
            edges = edges_of(values, bins, value_range)
            if edges is None:
                bits[i] = np.nan
            else:
                found = bins_of(values, edges, False)
                bits[i] = entropy_of_counts(np.bincount(found[found >= 0], minlength=bins))

    for_each(one, len(flat), num_threads)
    return bits.reshape(batch)
