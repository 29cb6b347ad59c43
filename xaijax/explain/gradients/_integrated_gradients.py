"""Integrated Gradients along straight paths, with the quadrature of your choice.

Differences from well-known implementations: Captum's `riemann_trapezoid` weights sum to (n - 1)/n, so its maps are too
small by that factor; here every rule integrates a constant exactly. PAIR samples both ends of the path and takes the
plain mean: that is `rule="pair"`. Path points are accumulated, never stacked.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._errors import InputError
from xaijax._options import Count
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._baselines import Baseline, make_baselines
from xaijax.explain._method import BatchSize, input_gradients, resolve_labels, scores
from xaijax.explain._postprocess import Reduce, reduce_channels
from xaijax.explain._registry import checked, explainer
from xaijax.explain._targets import Target

Rule = Literal["gauss_legendre", "left", "right", "middle", "trapezoid", "pair"]


def quadrature(rule: Rule, steps: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in [0, 1] and weights that sum to 1, float64 `[steps]` each.

    Example:
        >>> [values.tolist() for values in quadrature("trapezoid", 3)]
        [[0.0, 0.5, 1.0], [0.25, 0.5, 0.25]]
    """
    n = (25 if rule == "pair" else 50) if steps is None else steps
    ends = rule in ("trapezoid", "pair")
    if n < (2 if ends else 1):
        raise InputError(f"steps must be at least {2 if ends else 1} for rule={rule!r}; got {steps!r}")
    if rule == "gauss_legendre":
        if n > 10_000:  # the nodes are the eigenvalues of an n x n matrix
            raise InputError(f"steps must be at most 10000 for rule={rule!r}; got {n}: take rule='middle'")
        nodes, weights = np.polynomial.legendre.leggauss(n)
        return (nodes + 1) / 2, weights / 2
    if ends:
        weights = np.full(n, 1 / n)
        if rule == "trapezoid":
            weights = np.full(n, 1 / (n - 1))
            weights[[0, -1]] /= 2
        return np.linspace(0, 1, n), weights
    shift = {"left": 0.0, "middle": 0.5, "right": 1.0}[rule]
    return (np.arange(n) + shift) / n, np.full(n, 1 / n)


