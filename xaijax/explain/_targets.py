"""What is explained: a score per image, made from the logits.

What a label is depends on the model's output (`xaijax._outputs`): a class, a finding that is there or absent, one of
two classes, a number. A model has a column per label; those of a softmax are its logits.

A target is `"logit"`, `"probability"`, `"log_probability"`, a `LogitDifference`, or any function
`(columns [N, labels], labels [N] int) -> [N]` that treats rows independently and that JAX can trace (and differentiate,
for gradient methods). It is part of the compiled program: pass the same function object again and nothing is
recompiled; a new lambda per call compiles every time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from xaijax import _outputs
from xaijax._errors import InputError
from xaijax._outputs import Output

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


_NAMED: dict[str, Callable[[Output, jax.Array], jax.Array]] = {
    "logit": _outputs.columns,
    "probability": _outputs.column_probabilities,
    "log_probability": _outputs.log_probabilities,
}


def score(output: Output, logits: jax.Array, labels: jax.Array | None, target: Target) -> jax.Array:
    """The explained score of every image.

    Args:
        output: what the logits mean.
        logits: `[N, K]`.
        labels: `[N]` int, or None for what is predicted: the class or finding with the largest logit.
        target: see the module.

    Returns:
        `[N]`, in the unit of the target.
    """
    if labels is None:
        labels = _outputs.predicted(output, jax.lax.stop_gradient(logits))
    if isinstance(target, str):
        return _pick(_NAMED[target](output, logits), labels)
    if isinstance(target, LogitDifference) and output in ("sigmoid", "regression"):
        raise InputError(f"a LogitDifference compares classes that exclude each other; this model's output is {output}")
    scores = target(_outputs.columns(output, logits), labels)
    if scores.shape != labels.shape:
        raise InputError(f"target must return one score per image, {labels.shape}; got shape {scores.shape}")
    return scores
