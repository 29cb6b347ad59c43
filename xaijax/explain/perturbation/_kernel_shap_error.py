"""Standard errors of KernelSHAP: a bootstrap of the pairs of complements that were drawn.

Enumerated coalitions are in every resample, as they are in every run; where all are enumerated the error is 0.
"""

from typing import Annotated

import jax
import jax.numpy as jnp

from xaijax._errors import InputError
from xaijax._options import Range
from xaijax.classifier import Classifier
from xaijax.explain._method import BatchSize, Key, as_key
from xaijax.explain._registry import checked
from xaijax.explain._targets import Target
from xaijax.explain.perturbation import _regions
from xaijax.explain.perturbation._coalitions import coalitions
from xaijax.explain.perturbation._kernel_shap import HIGHEST, shapley_values, solve

RESAMPLES = 200


@checked
def kernel_shap_with_error(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    count: Annotated[int, Range(2, 1_000_000)] | None,
    regions: _regions.Regions,
    baseline: _regions.Fill,
    key: Key,
    target: Target,
    batch_size: BatchSize,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`(maps [B, H, W], standard errors [B, H, W], coalitions [B])`; the options are those of `kernel_shap`."""
    seed = as_key(key)
    values, places, (plan, over, change) = shapley_values(
        classifier, images, labels, count, regions, baseline, seed, target, batch_size
    )
    maps = _regions.paint(values, places)
    number = jnp.full(images.shape[0], plan.count, jnp.int32)
    if plan.exact:
        return maps, jnp.zeros_like(maps), number
    pairs = plan.drawn // 2
    if pairs < 2:
        raise InputError(f"a standard error needs two pairs of drawn coalitions or more; got {pairs}: raise count")
    z, weights = coalitions(plan, seed, jnp.arange(plan.count))

    def resample(own: jax.Array) -> jax.Array:
        times = jnp.zeros(pairs, jnp.float32).at[jax.random.randint(own, (pairs,), 0, pairs)].add(1.0)
        again = weights * jnp.concatenate([jnp.ones(plan.listed, jnp.float32), jnp.repeat(times, 2)])
        matrix = jnp.einsum("p,pm,pn->mn", again, z, z, precision=HIGHEST)
        return solve(matrix, jnp.einsum("gp,p,pm->gm", over, again, z, precision=HIGHEST), change)

    keys = jax.random.split(jax.random.fold_in(seed, 2**31), RESAMPLES)
    found = jax.lax.map(resample, keys)
    return maps, _regions.paint(found.std(0, ddof=1), places), number
