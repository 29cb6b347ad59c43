"""Expected gradients: Integrated Gradients over a distribution of baselines, by sampling."""

import jax
import jax.numpy as jnp

from xaijax._errors import InputError
from xaijax._options import Count
from xaijax.classifier import Classifier, to_float
from xaijax.explain import _chunk
from xaijax.explain._baselines import Baseline, make_baselines
from xaijax.explain._method import BatchSize, Key, image_keys, input_gradients, resolve_labels
from xaijax.explain._postprocess import Reduce, reduce_channels
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target


@explainer(family="gradient", cost=151, needs={"key"}, signed=True)
def expected_gradients(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    baselines: Baseline = ("black", "white", "mean", "blur"),
    draws: Count = 50,
    key: Key = 0,
    target: Target = "logit",
    reduce: Reduce = "sum",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Expected gradients: path gradients averaged over random baselines and random places on the path.

    `S = reduce_c (1/n) Σ_j (x - x0_j)_c dy/dx_c (x0_j + a_j (x - x0_j))`, `a_j ~ U[0, 1)` stratified: one in each of n
    equal intervals, which keeps the mean and has less variance; `x0_j` drawn with replacement.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        baselines: `[N, H, W, C]` images to draw from (in the paper, training images), or a tuple of baselines as in
            `integrated_gradients`.
        draws: n.
        key: a `jax.random` key, or the seed of one; an image's draws depend on it and on the image's own pixels.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        reduce: over channels: `"sum"` (signed), `"abs_sum"`, `"abs_max"`, `"none"` (keep C).
        batch_size: most path points in flight.

    Returns:
        `[B, H, W]` float32, unit of the score; `Σ S` is `y(x) - mean y(x0)` in expectation.

    Differences:
        The authors draw the place on the path uniformly, independent of the other draws; here the draws are stratified,
        which has the same mean and less variance.

    References:
        Erion et al., "Improving performance of deep learning models with axiomatic attribution priors and expected
        gradients", Nature Machine Intelligence 2021.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[2.0, 0.0], [4.0, 1.0]])  # [pixels, classes]
        >>> model = Classifier.from_function(lambda w, x: x.reshape(-1, 2) @ w, weights, input_shape=(1, 2, 1))
        >>> image = jnp.array([[[[1.0], [0.5]]]])
        >>> expected_gradients(model, image, 0, baselines="black", draws=3, key=jax.random.key(0)).round(3).tolist()
        [[[2.0, 2.0]]]
    """
    keys = image_keys(key, images)
    labels = resolve_labels(classifier, images, labels, batch_size)
    shared = None
    if not isinstance(baselines, str | int | float | tuple) and baselines.ndim == 4:
        shared = to_float(baselines).astype(jnp.float32)
        if shared.shape[1:] != images.shape[1:] or not shared.shape[0]:
            raise InputError(
                f"baselines must be [N, {', '.join(map(str, images.shape[1:]))}]; got shape {tuple(shared.shape)}"
            )
    own = images[:, None, :0] if shared is not None else make_baselines(images, baselines)
    count = own.shape[1] if shared is None else shared.shape[0]

    def places(image_key: jax.Array, index: jax.Array) -> tuple[jax.Array, jax.Array]:
        each = jax.vmap(lambda j: jax.random.split(jax.random.fold_in(image_key, j)))(index)
        which = jax.vmap(lambda k: jax.random.randint(k, (), 0, count))(each[:, 0])
        inside = jax.vmap(lambda k: jax.random.uniform(k, dtype=jnp.float32))(each[:, 1])
        return which, (index.astype(jnp.float32) + inside) / draws

    def part(group: tuple, index: jax.Array, valid: jax.Array) -> jax.Array:
        x, y, x0, k = group
        which, alpha = jax.vmap(places, in_axes=(0, None))(k, index)
        start = shared[which] if shared is not None else jax.vmap(lambda rows, w: rows[w])(x0, which)
        path = x[:, None] - start
        points = start + alpha[..., None, None, None] * path
        grads = input_gradients(classifier, _chunk.flatten(points), _chunk.repeat(y, len(index)), target)
        return (valid[None, :, None, None, None] * path * grads.reshape(points.shape)).sum(1) / draws

    return reduce_channels(_chunk.sum_variants(part, (images, labels, own, keys), draws, batch_size), reduce)
