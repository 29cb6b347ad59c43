"""Regions of an image that are kept or hidden as a whole: a grid, superpixels (SLIC) or masks that are given.

Regions are numbered 0 to M - 1, and every pixel has the number of its region (M: no region, never hidden). M is part of
the program, so that all images of a call have one shape: superpixels are at most M, and the numbers that an image does
not use are players without pixels.

Images are `[g, H, W, C]` in [0, 1]; z `[..., M]` is the share of each region that is kept, 1 the image, 0 the baseline.
"""

from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._errors import InputError
from xaijax._options import Form, Range
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._baselines import Baseline, make_baselines
from xaijax.explain._method import scores
from xaijax.explain._targets import Target

ROUNDING = 1e-6  # of float32 scores: a spread below this share of the scores is no spread
_MOST = 1024


def _slic_text(text: str) -> str:
    name, _, count = text.partition(":")
    if name != "slic" or not count.isdecimal() or not 1 <= int(count) <= _MOST:
        raise InputError(
            f"regions must be the side of a grid, slic:COUNT with 1 to {_MOST} superpixels, or masks; got {text!r}"
        )
    return f"slic:{int(count)}"


Regions = Annotated[int, Range(1, 64)] | Annotated[str, Form(_slic_text, "slic:COUNT")] | jax.Array
"""`8` for a grid of 8 x 8 cells, `"slic:50"` for at most 50 superpixels, or masks `[M, H, W]` or `[B, M, H, W]`."""
Fill = Literal["region_mean"] | Baseline
"""One baseline as in `integrated_gradients`, or `"region_mean"`, the mean colour of each region."""


def grid_places(size: tuple[int, int], side: int) -> np.ndarray:
    """`[H, W]` int32, the cell of each pixel: nearest enlargement of a side x side grid, cell by cell in rows."""
    if side > min(size):
        raise InputError(f"regions must be from 1 to {min(size)} cells along each side for these images; got {side}")
    rows, columns = (np.arange(n) * side // n for n in size)
    return (rows[:, None] * side + columns[None, :]).astype(np.int32)


def superpixels(images: np.ndarray, most: int) -> np.ndarray:
    """`[B, H, W]` int32: SLIC with at most `most` superpixels, in L*a*b*, grey images as if in colour."""
    from skimage.segmentation import slic

    found = []
    for image in np.asarray(images, np.float64):
        colours = np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image
        lab = colours.shape[-1] == 3  # lightness from 0 to 100; other channels stay in [0, 1]
        for wanted in range(most, 0, -1):
            labels = slic(colours, wanted, compactness=10 if lab else 0.1, start_label=0, convert2lab=lab)
            if labels.max() < most:  # the number is a wish, and may be exceeded
                break
        else:
            labels = np.zeros(image.shape[:2])
        found.append(labels.astype(np.int32))
    return np.stack(found)


def make_regions(images: jax.Array, regions: Regions) -> tuple[jax.Array, int]:
    """`(places [B, H, W] int32, M)`: the region of every pixel of every image; M is a Python number."""
    shape = (images.shape[0], images.shape[1], images.shape[2])
    if isinstance(regions, int):
        return jnp.broadcast_to(grid_places(shape[1:], regions), shape), regions**2
    if isinstance(regions, str):
        most = int(regions.partition(":")[2])
        if not isinstance(images, jax.core.Tracer):
            return jnp.asarray(superpixels(np.asarray(images), most)), most
        form = jax.ShapeDtypeStruct(shape, jnp.int32)
        fixed = jax.lax.stop_gradient(images)  # the borders of superpixels have no derivative
        return jax.pure_callback(lambda x: superpixels(x, most), form, fixed, vmap_method="sequential"), most
    masks = jnp.asarray(regions)
    if masks.ndim == 3:
        masks = masks[None]
    batches = (1, shape[0])
    if masks.ndim != 4 or masks.size == 0 or masks.shape[0] not in batches or masks.shape[2:] != shape[1:]:
        raise InputError(
            f"regions must be masks [M, {shape[1]}, {shape[2]}] or [{shape[0]}, M, {shape[1]}, {shape[2]}]; "
            f"got shape {tuple(regions.shape)}"
        )
    inside, count = masks.astype(bool), masks.shape[1]
    places = jnp.where(inside.any(1), inside.argmax(1), count).astype(jnp.int32)
    return jnp.broadcast_to(places, shape), count


def present(places: jax.Array, count: int) -> jax.Array:
    """`[B, M]` float32: 1 where a region has pixels."""
    flat = places.reshape(places.shape[0], -1)
    return jax.vmap(lambda p: jnp.zeros(count + 1, jnp.float32).at[p].set(1.0))(flat)[:, :count]


def paint(values: jax.Array, places: jax.Array) -> jax.Array:
    """`[B, M]` values and `[B, H, W]` places -> `[B, H, W]`; 0 outside all regions."""
    padded = jnp.concatenate([values, jnp.zeros_like(values[:, :1])], axis=1)
    return jax.vmap(lambda v, p: v[p])(padded, places)


def fill_images(images: jax.Array, places: jax.Array, count: int, baseline: Fill, method: str) -> jax.Array:
    """`[B, H, W, C]`: what stands where a region is hidden."""
    if isinstance(baseline, str) and baseline == "region_mean":

        def one(x: jax.Array, place: jax.Array) -> jax.Array:
            sums = jax.ops.segment_sum(x.reshape(-1, x.shape[-1]), place.reshape(-1), count + 1)
            sizes = jax.ops.segment_sum(jnp.ones(place.size, x.dtype), place.reshape(-1), count + 1)
            return (sums / jnp.maximum(sizes, 1.0)[:, None])[place]

        return jax.vmap(one)(images, places)
    fills = make_baselines(images, baseline)
    if fills.shape[1] != 1:
        raise InputError(f"{method} takes one baseline; got {fills.shape[1]}")
    return fills[:, 0]


def kept_scores(
    classifier: Classifier, x: jax.Array, fill: jax.Array, places: jax.Array, y: jax.Array, z: jax.Array, target: Target
) -> jax.Array:
    """`[g, p]` scores of `z x + (1 - z) fill` for g images and the p rows of z `[p, M]`, in one forward pass."""
    padded = jnp.concatenate([z, jnp.ones_like(z[:, :1])], axis=1)
    share = jnp.moveaxis(padded[:, places], 0, 1)[..., None]  # [g, p, H, W, 1]
    mixed = share * x[:, None] + (1 - share) * fill[:, None]
    found = scores(classifier, _chunk.flatten(mixed), _chunk.repeat(y, z.shape[0]), target)
    return found.reshape(-1, z.shape[0])
