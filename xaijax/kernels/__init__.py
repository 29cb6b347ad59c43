"""Compiled kernels behind a NumPy-like API, callable from any Python code and from inside `jax.jit`.

Images are `[..., H, W, C]` (uint8, uint16, float32, float64), maps and masks `[..., H, W]`; leading axes are batch.
NumPy arrays and whatever offers DLPack or the array interface on the CPU are read without a copy; for a JAX array
or tracer the call becomes an XLA FFI call, which works inside `jit` and under `vmap`. The same input gives the
same bytes at any number of threads. Importing this package needs NumPy only.
"""

from xaijax.kernels._backend import build_info
from xaijax.kernels.entropy import histogram_entropy
from xaijax.kernels.levels import reveal_levels
from xaijax.kernels.localization import Localization, localization_scores
from xaijax.kernels.mutual_information import mutual_information
from xaijax.kernels.random_mask import random_mask
from xaijax.kernels.regions import Regions, rank_regions
from xaijax.kernels.reveal import reveal, reveal_chunks
from xaijax.kernels.similarity import similarity
from xaijax.kernels.threshold import Ebayes, ebayes_threshold, top_k_threshold

__all__ = [
    "Ebayes",
    "Localization",
    "Regions",
    "build_info",
    "ebayes_threshold",
    "histogram_entropy",
    "localization_scores",
    "mutual_information",
    "random_mask",
    "rank_regions",
    "reveal",
    "reveal_chunks",
    "reveal_levels",
    "similarity",
    "top_k_threshold",
]
