"""First and second moments of SmoothGrad's draws, from which standard errors follow."""

import jax
import jax.numpy as jnp

from xaijax._options import Count, NonNegative
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize, Key, image_keys
from xaijax.explain._registry import checked
from xaijax.explain._targets import Target
from xaijax.explain.gradients._smoothgrad import Base, base_attributions, unit_noise


@checked
def smoothgrad_moments(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array,
    *,
    start: jax.Array,
    draws: Count,
    method: Base,
    std: NonNegative | jax.Array,
    squared: bool,
    key: Key,
    target: Target,
    batch_size: BatchSize,
) -> tuple[jax.Array, jax.Array]:
    """`(Σ a [B, H, W, C], Σ a aᵀ [B, H, W, C, C])` over `draws` noisy copies from number `start` on.

    `a` are attributions, or their squares: `reduce_channels` of their mean is `smoothgrad`.
    """
    scale = std * (images.max((1, 2, 3)) - images.min((1, 2, 3)))
    attributions = base_attributions(classifier, method, target)

    def part(group: tuple, index: jax.Array, valid: jax.Array) -> tuple[jax.Array, jax.Array]:
        x, y, own_keys, own_scale = group
        noise = own_scale[:, None, None, None, None] * unit_noise(own_keys, start + index, x.shape[1:])
        noisy = x[:, None] + noise
        found = attributions(_chunk.flatten(noisy), _chunk.repeat(y, len(index))).reshape(noisy.shape)
        found = (found**2 if squared else found) * valid[None, :, None, None, None]
        products = jnp.einsum("gphwc,gphwd->ghwcd", found, found, precision=jax.lax.Precision.HIGHEST)
        return found.sum(1), products

    return _chunk.sum_variants(part, (images, labels, image_keys(key, images), scale), draws, batch_size)
