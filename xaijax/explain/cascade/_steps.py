"""The steps of a round that both forms of a cascade share: map, suppression, weights, combination."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from xaijax import _names, _options
from xaijax._errors import InputError
from xaijax._options import Count, Form, NonNegative
from xaijax.classifier import Classifier
from xaijax.explain._postprocess import minmax
from xaijax.explain._registry import METHODS, methods
from xaijax.explain.cascade.thresholds import Threshold

Scale = Literal["mm", "raw"]
KINDS = {"rounds": Count, "threshold": Threshold, "theta": NonNegative, "decay": NonNegative, "scale": Scale}


def base_map(
    name: str, classifier: Classifier, images: Any, labels: Any, scale: str, options: Mapping[str, Any]
) -> jax.Array:
    """One round's maps `[B, H, W]` by the base method, before the threshold."""
    method = METHODS[name]
    shared = ("batch_size", "key")  # of all rounds, whatever their methods are
    own = {option: value for option, value in options.items() if option not in shared or option in method.options}
    maps = method.function(classifier, images, labels, **own)
    return minmax(maps) if scale == "mm" else maps


def suppress(images: Any, thresholded: Any, theta: Any) -> jax.Array:
    """The images of the next round: `mm(W X)`, `W = exp(-θ TH)`.

    `mm` takes a common factor of an image out again, so `exp(-θ (TH - min TH))` gives the same and cannot overflow
    where raw maps are far below zero.

    Args:
        images: `[..., H, W, C]` float.
        thresholded: `[..., H, W]`, the maps after the threshold.
        theta: θ, how strongly the marked pixels are darkened, in 1 over the unit of the maps; at least 0.

    Returns:
        `[..., H, W, C]` float32 in [0, 1]: minimum 0 and maximum 1 over pixels and channels of each image; zeros for an
        image that is all one value.

    Example:
        >>> import jax.numpy as jnp
        >>> image = jnp.array([[[[1.0], [0.5], [0.0]]]])
        >>> suppress(image, jnp.array([[[1.0, 0.0, 0.0]]]), 0.0)[0, 0, :, 0].tolist()
        [1.0, 0.5, 0.0]
        >>> suppress(image, jnp.array([[[1.0, 0.0, 0.0]]]), 200.0)[0, 0, :, 0].tolist()  # the first pixel is gone
        [0.0, 1.0, 0.0]
    """
    thresholded = jnp.asarray(thresholded)
    above = thresholded - thresholded.min((-2, -1), keepdims=True)
    weights = jnp.exp(-jnp.asarray(theta, above.dtype) * above)
    product = weights[..., None] * jnp.asarray(images)
    flat = product.reshape(*product.shape[:-3], 1, -1)
    return minmax(flat).reshape(product.shape).astype(jnp.float32)


def round_weights(rounds: int, decay: float) -> np.ndarray:
    """`w_k = exp(-λ k) / Σ_j exp(-λ j)`.

    Args:
        rounds: K.
        decay: λ, at least 0.

    Returns:
        `[K]` float32, sum 1.

    Example:
        >>> round_weights(2, 0.0).tolist()
        [0.5, 0.5]
    """
    weights = np.exp(-decay * np.arange(rounds))
    return (weights / weights.sum()).astype(np.float32)


def combine(thresholded: Any, decay: float = 0.1) -> jax.Array:
    """The explanation: `Σ_k w_k mm(TH(map_k))`.

    Args:
        thresholded: `[K, B, H, W]`, the rounds' maps after the threshold, any unit.
        decay: λ, by which later rounds count less.

    Returns:
        `[B, H, W]` float32 in [0, 1].

    Example:
        >>> import jax.numpy as jnp
        >>> combine(jnp.array([[[[0.0, 8.0]]], [[[3.0, 1.0]]]]), decay=0.0).tolist()
        [[[0.5, 0.5]]]
    """
    scaled = minmax(jnp.asarray(thresholded))
    weights = jnp.asarray(round_weights(scaled.shape[0], decay))
    return jnp.einsum("k...,k->...", scaled, weights, precision=jax.lax.Precision.HIGHEST)


def check_settings(rounds: int, threshold: str, theta: float, decay: float, scale: str) -> None:
    """Raises `InputError` unless the settings of a cascade are in their ranges."""
    given = {"rounds": rounds, "threshold": threshold, "theta": theta, "decay": decay, "scale": scale}
    _options.check_all("cascade", given, KINDS)


def _base_name(name: str) -> str:
    known = [name for name in methods(without="masks") if "base" not in METHODS[name].options]  # not the cascade itself
    return _names.match("base method", name, known)


Base = Annotated[str, Form(_base_name, "a method that needs no masks and is not the cascade itself")]


def base_names(base: str | Sequence[str], rounds: int) -> tuple[str, ...]:
    """The base method of every round: one for all, or one for each."""
    names = (base,) * rounds if isinstance(base, str) else tuple(base)
    if len(names) == 1:
        names *= rounds
    if len(names) != rounds:
        raise InputError(f"base must be one method or one for each of the {rounds} rounds; got {len(names)}")
    return tuple(_base_name(name) for name in names)
