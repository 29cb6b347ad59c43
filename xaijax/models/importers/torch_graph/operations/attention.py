"""Attention."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from xaijax.models.importers.torch_graph.laid import Laid
from xaijax.models.importers.torch_graph.operations._table import operation


def attention_weights(
    query: Laid, key: Laid, attn_mask: Laid | None = None, is_causal: bool = False, scale: float | None = None
) -> Laid:
    """`softmax(q kᵀ scale + mask)`, `[..., L, S]`; a row whose keys are all masked is 0, as PyTorch has it."""
    q, k = query.logical(), key.logical()
    factor = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = jnp.matmul(q, jnp.swapaxes(k, -1, -2)) * factor
    if is_causal:
        allowed = np.tril(np.ones(scores.shape[-2:], bool))
        scores = jnp.where(allowed, scores, -jnp.inf)
    if attn_mask is None:
        return Laid.of(jax.nn.softmax(scores, -1))
    mask = attn_mask.logical()
    scores = jnp.where(mask, scores, -jnp.inf) if mask.dtype == jnp.bool_ else scores + mask.astype(scores.dtype)
    empty = jnp.all(scores == -jnp.inf, -1, keepdims=True)
    return Laid.of(jnp.where(empty, 0, jax.nn.softmax(jnp.where(empty, 0, scores), -1)))


@operation("scaled_dot_product_attention")
def scaled_dot_product_attention(
    query: Laid,
    key: Laid,
    value: Laid,
    attn_mask: Laid | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Laid:
    """The product of the weights and the values; the interpreter taps the weights in between."""
    del dropout_p  # 0 in evaluation mode, which the conversion checks
    key, value = grouped(query, key, value, enable_gqa)
    return weighted(attention_weights(query, key, attn_mask, is_causal, scale), value)


def weighted(weights: Laid, value: Laid) -> Laid:
    """Attention weights times values."""
    return Laid.of(jnp.matmul(weights.logical(), value.logical()))


def grouped(query: Laid, key: Laid, value: Laid, enable_gqa: bool) -> tuple[Laid, Laid]:
    """Keys and values with as many heads as the queries."""
    if not enable_gqa:
        return key, value
    times = query.shape[-3] // key.shape[-3]
    return tuple(Laid.of(jnp.repeat(part.logical(), times, axis=-3)) for part in (key, value))  # type: ignore[return-value]
