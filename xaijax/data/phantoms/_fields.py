"""Drawing in canonical coordinates: distances, partial-volume edges and smooth noise, the same at every image size.

Coordinates are [-1, 1] across the image, x to the right and y down, at pixel centres. Distances are positive inside and
are first-order estimates: near an edge they are lengths, far from it only their sign and order count.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

Array = np.ndarray
Window = tuple[slice, slice]
WHOLE: Window = (slice(None), slice(None))


@lru_cache(maxsize=8)
def grid(size: int) -> tuple[Array, Array]:
    """Pixel centres `(x, y)`, each `[size, size]`, read-only."""
    line = (2 * np.arange(size) + 1) / size - 1
    x, y = np.meshgrid(line, line)
    x.flags.writeable = y.flags.writeable = False
    return x, y


@lru_cache(maxsize=64)
def _taps(size: int, cells: int) -> tuple[Array, Array]:
    """First knot `[size]` and cubic B-spline weights `[4, size]` of the `size` pixel centres of one axis."""
    at = (np.arange(size) + 0.5) / size * cells
    cell = np.minimum(at.astype(np.int64), cells - 1)
    t = at - cell
    return cell, np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6


# Mean of the squared B-spline weights per axis: brings the field to unit variance.
_SPREAD = 151 / 315


def noise(rng: np.random.Generator, cells: int, size: int, window: Window = WHOLE) -> Array:
    """Smooth noise of mean 0 and variance about 1, features about `2 / cells` long: `[size, size]`, or a window of it.

    The draw depends neither on the size nor on the window, so the same generator state gives the same field.
    """
    knots = rng.standard_normal((cells + 3, cells + 3)) / _SPREAD
    # Four taps an axis instead of two matrix products: no BLAS threads, and one order of summation everywhere.
    first, weights = _taps(size, cells)
    columns = _mix(knots.T, first[window[1]], weights[:, window[1]])
    return _mix(np.ascontiguousarray(columns.T), first[window[0]], weights[:, window[0]])


def _mix(knots: Array, first: Array, weights: Array) -> Array:
    """Rows `first[i] .. first[i] + 3` of the knots, weighted and added."""
    total = knots[first]
    total *= weights[0, :, None]
    part = np.empty_like(total)
    for tap in range(1, 4):
        np.take(knots, first + tap, axis=0, out=part, mode="clip")  # "raise" would copy the output
        part *= weights[tap, :, None]
        total += part
    return total


def harmonics(cos: Array, sin: Array, waves: Sequence[tuple[float, float]], first: int = 2) -> Array:
    """`Σ_n a_n cos(n t + p_n)` for n = first, first + 1 ..., from the cosine and sine of t and the `(a_n, p_n)`."""
    c, s = cos, sin
    for _ in range(first - 1):
        c, s = c * cos - s * sin, s * cos + c * sin
    total = np.zeros_like(cos)
    for amplitude, phase in waves:
        total = total + (amplitude * np.cos(phase)) * c - (amplitude * np.sin(phase)) * s
        c, s = c * cos - s * sin, s * cos + c * sin
    return total


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


def join(a: Array, b: Array, width: float) -> Array:
    """The larger of two, rounded where they are within `width` of each other."""
    near = np.clip(1 - np.abs(a - b) / width, 0, 1)
    return np.maximum(a, b) + 0.25 * width * near * near


def paint(picture: Array, alpha: Array, value: Array | float) -> None:
    """Put a value over the image, in place, with opacity `alpha` from 0 to 1."""
    picture += alpha * (value - picture)
