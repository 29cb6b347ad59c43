"""Textures and their mixtures with a known truth: maps whose agreement with the truth is known.

`m(θ, a) = (1 - a) T/sd(T) + a N_θ/sd(N_θ)`: T is the truth, N_θ a texture that was centred and made orthogonal to T, so
that all maps of one a have the same correlation with T, `(1 - a)/√((1 - a)² + a²)`. Every map gets noise of 1e-6 of its
standard deviation, so that ties are not broken by position, and is scaled to [0, 1]. Maps are float64 `[H, W]`: in
float32 that noise would be rounded away.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xaijax.metrics._stream import float_images

Floats = NDArray[np.float64]

JITTER = 1e-6
"""Standard deviation of the noise that breaks ties, in that of the map."""
FLAT = 1e-9
"""Textures of a smaller standard deviation than this, of values near 1, are not there."""
DOTS = 0.01
"""Share of the pixels of the texture of sparse dots."""
SEGMENTS = 60
"""Superpixels that SLIC aims for."""


def _smooth(sigma: float) -> Callable[[Any, np.random.Generator], Floats]:
    def texture(image: NDArray[Any], rng: np.random.Generator) -> Floats:
        return np.asarray(ndimage.gaussian_filter(rng.standard_normal(image.shape[:2]), sigma, mode="wrap"))

    return texture


def _white(image: NDArray[Any], rng: np.random.Generator) -> Floats:
    return rng.standard_normal(image.shape[:2])


def _edges(image: NDArray[Any], rng: np.random.Generator) -> Floats:
    return np.asarray(ndimage.gaussian_gradient_magnitude(_grey(image), 1.0))


def _centre(image: NDArray[Any], rng: np.random.Generator) -> Floats:
    height, width = image.shape[:2]
    y, x = (np.arange(height) - (height - 1) / 2)[:, None], np.arange(width) - (width - 1) / 2
    return np.asarray(np.exp(-(y**2 + x**2) / (2 * (min(height, width) / 4) ** 2)))


def _superpixels(image: NDArray[Any], rng: np.random.Generator) -> Floats:
    from skimage.segmentation import slic

    segments = slic(_grey(image), n_segments=SEGMENTS, compactness=0.1, start_label=0, channel_axis=None)
    return np.asarray(rng.random(int(segments.max()) + 1)[segments])


def _dots(image: NDArray[Any], rng: np.random.Generator) -> Floats:
    shape = image.shape[:2]
    return np.where(rng.random(shape) < DOTS, rng.uniform(0.5, 1.0, shape), 0.0)


def _grey(image: NDArray[Any]) -> Floats:
    return np.asarray(float_images(image).mean(axis=-1, dtype=np.float64))


TEXTURES: dict[str, Callable[[NDArray[Any], np.random.Generator], Floats]] = {
    "white": _white,
    "smooth 2": _smooth(2.0),
    "smooth 6": _smooth(6.0),
    "smooth 16": _smooth(16.0),
    "edges": _edges,
    "centre": _centre,
    "superpixels": _superpixels,
    "dots": _dots,
}
"""name -> function of (image `[H, W, C]`, generator) that gives `[H, W]`."""
FIXED = ("edges", "centre")
"""Textures without anything random: there is one of each image."""


def orthogonal(texture: Any, truth: Any) -> Floats:
    """A texture, centred, without its part along the centred truth, with standard deviation 1.

    Args:
        texture: `[H, W]`.
        truth: `[H, W]`, not constant.

    Returns:
        `[H, W]`; all NaN where nothing is left of the texture.

    Example:
        >>> truth = np.array([[0.0, 0.0, 1.0, 1.0]])
        >>> orthogonal(np.array([[0.0, 1.0, 2.0, 3.0]]), truth).round(9).tolist()
        [[-1.0, 1.0, -1.0, 1.0]]
    """
    n, t = (np.asarray(values, np.float64) for values in (texture, truth))
    scale = max(float(np.abs(n).max()), np.finfo(np.float64).tiny)
    n = n / scale
    n, t = n - n.mean(), t - t.mean()
    n = n - (n * t).sum() / (t * t).sum() * t
    spread = n.std()
    return n / spread if spread > FLAT else np.full(n.shape, np.nan)


def mixture(truth: Any, texture: Any, share: float, rng: np.random.Generator) -> Floats:
    """The map `m(θ, a)`.

    Args:
        truth: `[H, W]`, not constant.
        texture: `[H, W]`, as `orthogonal` gives it; not read where `share` is 0.
        share: a, of the texture, in [0, 1].
        rng: of the noise that breaks ties.

    Returns:
        `[H, W]` float64 in [0, 1].

    Example:
        >>> truth = np.array([[0.0, 0.0, 1.0, 1.0]])
        >>> mixture(truth, None, 0.0, np.random.default_rng(0)).round(3).tolist()
        [[0.0, 0.0, 1.0, 1.0]]
    """
    t = np.asarray(truth, np.float64)
    made = (1 - share) * t / t.std()
    if share:
        made = made + share * np.asarray(texture, np.float64)
    made = made + JITTER * made.std() * rng.standard_normal(t.shape)
    made = made - made.min()
    return np.asarray(made / made.max())
