"""Blur Integrated Gradients: the path from a blurred image to the image.

PAIR's forward difference of two blurs is kept, but taken between kernels on the host in float64: in float32 images it
would lose five of seven digits.
"""

from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._errors import InputError
from xaijax._options import Count, Range
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain import _filters as filters
from xaijax.explain._method import BatchSize, input_gradients, resolve_labels
from xaijax.explain._postprocess import Reduce, reduce_channels
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target

_DELTA = 0.01  # step of the forward difference, in pixels, as in PAIR


def blur_attributions(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array,
    *,
    max_sigma: float,
    steps: int,
    target: Target,
    batch_size: int,
) -> jax.Array:
    """What `blur_ig` gives before channels are reduced, `[B, H, W, C]`; no more than `batch_size` images in flight."""
    if steps * max_sigma > 1e7:  # numbers in the table of kernels
        raise InputError(
            f"a path of blur needs too much memory with {steps} steps up to max_sigma={max_sigma:g}; use fewer steps"
        )
    sigmas = max_sigma * np.arange(steps) / steps
    both = filters.gaussian_table(np.concatenate([sigmas, sigmas + _DELTA]))
    kernels = jnp.asarray(both[:steps], jnp.float32)
    changes = jnp.asarray((both[steps:] - both[:steps]) / _DELTA, jnp.float32)
    height, width = images.shape[1:3]

    def blurred(x: jax.Array, i: jax.Array) -> tuple[jax.Array, jax.Array]:
        (rows, columns), (d_rows, d_columns) = (
            (filters.band(table[i], height), filters.band(table[i], width)) for table in (kernels, changes)
        )
        # ((R + δ R') x (C + δ C')ᵀ - R x Cᵀ)/δ, written out so that nothing cancels.
        change = filters.separable(x, d_rows, columns + _DELTA * d_columns) + filters.separable(x, rows, d_columns)
        return filters.separable(x, rows, columns), change

    def part(group: tuple, index: jax.Array, valid: jax.Array) -> jax.Array:
        x, y = group
        points, change = jax.vmap(blurred, in_axes=(None, 0), out_axes=1)(x, index)
        grads = input_gradients(classifier, _chunk.flatten(points), _chunk.repeat(y, len(index)), target)
        return -(valid[None, :, None, None, None] * change * grads.reshape(points.shape)).sum(1)

    total = _chunk.sum_variants(part, (images, labels), steps, batch_size)
    return total * (max_sigma / steps)


@explainer(family="gradient", cost=301, signed=True)
def blur_ig(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    max_sigma: Annotated[float, Range(0, 10_000, without_low=True)] = 50.0,
    steps: Count = 100,
    target: Target = "logit",
    reduce: Reduce = "sum",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Blur Integrated Gradients: Integrated Gradients along a path of ever less Gaussian blur.

    `S = reduce_c -Σ_i Δσ (dG_σ x/dσ)_c dy/dx_c(G_σ x)` at `σ_i = i max_sigma/steps`, i = 0 .. steps - 1; `G_σ` blurs
    with zero padding, kernels cut at 4 σ, and `d/dσ` is a forward difference of 0.01 pixels.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        max_sigma: standard deviation of the strongest blur, in pixels.
        steps: points on the path.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        reduce: over channels: `"sum"` (signed), `"abs_sum"`, `"abs_max"`, `"none"` (keep C).
        batch_size: most blurred images in flight.

    Returns:
        `[B, H, W]` float32, unit of the score; `Σ S` approaches `y(x) - y(G x)`, G the strongest blur.

    Differences:
        saliency subtracts two blurred images 0.01 pixels apart; here the two kernels are subtracted, on the host in
        float64: the same derivative without the loss of digits.

    References:
        Xu, Venugopalan, Sundararajan, "Attribution in Scale and Space", CVPR 2020.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> model = Classifier.from_function(lambda w, x: x[:, 2, 2] * w, jnp.array([3.0, 1.0]), input_shape=(5, 5, 1))
        >>> image = jnp.zeros((1, 5, 5, 1)).at[0, 2, 2].set(1.0)
        >>> maps = blur_ig(model, image, 0, max_sigma=5.0, steps=200)
        >>> round(float(maps.sum()), 1)  # y(x) - y(x blurred by 5 pixels)
        3.0
    """
    labels = resolve_labels(classifier, images, labels, batch_size)
    full = blur_attributions(
        classifier, images, labels, max_sigma=max_sigma, steps=steps, target=target, batch_size=batch_size
    )
    return reduce_channels(full, reduce)
