"""SmoothGrad, SmoothGrad-squared and VarGrad over any gradient method.

Draws are accumulated before channels are reduced, as PAIR does. An image's noise comes from the key and its own pixels.
"""

from collections.abc import Callable
from typing import Annotated, Literal

import jax
import jax.numpy as jnp

from xaijax._errors import InputError
from xaijax._names import match
from xaijax._options import Count, Form, NonNegative
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._baselines import Baseline, make_baselines
from xaijax.explain._method import BatchSize, Key, image_keys, input_gradients, resolve_labels
from xaijax.explain._postprocess import Reduce, reduce_channels
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target
from xaijax.explain.gradients._integrated_gradients import Rule, path_attributions

Statistic = Literal["mean", "square", "variance"]
BASES = ("gradient", "input_x_gradient", "guided_backprop")
Base = Annotated[
    str, Form(lambda name: match("base method", name, BASES), "gradient, input_x_gradient or guided_backprop")
]
Attributions = Callable[[jax.Array, jax.Array], jax.Array]


def smooth(
    attributions: Attributions,
    images: jax.Array,
    labels: jax.Array,
    key: Key,
    *,
    draws: int,
    std: float | jax.Array,
    statistic: Statistic,
    noise: jax.Array | None,
    batch_size: int,
) -> jax.Array:
    """A statistic over noisy copies of every image of `attributions(images [N, H, W, C], labels [N])`, unreduced."""
    if noise is not None and (noise.ndim != 4 or noise.shape[1:] != images.shape[1:] or not noise.shape[0]):
        raise InputError(f"noise must be [draws, {', '.join(map(str, images.shape[1:]))}]; got {tuple(noise.shape)}")
    count = draws if noise is None else noise.shape[0]
    scale = std * (images.max((1, 2, 3)) - images.min((1, 2, 3)))
    # Without a key (given noise) the keys are not used; zeros keep one shape of program.
    keys = image_keys(key, images) if noise is None else scale
    # A variance is taken around the attributions of the image itself: where they hardly vary, the difference of two
    # large sums would be rounding alone.
    centre = jnp.zeros(images.shape[:1])
    if statistic == "variance":
        centre = _chunk.map_images(lambda group: attributions(*group), (images, labels), batch_size)

    def part(group: tuple, index: jax.Array, valid: jax.Array) -> tuple:
        x, y, own_keys, own_scale, own_centre = group
        unit = unit_noise(own_keys, index, x.shape[1:]) if noise is None else jnp.asarray(noise)[index][None]
        noisy = x[:, None] + own_scale[:, None, None, None, None] * unit
        found = attributions(_chunk.flatten(noisy), _chunk.repeat(y, len(index))).reshape(noisy.shape)
        if statistic == "variance":
            found = found - own_centre[:, None]
        found = found * jnp.sqrt(valid)[None, :, None, None, None]  # valid is 0 or 1
        return found.sum(1), (found**2).sum(1)

    total, squares = _chunk.sum_variants(part, (images, labels, keys, scale, centre), count, batch_size)
    if statistic == "mean":
        return total / count
    if statistic == "square":
        return squares / count
    return jnp.maximum(squares / count - (total / count) ** 2, 0.0)


def smoothed(
    classifier: Classifier,
    attributions: Attributions,
    images: jax.Array,
    labels: jax.Array | None,
    key: Key,
    *,
    draws: int,
    std: float | jax.Array,
    statistic: Statistic,
    noise: jax.Array | None,
    reduce: Reduce,
    batch_size: int,
) -> jax.Array:
    """The maps of `smooth`: for the predicted class of the image itself where no labels are given, channels reduced."""
    labels = resolve_labels(classifier, images, labels, batch_size)
    full = smooth(
        attributions,
        images,
        labels,
        key,
        draws=draws,
        std=std,
        statistic=statistic,
        noise=noise,
        batch_size=batch_size,
    )
    return reduce_channels(full, reduce)


