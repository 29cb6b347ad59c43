"""The thresholds of a cascade, each named by a word: what of a map is hidden, and what of it counts.

| word | `TH(S)` |
|---|---|
| `"none"` | S |
| `"top_k"`, `"top_k:10"` | the largest 10 % of the pixels (ties too), 0 elsewhere |
| `"ebayes_laplace"`, `"ebayes_cauchy"` | posterior median of empirical Bayes, Laplace or quasi-Cauchy slab; sd by MAD |
| `"ebayes_laplace:0.1"`, `"ebayes_cauchy:0.1"` | the same with a given sd, in the unit of the map |
| `"soft_percentile"`, `"soft_percentile:90"` | `sign(S) max(abs(S) - t, 0)`, t the 90th percentile of `abs(S)` |

The CasCAM paper names EbayesThresh; what its authors run under that name is a soft percentile.
"""

from typing import Annotated, Any

import jax
import jax.numpy as jnp

from xaijax import kernels
from xaijax._errors import InputError
from xaijax._options import Form

KINDS = ("none", "top_k", "ebayes_laplace", "ebayes_cauchy", "soft_percentile")
USUAL = {"top_k": 10.0, "soft_percentile": 90.0}
WORDS = "none, top_k:PERCENT, ebayes_laplace, ebayes_cauchy (or with :SD) or soft_percentile:PERCENTILE"


def parse(word: str) -> tuple[str, float | None]:
    """The kind of a threshold and its number: percent of pixels, percentile, or sd (None: from the map).

    Args:
        word: see the module.

    Returns:
        One of `KINDS`, and its number.

    Raises:
        InputError: for an unknown kind or a number out of its range.

    Example:
        >>> parse("top_k"), parse("ebayes_cauchy:0.5"), parse("none")
        (('top_k', 10.0), ('ebayes_cauchy', 0.5), ('none', None))
    """
    kind, colon, text = str(word).partition(":")
    if kind not in KINDS:
        raise InputError(f"the threshold must be {WORDS}; got {word!r}")
    if not colon:
        return kind, USUAL.get(kind)
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if kind == "none":
        allowed, fits = "no number", False
    elif kind.startswith("ebayes"):
        allowed, fits = "an sd above 0", 0.0 < number < float("inf")
    elif kind == "top_k":
        allowed, fits = "a percentage above 0 and at most 100", 0.0 < number <= 100.0
    else:
        allowed, fits = "a percentile from 0 to 100", 0.0 <= number <= 100.0
    if not fits:
        raise InputError(f"the threshold {kind} takes {allowed}; got {word!r}")
    return kind, number


def _same(word: str) -> str:
    parse(word)
    return word


Threshold = Annotated[str, Form(_same, WORDS)]


def apply_threshold(maps: Any, threshold: str) -> tuple[jax.Array, jax.Array]:
    """Each map after a threshold.

    Args:
        maps: `[..., H, W]` float32, any unit.
        threshold: see the module.

    Returns:
        `[..., H, W]`, in the unit of the maps, and `[...]` uint8 reasons why a map is returned unchanged, an index into
        `xaijax.kernels.EBAYES_REASONS`: 1 where more than half of it is zero, so that empirical Bayes has no sd.

    Raises:
        InputError: for an unknown threshold.

    References:
        Johnstone & Silverman, "EbayesThresh", Journal of Statistical Software 2005.

    Example:
        >>> import jax.numpy as jnp
        >>> maps, reasons = apply_threshold(jnp.array([[[4.0, -2.0, 1.0, 3.0]]]), "top_k:50")
        >>> maps.tolist(), reasons.tolist()
        ([[[4.0, 0.0, 0.0, 3.0]]], [0])
        >>> apply_threshold(jnp.array([[[4.0, -2.0, 1.0, 3.0]]]), "soft_percentile:50")[0].tolist()
        [[[1.5, 0.0, 0.0, 0.5]]]
    """
    kind, number = parse(threshold)
    maps = jnp.asarray(maps)
    fine = jnp.zeros_like(maps, shape=maps.shape[:-2], dtype=jnp.uint8)
    if kind == "none":
        return maps, fine
    if kind == "top_k":
        assert number is not None
        return kernels.top_k_threshold(maps, number), fine
    if kind == "soft_percentile":
        assert number is not None
        flat = jnp.abs(maps).reshape(*maps.shape[:-2], -1)
        level = jnp.quantile(flat, jnp.asarray(number / 100.0, maps.dtype), axis=-1)[..., None, None]
        zero = jnp.zeros_like(level)
        return jnp.maximum(maps - level, zero) + jnp.minimum(maps + level, zero), fine
    prior: Any = kind.removeprefix("ebayes_")
    found = kernels.ebayes_threshold(maps, prior=prior, sd=number, details=True)
    return found.maps, found.reasons
