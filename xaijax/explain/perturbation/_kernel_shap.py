"""KernelSHAP: Shapley values of regions by weighted least squares over coalitions.

The constraint `Σ φ = Δ` is built in: `φ = Δ/M + ψ` with `Σ ψ = 0`, and ψ solves the projected normal equations by their
pseudo-inverse. Where the coalitions determine φ this is the Lagrangian's solution; where they are too few it is the one
closest to equal shares. The matrix depends on the coalitions alone, so that all images share it.
"""

from typing import Annotated

import jax
import jax.numpy as jnp

from xaijax._options import Range
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize, Key, as_key, resolve_labels
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target
from xaijax.explain.perturbation import _regions
from xaijax.explain.perturbation._coalitions import Plan, coalitions, default_count, make_plan

HIGHEST = jax.lax.Precision.HIGHEST


@explainer(family="perturbation", cost=2178, needs={"key"}, signed=True)
def kernel_shap(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    count: Annotated[int, Range(2, 1_000_000)] | None = None,
    regions: _regions.Regions = 8,
    baseline: _regions.Fill = "black",
    key: Key = 0,
    target: Target = "logit",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """KernelSHAP: Shapley values of regions, exact where there are few.

    `S = φ_region`, `φ` of `min Σ_z π(z) (y(z) - y(0) - φ·z)²` with `Σ φ = y(1) - y(0)`,
    `π = (M - 1)/(C(M, s) s (M - s))`, `s = |z|`; `y(z)` the score with the regions of `z = 0` at the baseline.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        count: most coalitions, one forward pass each; default `2 M + 2048`. The values are exact from `2^M - 2` on,
            by default up to 11 regions; else sizes are enumerated from the outside in, and the rest is drawn with
            complements.
        regions: side of a grid of cells, `"slic:COUNT"` for at most COUNT superpixels, or masks `[M, H, W]` or
            `[B, M, H, W]` (the first one that covers a pixel counts; pixels outside all are never hidden).
        baseline: what hides a region: one as in `integrated_gradients`, or `"region_mean"`, its mean colour.
        key: a `jax.random` key, or the seed of one; the coalitions depend on it alone.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        batch_size: most perturbed images in flight.

    Returns:
        `[B, H, W]` float32, unit of the score: every pixel has the value of its region (0 outside all regions). The
        values of the regions sum to `y(1) - y(0)`.

    Differences:
        The shap package keeps ten regions by default; here all have values, as there with `l1_reg=False`. It leaves
        out coalitions that are drawn twice; here they count twice. Captum draws sizes by their kernel weight, without
        complements, and has no constraint.

    References:
        Lundberg, Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017, theorem 2.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[2.0, 0.0], [4.0, 1.0]])  # [pixels, classes]
        >>> model = Classifier.from_function(lambda w, x: x.reshape(-1, 2) @ w, weights, input_shape=(1, 2, 1))
        >>> pixels = jnp.array([[[1, 0]], [[0, 1]]])  # two regions
        >>> image = jnp.array([[[[1.0], [0.5]]]])
        >>> kernel_shap(model, image, 0, regions=pixels).round(4).tolist()
        [[[2.0, 2.0]]]
    """
    values, places, _ = shapley_values(
        classifier, images, labels, count, regions, baseline, as_key(key), target, batch_size
    )
    return _regions.paint(values, places)


def shapley_values(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None,
    count: int | None,
    regions: _regions.Regions,
    baseline: _regions.Fill,
    key: jax.Array,
    target: Target,
    batch_size: int,
) -> tuple[jax.Array, jax.Array, tuple[Plan, jax.Array, jax.Array]]:
    """`(values [B, M], places [B, H, W], (plan, excess [B, n], change [B]))`, see `kernel_shap`.

    `excess` is what the coalitions' scores exceed equal shares by, `change` is `y(1) - y(0)`.
    """
    labels = resolve_labels(classifier, images, labels, batch_size)
    places, players = _regions.make_regions(images, regions)
    fills = _regions.fill_images(images, places, players, baseline, "kernel_shap")
    plan = make_plan(players, default_count(players) if count is None else count)
    tree = (images, fills, places, labels)

    def ends(group: tuple, index: jax.Array) -> jax.Array:
        x, fill, place, y = group
        z = jnp.broadcast_to(index[:, None], (len(index), players)).astype(jnp.float32)
        return _regions.kept_scores(classifier, x, fill, place, y, z, target)

    empty, full = jnp.moveaxis(_chunk.map_variants(ends, tree, 2, batch_size), 1, 0)
    change = full - empty
    if plan.count == 0:
        return change[:, None] / players, places, (plan, jnp.zeros((images.shape[0], 0)), change)

    def excess(group: tuple, index: jax.Array) -> jax.Array:
        x, fill, place, y, none, delta = group
        z, _ = coalitions(plan, key, index)
        found = _regions.kept_scores(classifier, x, fill, place, y, z, target)
        return found - none[:, None] - delta[:, None] * (z.sum(1) / players)

    over = _chunk.map_variants(excess, (*tree, empty, change), plan.count, batch_size)

    def products(group: jax.Array, index: jax.Array, valid: jax.Array) -> jax.Array:
        z, weights = coalitions(plan, key, index)
        return jnp.einsum("p,pm,pn->mn", weights * valid, z, z, precision=HIGHEST)[None]

    def with_scores(group: jax.Array, index: jax.Array, valid: jax.Array) -> jax.Array:
        z, weights = coalitions(plan, key, index)
        return jnp.einsum("gp,p,pm->gm", group[:, index], weights * valid, z, precision=HIGHEST)

    matrix = _chunk.sum_variants(products, jnp.zeros(1), plan.count, batch_size)[0]
    right = _chunk.sum_variants(with_scores, over, plan.count, batch_size)
    return solve(matrix, right, change), places, (plan, over, change)


def solve(matrix: jax.Array, right: jax.Array, change: jax.Array) -> jax.Array:
    """`φ [B, M]` from `Σ π z zᵀ` `[M, M]`, `Σ π z (y(z) - y(0) - Δ s/M)` `[B, M]` and `Δ` `[B]`."""
    players = matrix.shape[0]
    inner = matrix - matrix.mean(0) - matrix.mean(1, keepdims=True) + matrix.mean()  # both sides onto Σ ψ = 0
    roots, vectors = jnp.linalg.eigh((inner + inner.T) / 2)
    kept = roots > players * jnp.finfo(jnp.float32).eps * roots.max()
    inverse = jnp.where(kept, 1 / jnp.where(kept, roots, 1.0), 0.0)
    along = jnp.einsum("bm,mk->bk", right - right.mean(1, keepdims=True), vectors, precision=HIGHEST)
    free = jnp.einsum("bk,k,mk->bm", along, inverse, vectors, precision=HIGHEST)
    return change[:, None] / players + free - free.mean(1, keepdims=True)