def unit_noise(keys: jax.Array, index: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """`[g, p, *shape]` normal draws with these numbers `[p]`, of images with these keys `[g]`."""

    def draw(key: jax.Array, number: jax.Array) -> jax.Array:
        return jax.random.normal(jax.random.fold_in(key, number), shape, jnp.float32)

    return jax.vmap(jax.vmap(draw, in_axes=(None, 0)), in_axes=(0, None))(keys, index)


def base_attributions(classifier: Classifier, method: str, target: Target) -> Attributions:
    """The base method as `(images, labels) -> attributions`, unreduced."""
    base = classifier.with_relu("guided") if method == "guided_backprop" else classifier

    def attributions(x: jax.Array, y: jax.Array) -> jax.Array:
        grads = input_gradients(base, x, y, target)
        return x * grads if method == "input_x_gradient" else grads

    return attributions


@explainer(family="gradient", cost=76, needs={"key"})
def smoothgrad(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    method: Base = "gradient",
    draws: Count = 25,
    std: NonNegative | jax.Array = 0.15,
    statistic: Statistic = "mean",
    noise: jax.Array | None = None,
    key: Key = 0,
    target: Target = "logit",
    reduce: Reduce = "abs_max",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """SmoothGrad: the mean gradient over noisy copies of the image.

    `S = reduce_c (1/n) Σ_j a(x + σ ε_j)_c`, `ε ~ N(0, 1)` per value, `σ = std (max x - min x)`, `a` the base method;
    with `statistic="square"` the mean of `a²` (PAIR's default), with `"variance"` the variance of `a` (VarGrad).

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        method: the base, `"gradient"` or `"input_x_gradient"`, or `"guided_backprop"` for a model with ReLUs.
        draws: noisy copies per image.
        std: noise, as a share of each image's own range.
        statistic: `"mean"`, `"square"` or `"variance"`, per channel.
        noise: `[draws, H, W, C]` your own draws, with standard deviation 1, for all images, instead of a key.
        key: a `jax.random` key, or the seed of one; an image's noise depends on it and on the image's own pixels.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        reduce: over channels: `"abs_max"`, `"abs_sum"`, `"sum"` (signed for the mean), `"none"` (keep C).
        batch_size: most noisy images in flight.

    Returns:
        `[B, H, W]` float32, unit of the base method (squared for the other statistics).

    Differences:
        saliency's `GetSmoothedMask` returns the mean square by default: `statistic="square"`. Its noise has the
        standard deviation of each image's own range, as here; Captum's is absolute.

    References:
        Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017; Adebayo et al., "Local explanation methods
        for deep neural networks lack sensitivity to parameter values", 2018 (VarGrad); Hooker et al., "A Benchmark for
        Interpretability Methods in Deep Neural Networks", NeurIPS 2019 (squared).

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> square = lambda w, x: (x**2).sum((1, 2, 3))[:, None] * w
        >>> model = Classifier.from_function(square, jnp.array([3.0, 1.0]), input_shape=(1, 2, 1))
        >>> image = jnp.array([[[[1.0], [0.5]]]])
        >>> smoothgrad(model, image, 0, std=0.0, draws=2, key=jax.random.key(0)).tolist()  # no noise: the gradient
        [[[6.0, 3.0]]]
    """
    return smoothed(
        classifier,
        base_attributions(classifier, method, target),
        images,
        labels,
        key,
        draws=draws,
        std=std,
        statistic=statistic,
        noise=noise,
        reduce=reduce,
        batch_size=batch_size,
    )


@explainer(family="gradient", cost=76, needs={"key"})
def smoothgrad_squared(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    draws: Count = 25,
    std: NonNegative | jax.Array = 0.15,
    key: Key = 0,
    target: Target = "logit",
    reduce: Reduce = "sum",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """SmoothGrad-squared: the mean squared gradient over noisy copies of the image.

    `S = reduce_c (1/n) Σ_j (dy/dx_c (x + σ ε_j))²`; `smoothgrad` with `statistic="square"`.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        draws: noisy copies per image.
        std: noise, as a share of each image's own range.
        key: a `jax.random` key, or the seed of one.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        reduce: over channels: `"sum"`, `"abs_max"`, `"none"` (keep C).
        batch_size: most noisy images in flight.

    Returns:
        `[B, H, W]` float32, at least 0, squared score per unit of image intensity.

    Differences:
        None to saliency's default; Captum's `smoothgrad_sq` takes an absolute noise level.

    References:
        Hooker et al., "A Benchmark for Interpretability Methods in Deep Neural Networks", NeurIPS 2019.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> square = lambda w, x: (x**2).sum((1, 2, 3))[:, None] * w
        >>> model = Classifier.from_function(square, jnp.array([3.0, 1.0]), input_shape=(1, 2, 1))
        >>> image = jnp.array([[[[1.0], [0.5]]]])
        >>> smoothgrad_squared(model, image, 0, std=0.0, draws=2, key=jax.random.key(0)).tolist()
        [[[36.0, 9.0]]]
    """
    return _plain(classifier, images, labels, "square", draws, std, key, target, reduce, batch_size)


@explainer(family="gradient", cost=79, needs={"key"})
def vargrad(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    draws: Count = 25,
    std: NonNegative | jax.Array = 0.15,
    key: Key = 0,
    target: Target = "logit",
    reduce: Reduce = "sum",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """VarGrad: the variance of the gradient over noisy copies of the image.

    `S = reduce_c var_j dy/dx_c (x + σ ε_j)` (divided by n); `smoothgrad` with `statistic="variance"`.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        draws: noisy copies per image.
        std: noise, as a share of each image's own range.
        key: a `jax.random` key, or the seed of one.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        reduce: over channels: `"sum"`, `"abs_max"`, `"none"` (keep C).
        batch_size: most noisy images in flight.

    Returns:
        `[B, H, W]` float32, at least 0, squared score per unit of image intensity.

    Differences:
        Captum's `vargrad` divides by n as well, and takes an absolute noise level.

    References:
        Adebayo et al., "Local explanation methods for deep neural networks lack sensitivity to parameter values", 2018.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> square = lambda w, x: (x**2).sum((1, 2, 3))[:, None] * w
        >>> model = Classifier.from_function(square, jnp.array([3.0, 1.0]), input_shape=(1, 2, 1))
        >>> image = jnp.array([[[[1.0], [0.5]]]])
        >>> vargrad(model, image, 0, std=0.0, draws=2, key=jax.random.key(0)).tolist()  # no noise: no variance
        [[[0.0, 0.0]]]
    """
    return _plain(classifier, images, labels, "variance", draws, std, key, target, reduce, batch_size)


def _plain(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None,
    statistic: Statistic,
    draws: int,
    std: float | jax.Array,
    key: Key,
    target: Target,
    reduce: Reduce,
    batch_size: int,
) -> jax.Array:
    return smoothed(
        classifier,
        base_attributions(classifier, "gradient", target),
        images,
        labels,
        key,
        draws=draws,
        std=std,
        statistic=statistic,
        noise=None,
        reduce=reduce,
        batch_size=batch_size,
    )


@explainer(family="gradient", cost=3751, needs={"key"}, signed=True)
def smoothgrad_ig(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    draws: Count = 25,
    std: NonNegative | jax.Array = 0.15,
    statistic: Statistic = "mean",
    noise: jax.Array | None = None,
    key: Key = 0,
    baseline: Baseline = "black",
    steps: Count | None = None,
    rule: Rule = "gauss_legendre",
    target: Target = "logit",
    reduce: Reduce = "sum",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """SmoothGrad over Integrated Gradients.

    `S = reduce_c (1/n) Σ_j IG(x + σ ε_j)_c`, `ε ~ N(0, 1)` per value, `σ = std (max x - min x)`.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        draws: noisy copies per image.
        std: noise, as a share of each image's own range.
        statistic: `"mean"`, `"square"` or `"variance"`, per channel.
        noise: `[draws, H, W, C]` your own draws, with standard deviation 1, for all images, instead of a key.
        key: a `jax.random` key, or the seed of one; an image's noise depends on it and on the image's own pixels.
        baseline: as in `integrated_gradients`; `"mean"` and `"blur"` are those of the noisy copy.
        steps: points on each path, default 50 (25 for `rule="pair"`).
        rule: as in `integrated_gradients`.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        reduce: over channels: `"sum"` (signed for the mean), `"abs_sum"`, `"abs_max"`, `"none"` (keep C).
        batch_size: most path points of noisy images in flight.

    Returns:
        `[B, H, W]` float32, unit of the score (squared for the other statistics).

    Differences:
        saliency gives all noisy copies one baseline image; here a named baseline such as `"mean"` is that of the copy.

    References:
        Smilkov et al., 2017, section 3.3; Sundararajan et al., ICML 2017.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> square = lambda w, x: (x**2).sum((1, 2, 3))[:, None] * w
        >>> model = Classifier.from_function(square, jnp.array([3.0, 1.0]), input_shape=(1, 2, 1))
        >>> image = jnp.array([[[[1.0], [0.5]]]])
        >>> print(smoothgrad_ig(model, image, 0, std=0.0, draws=2, key=jax.random.key(0)).round(2)[0])
        [[3.   0.75]]
    """

    def attributions(x: jax.Array, y: jax.Array) -> jax.Array:
        starts = make_baselines(x, baseline)
        return path_attributions(classifier, x, y, starts, target=target, rule=rule, steps=steps, batch_size=batch_size)

    return smoothed(
        classifier,
        attributions,
        images,
        labels,
        key,
        draws=draws,
        std=std,
        statistic=statistic,
        noise=noise,
        reduce=reduce,
        batch_size=batch_size,
    )
