"""SmoothGrad over the two methods whose path depends on the image: it is made again for every noisy copy.

The mean is over whole attributions, `(x_j - x0) g` and the like, not over gradients along one path.
"""

from typing import Annotated

import jax

from xaijax._options import Count, NonNegative, Range, Share
from xaijax.classifier import Classifier
from xaijax.explain._baselines import Baseline
from xaijax.explain._method import BatchSize, Key
from xaijax.explain._postprocess import Reduce
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target
from xaijax.explain.gradients._blur_ig import blur_attributions
from xaijax.explain.gradients._guided_ig import guided_attributions
from xaijax.explain.gradients._smoothgrad import Statistic, smoothed


@explainer(family="gradient", cost=7501, needs={"key"}, signed=True)
def smooth_blur_ig(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    draws: Count = 25,
    std: NonNegative | jax.Array = 0.15,
    statistic: Statistic = "mean",
    noise: jax.Array | None = None,
    key: Key = 0,
    max_sigma: Annotated[float, Range(0, 10_000, without_low=True)] = 50.0,
    steps: Count = 100,
    target: Target = "logit",
    reduce: Reduce = "sum",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """SmoothGrad over Blur Integrated Gradients.

    `S = reduce_c (1/n) Σ_j BlurIG(x + σ ε_j)_c`, `ε ~ N(0, 1)` per value, `σ = std (max x - min x)`; the path of each
    noisy copy blurs that copy.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class of the image itself.
        draws: noisy copies per image.
        std: noise, as a share of each image's own range.
        statistic: `"mean"`, `"square"` or `"variance"`, per channel.
        noise: `[draws, H, W, C]` your own draws, with standard deviation 1, for all images, instead of a key.
        key: a `jax.random` key, or the seed of one; an image's noise depends on it and on the image's own pixels.
        max_sigma: as in `blur_ig`.
        steps: points on each path.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        reduce: over channels: `"sum"` (signed for the mean), `"abs_sum"`, `"abs_max"`, `"none"` (keep C).
        batch_size: most blurred images in flight.

    Returns:
        `[B, H, W]` float32, unit of the score (squared for the other statistics).

    Differences:
        saliency's `GetSmoothedMask` returns the mean square by default: `statistic="square"`.

    References:
        Xu, Venugopalan, Sundararajan, "Attribution in Scale and Space", CVPR 2020; Smilkov et al., 2017.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> model = Classifier.from_function(lambda w, x: x[:, 2, 2] * w, jnp.array([3.0, 1.0]), input_shape=(5, 5, 1))
        >>> image = jnp.zeros((1, 5, 5, 1)).at[0, 2, 2].set(1.0)
        >>> maps = smooth_blur_ig(model, image, 0, std=0.0, draws=2, max_sigma=5.0, steps=200)
        >>> round(float(maps.sum()), 1)  # no noise: Blur IG
        3.0
    """

    def attributions(x: jax.Array, y: jax.Array) -> jax.Array:
        return blur_attributions(
            classifier, x, y, max_sigma=max_sigma, steps=steps, target=target, batch_size=batch_size
        )

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


@explainer(family="gradient", cost=15001, needs={"key"}, signed=True)
def smooth_guided_ig(
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
    steps: Count = 200,
    fraction: Annotated[float, Range(0, 1, without_low=True)] = 0.25,
    max_dist: Share = 0.02,
    target: Target = "logit",
    reduce: Reduce = "sum",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """SmoothGrad over Guided Integrated Gradients.

    `S = reduce_c (1/n) Σ_j GuidedIG(x + σ ε_j)_c`, `ε ~ N(0, 1)` per value, `σ = std (max x - min x)`; each noisy copy
    has its own path.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class of the image itself.
        draws: noisy copies per image.
        std: noise, as a share of each image's own range.
        statistic: `"mean"`, `"square"` or `"variance"`, per channel.
        noise: `[draws, H, W, C]` your own draws, with standard deviation 1, for all images, instead of a key.
        key: a `jax.random` key, or the seed of one; an image's noise depends on it and on the image's own pixels.
        baseline: one baseline, as in `integrated_gradients`; `"mean"` and `"blur"` are those of the noisy copy.
        steps: gradient evaluations on each path; each needs the one before.
        fraction: as in `guided_ig`.
        max_dist: as in `guided_ig`.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        reduce: over channels: `"sum"` (signed for the mean), `"abs_sum"`, `"abs_max"`, `"none"` (keep C).
        batch_size: most noisy images in flight.

    Returns:
        `[B, H, W]` float32, unit of the score (squared for the other statistics).

    Differences:
        saliency's `GetSmoothedMask` returns the mean square by default: `statistic="square"`. See `guided_ig` for
        rounding.

    References:
        Kapishnikov et al., "Guided Integrated Gradients: An Adaptive Path Method for Removing Noise", CVPR 2021;
        Smilkov et al., 2017.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[2.0, 0.0], [4.0, 1.0]])  # [pixels, classes]
        >>> model = Classifier.from_function(lambda w, x: x.reshape(-1, 2) @ w, weights, input_shape=(1, 2, 1))
        >>> image = jnp.array([[[[1.0], [0.5]]]])
        >>> smooth_guided_ig(model, image, 0, std=0.0, draws=2, steps=10).round(3).tolist()  # no noise: Guided IG
        [[[2.0, 2.0]]]
    """

    def attributions(x: jax.Array, y: jax.Array) -> jax.Array:
        return guided_attributions(
            classifier,
            x,
            y,
            baseline=baseline,
            steps=steps,
            fraction=fraction,
            max_dist=max_dist,
            target=target,
            batch_size=batch_size,
        )

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
