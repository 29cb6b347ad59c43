"""LIME for images: a weighted ridge regression of the score on which regions are kept.

z_0 keeps all regions, the other draws keep each with probability 1/2. Draws depend on the key alone, are the same for
all images of a call, and are made chunk by chunk; only their moments are kept. Scores are taken from that of the intact
image, and z from 1/2: neither changes a coefficient, and a model that answers the same to everything gives exact zeros.
"""

from typing import Annotated

import jax
import jax.numpy as jnp

from xaijax._options import Positive, Range
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize, Key, as_key, resolve_labels, scores
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target
from xaijax.explain.perturbation import _regions


@explainer(family="perturbation", cost=1001, needs={"key"}, signed=True)
def lime(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    count: Annotated[int, Range(2, 1_000_000)] = 1000,
    regions: _regions.Regions = 8,
    baseline: _regions.Fill = "region_mean",
    width: Positive = 0.25,
    ridge: Positive = 1.0,
    key: Key = 0,
    target: Target = "probability",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """LIME: the coefficients of a local linear model of the score in the regions that are kept.

    `S = β_region`, `β` of `min Σ_j w_j (y(x_j) - β_0 - β·z_j)² + ridge ‖β‖²`, `z_0 = 1`, the other
    `z_j ~ Bernoulli(1/2)^M`, `x_j` the image with the regions of `z_j = 0` at the baseline, `w = exp(-d²/(2 width²))`,
    `d = 1 - √(|z|/M)`.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        count: draws, the intact image among them; one forward pass each.
        regions: side of a grid of cells, `"slic:COUNT"` for at most COUNT superpixels, or masks `[M, H, W]` or
            `[B, M, H, W]` (the first one that covers a pixel counts; pixels outside all are never hidden).
        baseline: what hides a region: `"region_mean"`, its mean colour, or one as in `integrated_gradients`.
        width: of the kernel, in cosine distance.
        ridge: the penalty; the intercept has none.
        key: a `jax.random` key, or the seed of one; the draws depend on it alone.
        target: what is explained: `"probability"` as in the authors' code, `"logit"`, `"log_probability"`, or a
            function of logits and labels.
        batch_size: most perturbed images in flight.

    Returns:
        `[B, H, W]` float32, unit of the score; 0 outside all regions.

    Differences:
        As the authors' code up to the regions, which there are quickshift superpixels; here a grid or SLIC. The authors
        fit again on the regions of largest weight when few are asked for. Captum's distance is between images, with
        width 1 and a lasso; Xplique's is Euclidean between images, without the 2 in the kernel.

    References:
        Ribeiro, Singh, Guestrin, "'Why Should I Trust You?': Explaining the Predictions of Any Classifier", KDD 2016.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> lit = lambda w, x: jnp.stack([x[:, 2, 6, 0], 0 * x[:, 0, 0, 0]], 1) + w  # class 0 looks at one pixel
        >>> model = Classifier.from_function(lit, jnp.zeros(2), input_shape=(8, 8, 1))
        >>> maps = lime(model, jnp.ones((1, 8, 8, 1)), 0, regions=4, baseline="black", target="logit", ridge=0.01)
        >>> maps[0, ::2, ::2].round(2).argmax(), maps.max().round(2)  # of 16 cells
        (Array(7, dtype=int32), Array(1., dtype=float32))
    """
    seed = as_key(key)
    labels = resolve_labels(classifier, images, labels, batch_size)
    places, players = _regions.make_regions(images, regions)
    fills = _regions.fill_images(images, places, players, baseline, "lime")
    there = _regions.present(places, players)
    whole = _chunk.map_images(lambda g: scores(classifier, g[0], g[1], target), (images, labels), batch_size)

    def part(group: tuple, index: jax.Array, valid: jax.Array) -> tuple:
        x, fill, place, y, own, intact = group
        keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(seed, index)
        z = jax.vmap(lambda k: jax.random.bernoulli(k, 0.5, (players,)))(keys).astype(jnp.float32)
        z = jnp.where(index[:, None] == 0, 1.0, z)
        change = _regions.kept_scores(classifier, x, fill, place, y, z, target) - intact[:, None]
        # Regions without pixels neither count nor vary: their coefficients are zero.
        share = (own @ z.T) / jnp.maximum(own.sum(1), 1.0)[:, None]
        weight = jnp.exp(-((1 - jnp.sqrt(share)) ** 2) / (2 * width**2)) * valid
        moved = own[:, None] * (z - 0.5)
        weighted = weight[..., None] * moved
        products = jnp.einsum("gpm,gpn->gmn", weighted, moved, precision=jax.lax.Precision.HIGHEST)
        with_scores = jnp.einsum("gpm,gp->gm", weighted, change, precision=jax.lax.Precision.HIGHEST)
        return weight.sum(1), (weight * change).sum(1), weighted.sum(1), with_scores, products

    found = _chunk.sum_variants(part, (images, fills, places, labels, there, whole), count, batch_size)
    weight, score, z, z_score, z_z = found
    return _regions.paint(_ridge(weight, score, z, z_score, z_z, ridge), places)


def _ridge(
    weight: jax.Array, score: jax.Array, z: jax.Array, z_score: jax.Array, z_z: jax.Array, ridge: float
) -> jax.Array:
    """`[B, M]` coefficients of the weighted moments of 1, y, z, zy and zz; the intercept is not penalised."""
    centred = z_z - z[:, :, None] * z[:, None, :] / weight[:, None, None]
    right = z_score - z * (score / weight)[:, None]
    system = centred + ridge * jnp.eye(z.shape[1], dtype=z.dtype)
    return jnp.linalg.solve(system, right[..., None])[..., 0]
