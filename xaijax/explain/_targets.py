"""What is explained: a score per image, made from the logits.

A target is `"logit"`, `"probability"`, `"log_probability"`, a `LogitDifference`, or any function
`(logits [N, K], labels [N] int) -> [N]` that treats rows independently and that JAX can trace (and differentiate, for
gradient methods). It is part of the compiled program: pass the same function object again and nothing is recompiled; a
new lambda per call compiles every time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from xaijax._errors import InputError

Target = Literal["logit", "probability", "log_probability"] | Callable[[jax.Array, jax.Array], jax.Array]


@dataclass(frozen=True)
class LogitDifference:
    """`y_label - y_other`: why this class and not that one.

    Args:
        other: the class to compare with, or None for the strongest class other than the label.

    Example:
        >>> import jax.numpy as jnp
        >>> LogitDifference()(jnp.array([[1.0, 4.0, 2.5]]), jnp.array([1])).tolist()
        [1.5]
    """

    other: int | None = None

    def __call__(self, logits: jax.Array, labels: jax.Array) -> jax.Array:
        own = _pick(logits, labels)
        if self.other is not None:
            return own - logits[:, self.other]
        is_own = jnp.arange(logits.shape[1])[None, :] == labels[:, None]
        return own - jnp.where(is_own, -jnp.inf, logits).max(1)


def _pick(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]


_NAMED: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "logit": _pick,
    "probability": lambda logits, labels: _pick(jax.nn.softmax(logits), labels),
    "log_probability": lambda logits, labels: _pick(jax.nn.log_softmax(logits), labels),
}


def score(logits: jax.Array, labels: jax.Array | None, target: Target) -> jax.Array:
    """The explained score of every image.

    Args:
        logits: `[N, K]`.
        labels: `[N]` int, or None for the class with the largest logit.
        target: see the module.

    Returns:
        `[N]`, in the unit of the target.
    """
    if labels is None:
        labels = jnp.argmax(jax.lax.stop_gradient(logits), axis=1).astype(jnp.int32)
    function = _NAMED[target] if isinstance(target, str) else target
    scores = function(logits, labels)
    if scores.shape != labels.shape:
        raise InputError(f"target must return one score per image, {labels.shape}; got shape {scores.shape}")
    return scores
