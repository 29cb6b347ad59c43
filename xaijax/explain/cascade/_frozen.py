"""The frozen form: one trained classifier, and images in which each round hides what the round before found.

Rounds with the same base method are one `lax.scan`: the program, and the time to compile it, do not grow with K. On the
CPU a scan is slow where its convolutions are not in XLA's own order; `xaijax._cpu` brings them into it, and then the
scan takes as long as the same rounds written one after another.
"""

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from xaijax._options import Count, NonNegative
from xaijax.classifier import Classifier
from xaijax.explain._method import BatchSize, resolve_labels
from xaijax.explain._registry import checked, explainer
from xaijax.explain.cascade import _steps as steps
from xaijax.explain.cascade.thresholds import Threshold, apply_threshold


class CascadeRounds(NamedTuple):
    """Everything that a frozen cascade computes.

    `maps` `[K, B, H, W]` before the threshold (raw, or min-max scaled), `thresholded` `[K, B, H, W]`, `images`
    `[K, B, H, W, C]` that each round saw, `weights` `[K]` of the rounds, `combined` `[B, H, W]` the explanation in
    [0, 1], `reasons` `[K, B]` uint8, why a map was not thresholded (`xaijax.kernels.EBAYES_REASONS`).

    Example:
        >>> CascadeRounds._fields
        ('maps', 'thresholded', 'images', 'weights', 'combined', 'reasons')
    """

    maps: Any
    thresholded: Any
    images: Any
    weights: Any
    combined: Any
    reasons: Any


def _rounds(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None,
    rounds: int,
    base: str | Sequence[str],
    options: Mapping[str, Any] | None,
    threshold: str,
    theta: float,
    decay: float,
    scale: str,
    batch_size: int,
) -> CascadeRounds:
    given = dict(options or {}) | {"batch_size": batch_size}
    target = resolve_labels(classifier, images, labels, batch_size)  # of the intact image, for all rounds

    def run(name: str, seen: jax.Array) -> tuple[jax.Array, tuple]:
        maps = steps.base_map(name, classifier, seen, target, scale, given)
        kept, reasons = apply_threshold(maps, threshold)
        return steps.suppress(seen, kept, theta), (maps, kept, seen, reasons)

    def again(name: str, seen: jax.Array, _: None) -> tuple[jax.Array, tuple]:
        return run(name, seen)

    seen, parts = images, []
    for name, group in itertools.groupby(steps.base_names(base, rounds)):
        count = len(list(group))
        if count == 1:
            seen, found = run(name, seen)
            parts.append(jax.tree.map(lambda leaf: leaf[None], found))
        else:
            seen, found = jax.lax.scan(functools.partial(again, name), seen, length=count)
            parts.append(found)
    maps, kept, inputs, reasons = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)
    weights = jnp.asarray(steps.round_weights(rounds, decay))
    return CascadeRounds(maps, kept, inputs, weights, steps.combine(kept, decay), reasons)


@explainer(family="cam", cost=3, needs={"layer"})
def cascade(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    rounds: Count = 3,
    base: tuple[steps.Base, ...] | steps.Base = "grad_cam",
    options: Mapping[str, Any] | None = None,
    threshold: Threshold = "top_k:10",
    theta: NonNegative = 2.0,
    decay: NonNegative = 0.1,
    scale: steps.Scale = "mm",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """CasCAM, frozen: the maps of K rounds, each on the image with what the rounds before marked darkened.

    `S = Σ_k w_k mm(TH(map_k))`, `w_k ∝ exp(-λ k)`, `X^(k+1) = mm(exp(-θ TH(map_k)) X^(k))`, `map_k` the base map of
    `X^(k)` for the class of the intact image.

    Args:
        classifier: a classifier that has what the base method needs.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the class predicted for the intact image.
        rounds: K.
        base: a method of `METHODS` for all rounds, or K of them; not XRAI, which works on the host.
        options: further options of the base methods, such as `{"layer": ...}` or `{"key": ...}`.
        threshold: `"none"`, `"top_k:10"` (percent), `"ebayes_laplace"`, `"ebayes_cauchy"`, `"soft_percentile:90"`.
        theta: θ, at least 0: how strongly marked pixels are darkened. With `scale="mm"` the strongest by `exp(-θ)`;
            with `"raw"` in 1 over the unit of the base map.
        decay: λ, at least 0: by how much later rounds count less.
        scale: `"mm"` scales each round's map to [0, 1] before the threshold, `"raw"` keeps its unit and sign.
        batch_size: most images in one pass of the base method.

    Returns:
        `[B, H, W]` float32 in [0, 1].

    Raises:
        InputError: for unknown methods, thresholds or scales, and numbers out of their ranges.

    Differences:
        The paper trains a classifier for every round (`xaijax cascade`); this one hides evidence from a classifier that
        is there. The authors' code takes raw CAM (`base="cam", scale="raw", theta=0.3`).

    References:
        Choi, Kim, Choi, "Cascading Class Activation Mapping", Computer Modeling in Engineering & Sciences 146(2), 2026.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[4.0, 0.0], [2.0, 4.0]])
        >>> model = Classifier.from_functions(  # the layer is the image itself
        ...     lambda w, x: x, lambda w, a: a.mean((1, 2)) @ w, weights, input_shape=(1, 3, 2)
        ... )
        >>> image = jnp.array([[[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]])  # two pixels speak for class 0
        >>> cascade(model, image, 0, rounds=1, threshold="top_k:30").tolist()
        [[[1.0, 0.0, 0.0]]]
        >>> cascade(model, image, 0, rounds=2, threshold="top_k:30", decay=0.0).tolist()
        [[[0.5, 0.5, 0.0]]]
    """
    return _rounds(
        classifier, images, labels, rounds, base, options, threshold, theta, decay, scale, batch_size
    ).combined


@checked
def cascade_rounds(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    rounds: Count = 3,
    base: tuple[steps.Base, ...] | steps.Base = "grad_cam",
    options: Mapping[str, Any] | None = None,
    threshold: Threshold = "top_k:10",
    theta: NonNegative = 2.0,
    decay: NonNegative = 0.1,
    scale: steps.Scale = "mm",
    batch_size: BatchSize = 32,
) -> CascadeRounds:
    """`cascade` with everything it computes: the maps, images and weights of the rounds.

    Args:
        classifier, images, labels, rounds, base, options, threshold, theta, decay, scale, batch_size: as `cascade`.

    Returns:
        `CascadeRounds`.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[4.0, 0.0], [2.0, 4.0]])
        >>> model = Classifier.from_functions(
        ...     lambda w, x: x, lambda w, a: a.mean((1, 2)) @ w, weights, input_shape=(1, 3, 2)
        ... )
        >>> image = jnp.array([[[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]])
        >>> found = cascade_rounds(model, image, 0, rounds=2, threshold="top_k:30", theta=200.0)
        >>> found.images[:, 0, 0].tolist()  # the second round does not see the first pixel
        [[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]
    """
    return _rounds(classifier, images, labels, rounds, base, options, threshold, theta, decay, scale, batch_size)
