"""Compiled kernels behind a NumPy-like API, callable from any Python code and from inside `jax.jit`.

Images are `[..., H, W, C]` (bool, uint8, uint16 or floats), maps and masks `[..., H, W]`; leading axes are batch.
Contiguous arrays on the CPU (NumPy, PyTorch, DLPack, array interface) are read in place, other views are copied, and
results are arrays of the same library. For a JAX array or tracer the call becomes an XLA FFI call, which works inside
`jit` and under `vmap`. float16 and bfloat16 are computed in float32. The same input gives the same bytes at any number
of threads. Importing this package needs NumPy only; `docs/kernels.md` has all rules in one place.
"""

from xaijax.kernels._backend import BackendError, build_info
from xaijax.kernels._entropy import histogram_entropy
from xaijax.kernels._levels import MAX_FRACTIONS, reveal_levels
from xaijax.kernels._localization import REASONS as LOCALIZATION_REASONS
from xaijax.kernels._localization import SCORES as LOCALIZATION_SCORES
from xaijax.kernels._localization import Localization, localization_scores
from xaijax.kernels._mutual_information import mutual_information
from xaijax.kernels._random_mask import random_mask
from xaijax.kernels._regions import Regions, rank_regions
from xaijax.kernels._reveal import reveal, reveal_chunks
from xaijax.kernels._similarity import MEASURES as SIMILARITY_MEASURES
from xaijax.kernels._similarity import similarity
from xaijax.kernels._threshold import REASONS as EBAYES_REASONS
from xaijax.kernels._threshold import Ebayes, ebayes_threshold, top_k_threshold

__all__ = [
    "EBAYES_REASONS",
    "LOCALIZATION_REASONS",
    "LOCALIZATION_SCORES",
    "MAX_FRACTIONS",
    "SIMILARITY_MEASURES",
    "BackendError",
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
