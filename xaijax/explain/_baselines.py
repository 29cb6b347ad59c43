"""Baselines: the images that an attribution is measured from.

A baseline is `"black"` (or `"zeros"`: images are in [0, 1] and the weights' preprocessing is in the model, so zeros are
a black image), `"white"`, `"mean"` (each image's mean colour), `"blur"` (the image blurred by a twentieth of its
shorter side), a number, an array that broadcasts to `[B, H, W, C]`, or a tuple of these to average over.
"""

from typing import Annotated, Literal

import jax
import jax.numpy as jnp

from xaijax._errors import InputError
from xaijax._options import Range
from xaijax.classifier import to_float
from xaijax.explain import _filters as filters

Name = Literal["black", "zeros", "white", "mean", "blur"]
OneBaseline = Name | Annotated[float, Range(without_low=True, without_high=True)] | jax.Array
Baseline = OneBaseline | tuple[OneBaseline, ...]


def _one(images: jax.Array, baseline: OneBaseline) -> jax.Array:
    if isinstance(baseline, str):
        if baseline in ("black", "zeros"):
            return jnp.zeros_like(images)
        if baseline == "white":
            return jnp.ones_like(images)
        if baseline == "mean":
            return jnp.broadcast_to(images.mean((1, 2), keepdims=True), images.shape)
        return filters.gaussian_blur(images, min(images.shape[1:3]) / 20, normalize=True)
    if isinstance(baseline, int | float):
        return jnp.full_like(images, baseline)
    array = to_float(baseline).astype(images.dtype)
    try:
        return jnp.broadcast_to(array, images.shape)
    except ValueError:
        raise InputError(
            f"baseline must broadcast to the images' shape {images.shape}; got shape {tuple(array.shape)}: "
            "pass several baselines as a tuple"
        ) from None


def make_baselines(images: jax.Array, baseline: Baseline) -> jax.Array:
    """`[B, N, H, W, C]`: the N baselines of every image."""
    several = list(baseline) if isinstance(baseline, tuple | list) else [baseline]
    if not several:
        raise InputError("baseline must hold at least one baseline; got an empty tuple")
    return jnp.stack([_one(images, each) for each in several], axis=1)
