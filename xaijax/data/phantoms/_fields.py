"""Drawing in canonical coordinates: distances, partial-volume edges and smooth noise, the same at every image size.

Coordinates are [-1, 1] across the image, x to the right and y down, at pixel centres. Distances are positive inside and
are first-order estimates: near an edge they are lengths, far from it only their sign and order count.
"""

from functools import lru_cache

import numpy as np

Array = np.ndarray


@lru_cache(maxsize=8)
def grid(size: int) -> tuple[Array, Array]:
    """Pixel centres `(x, y)`, each `[size, size]`, read-only."""
    line = (2 * np.arange(size) + 1) / size - 1
    x, y = np.meshgrid(line, line)
    x.flags.writeable = y.flags.writeable = False
    return x, y


@lru_cache(maxsize=64)
def _basis(size: int, cells: int) -> Array:
    """Cubic B-spline weights of `cells + 3` knots at the `size` pixel centres of one axis."""
    at = (np.arange(size) + 0.5) / size * cells
    cell = np.minimum(at.astype(np.int64), cells - 1)
    t = at - cell
    weights = np.zeros((size, cells + 3))
    rows = np.arange(size)
    for offset, value in enumerate(
        ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3),
    ):
        weights[rows, cell + offset] = value / 6
    return weights


# Mean of the squared B-spline weights per axis: brings the field to unit variance.
_SPREAD = 151 / 315


def noise(rng: np.random.Generator, cells: int, size: int) -> Array:
    """Smooth noise `[size, size]` of mean 0 and variance about 1; features are about `2 / cells` long.

    The draw does not depend on the size, so the same generator state gives the same field at every size.
    """
    knots = rng.standard_normal((cells + 3, cells + 3)) / _SPREAD
    basis = _basis(size, cells)
    return basis @ knots @ basis.T


def ellipse(x: Array, y: Array, cx: float, cy: float, rx: float, ry: float, angle: float = 0.0) -> Array:
    """Distance to a turned ellipse (`angle` in radians, from x towards y)."""
    cos, sin = np.cos(angle), np.sin(angle)
    u = ((x - cx) * cos + (y - cy) * sin) / rx
    v = ((y - cy) * cos - (x - cx) * sin) / ry
    radius = np.sqrt(u * u + v * v)
    # r (1 - r) / |grad| with the gradient of the ellipse equation: a length near the edge for any aspect.
    slope = np.sqrt((u / rx) ** 2 + (v / ry) ** 2) + 1e-9
    return radius * (1 - radius) / slope + np.where(radius < 1e-6, min(rx, ry), 0.0)


def segment(x: Array, y: Array, x0: float, y0: float, x1: float, y1: float, half: float) -> Array:
    """Distance to a line of round ends, `half` thick on each side."""
    dx, dy = x1 - x0, y1 - y0
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
    return half - np.hypot(x - x0 - along * dx, y - y0 - along * dy)


def cover(distance: Array, soft: float) -> Array:
    """Share of a pixel inside an edge `soft` wide: 0 outside, 1 inside."""
    return np.clip(0.5 + distance / soft, 0, 1)


def band(distance: Array, low: float, high: float, soft: float) -> Array:
    """Share of a pixel between two distances."""
    return np.minimum(cover(distance - low, soft), cover(high - distance, soft))


def paint(picture: Array, alpha: Array, value: Array | float) -> None:
    """Put a value over the picture, in place, with opacity `alpha` from 0 to 1."""
    picture += alpha * (value - picture)