def path_attributions(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array,
    baselines: jax.Array,
    *,
    target: Target,
    rule: Rule,
    steps: int | None,
    batch_size: int,
) -> jax.Array:
    """`(x - x0) ∫ dy/dx(x0 + a (x - x0)) da`, mean over baselines `[B, N, H, W, C]`, as `[B, H, W, C]`."""
    nodes, weights = quadrature(rule, steps)
    count = baselines.shape[1]
    alphas = jnp.asarray(np.tile(nodes, count), jnp.float32)
    shares = jnp.asarray(np.tile(weights, count) / count, jnp.float32)

    def part(group: tuple, index: jax.Array, valid: jax.Array) -> jax.Array:
        x, x0, y = group
        start = x0[:, index // len(nodes)]
        path = x[:, None] - start
        points = start + alphas[index][None, :, None, None, None] * path
        grads = input_gradients(classifier, _chunk.flatten(points), _chunk.repeat(y, len(index)), target)
        share = (shares[index] * valid)[None, :, None, None, None]
        return (share * path * grads.reshape(points.shape)).sum(1)

    return _chunk.sum_variants(part, (images, baselines, labels), count * len(nodes), batch_size)


@explainer(family="gradient", cost=151, signed=True)
def integrated_gradients(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    baseline: Baseline = "black",
    steps: Count | None = None,
    rule: Rule = "gauss_legendre",
    target: Target = "logit",
    reduce: Reduce = "sum",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Integrated Gradients: the score's change from a baseline to the image, shared out among the pixels.

    `S = reduce_c (x - x0)_c ∫_0^1 dy/dx_c (x0 + a (x - x0)) da`, averaged over the baselines when there are several.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        baseline: `"black"`, `"white"`, `"mean"`, `"blur"`, a number, an array that broadcasts to the images, or a
            tuple of these.
        steps: points on the path, default 50 (25 for `rule="pair"`).
        rule: `"gauss_legendre"`, `"left"`, `"right"`, `"middle"`, `"trapezoid"`, or `"pair"` (both ends, plain mean).
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        reduce: over channels: `"sum"` (signed, keeps completeness), `"abs_sum"`, `"abs_max"`, `"none"` (keep C).
        batch_size: most path points in flight.

    Returns:
        `[B, H, W]` float32, unit of the score; `Σ S = y(x) - y(x0)` up to the quadrature's error, which
        `integrated_gradients_with_gap` returns as well.

    Differences:
        Captum's `riemann_trapezoid` weights sum to (n - 1)/n, so its maps are too small by that factor; here every rule
        integrates a constant exactly. saliency samples both ends and takes the plain mean of 25 points: `rule="pair"`.

    References:
        Sundararajan, Taly, Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> square = lambda w, x: (x**2).sum((1, 2, 3))[:, None] * w
        >>> model = Classifier.from_function(square, jnp.array([3.0, 1.0]), input_shape=(1, 2, 1))
        >>> integrated_gradients(model, jnp.array([[[[1.0], [0.5]]]]), 0).round(4).tolist()
        [[[3.0, 0.75]]]
    """
    labels = resolve_labels(classifier, images, labels, batch_size)
    starts = make_baselines(images, baseline)
    full = path_attributions(
        classifier, images, labels, starts, target=target, rule=rule, steps=steps, batch_size=batch_size
    )
    return reduce_channels(full, reduce)


@checked
def integrated_gradients_with_gap(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    baseline: Baseline = "black",
    steps: Count | None = None,
    rule: Rule = "gauss_legendre",
    target: Target = "logit",
    reduce: Reduce = "sum",
    batch_size: BatchSize = 32,
) -> tuple[jax.Array, jax.Array]:
    """`integrated_gradients` and how far each image's attributions miss completeness.

    `gap = Σ attributions - (y(x) - mean y(x0))`. Every method returns maps alone; this function is the one that
    returns the gap too, for a relative check of `steps` (a gap of 5 % of `y(x) - y(x0)` asks for more).

    Args:
        classifier: any classifier.
        images: as in `integrated_gradients`, like all the options.
        labels: as there.
        baseline: as there.
        steps: as there.
        rule: as there.
        target: as there.
        reduce: as there; the gap is taken before the reduction.
        batch_size: as there.

    Returns:
        `(maps [B, H, W], gap [B])`, float32, both in the unit of the score.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> square = lambda w, x: (x**2).sum((1, 2, 3))[:, None] * w
        >>> model = Classifier.from_function(square, jnp.array([3.0, 1.0]), input_shape=(1, 2, 1))
        >>> image = jnp.array([[[[1.0], [0.5]]]])
        >>> _, gap = integrated_gradients_with_gap(model, image, 0, rule="left", steps=4)
        >>> gap.tolist()  # a quarter of the change of the score, 3.75, was missed
        [-0.9375]
    """
    labels = resolve_labels(classifier, images, labels, batch_size)
    starts = make_baselines(images, baseline)
    full = path_attributions(
        classifier, images, labels, starts, target=target, rule=rule, steps=steps, batch_size=batch_size
    )
    ends = jnp.concatenate([images[:, None], starts], axis=1)
    values = _chunk.map_variants(
        lambda group, index: scores(
            classifier, _chunk.flatten(group[0][:, index]), _chunk.repeat(group[1], len(index)), target
        ).reshape(-1, len(index)),
        (ends, labels),
        ends.shape[1],
        batch_size,
    )
    gap = full.sum((1, 2, 3)) - (values[:, 0] - values[:, 1:].mean(1))
    return reduce_channels(full, reduce), gap
