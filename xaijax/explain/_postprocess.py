"""Post-processing of raw maps, apart from the methods that make them.

Raw maps are signed and in units of the score; what a figure or a metric wants is a step or two away.
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp

from xaijax._errors import InputError

Reduce = Literal["sum", "abs_sum", "abs_max", "none"]
_AXES = (-2, -1)


def minmax(maps: jax.Array, epsilon: float = 0.0) -> jax.Array:
    """`(S - min)/(max - min + epsilon)` per map; a map whose values are all equal becomes zeros.

    Args:
        maps: `[..., H, W]`.
        epsilon: added to the denominator; pytorch-grad-cam adds 1e-7.

    Returns:
        `[..., H, W]` in [0, 1].
    """
    low = maps.min(_AXES, keepdims=True)
    span = maps.max(_AXES, keepdims=True) - low
    flat = span == 0
    # The inner where keeps the gradient of the unused branch finite.
    return jnp.where(flat, jnp.zeros_like(maps), (maps - low) / (jnp.where(flat, jnp.ones_like(span), span) + epsilon))


def _by_maximum(maps: jax.Array) -> jax.Array:
    top = jnp.abs(maps).max(_AXES, keepdims=True)
    return maps / jnp.where(top == 0, jnp.ones_like(top), top)


STEPS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "raw": lambda maps: maps,
    "relu": jax.nn.relu,
    "abs": jnp.abs,
    "minmax": minmax,
    "max": _by_maximum,
}


def postprocess(maps: jax.Array, steps: str = "relu+minmax") -> jax.Array:
    """Raw maps, step by step, to what is shown or measured.

    Steps, joined by `+` and applied from left to right: `raw` (nothing), `relu` `max(S, 0)`, `abs` `|S|`,
    `minmax` `(S - min)/(max - min)`, `max` `S/max|S|`; the last two are per map, and turn a constant map and a zero
    map into zeros.

    Args:
        maps: `[..., H, W]`, as an explainer returns them.
        steps: for example `"relu+minmax"` (class activation maps), `"abs+minmax"` (signed gradient methods).

    Returns:
        `[..., H, W]`; in [0, 1] after `minmax`, in [-1, 1] after `max`, else in the unit of `maps`.

    Raises:
        InputError: for an unknown step.

    Example:
        >>> import jax.numpy as jnp
        >>> postprocess(jnp.array([[-1.0, 1.0, 2.0]])).tolist()
        [[0.0, 0.5, 1.0]]
    """
    maps = jnp.asarray(maps)
    if maps.ndim < 2:
        raise InputError(f"maps must be [..., H, W]; got shape {maps.shape}")
    for step in steps.split("+"):
        if step not in STEPS:
            raise InputError(f"steps must be made of {', '.join(STEPS)}, joined by '+'; got {steps!r}")
        maps = STEPS[step](maps)
    return maps


def reduce_channels(attributions: jax.Array, reduce: Reduce) -> jax.Array:
    """`[..., H, W, C]` to `[..., H, W]`: `"sum"` (signed), `"abs_sum"` `Σ|a|`, `"abs_max"` `max|a|`; `"none"` keeps C.

    Example:
        >>> import jax.numpy as jnp
        >>> reduce_channels(jnp.array([[[1.0, -3.0]]]), "sum").tolist()
        [[-2.0]]
    """
    if reduce == "none":
        return attributions
    if reduce == "sum":
        return attributions.sum(-1)
    if reduce == "abs_sum":
        return jnp.abs(attributions).sum(-1)
    if reduce == "abs_max":
        return jnp.abs(attributions).max(-1)
    raise InputError(f'reduce must be "sum", "abs_sum", "abs_max" or "none"; got {reduce!r}')
