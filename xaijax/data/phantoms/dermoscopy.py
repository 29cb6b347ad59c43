"""Phantom of a dermatoscopic picture, RGB: naevus, melanoma, or seborrhoeic keratosis.

Skin of any shade, lit by the dermatoscope, with pores and fine lines. The three lesions have the same places, sizes and
range of brown; what tells them apart is their structure, as for a dermatologist. A naevus is oval and symmetric, of one
colour, with an even network of brown lines that thins out towards the edge. A melanoma is lopsided with a notched
border, has an uneven network with black dots, and areas of other colours: blue-grey veil, black, red, white scar. A
seborrhoeic keratosis has a sharp edge and a dull, warty surface with ridges, pale round cysts, and dark round plugs.

Skin and light are drawn before the class is looked at and from generators of their own: the same case of another class
is the same picture outside its lesions. Masks are exact to the pixel centre; a lesion's colour begins at its outline.
"""

from dataclasses import dataclass

import numpy as np

from xaijax.data.phantoms import _fields as f

Array = np.ndarray
CLASSES = ("naevus", "melanoma", "keratosis")

# Skin from light to dark; light that comes back from it, linear, red green blue.
_SKIN = np.array([[0.93, 0.76, 0.69], [0.89, 0.68, 0.58], [0.80, 0.58, 0.46], [0.66, 0.46, 0.35]])
_BLACK = np.array([0.14, 0.09, 0.09])
_VEIL = np.array([0.40, 0.44, 0.54])
_RED = np.array([0.72, 0.34, 0.34])
_SCAR = np.array([0.88, 0.78, 0.76])


@dataclass(frozen=True)
class Lesion:
    """Geometry and pigment that all classes share."""

    x: float
    y: float
    radius: float
    long: float  # ratio of the axes
    angle: float
    depth: float  # of the pigment, 0 to 1
    hue: float  # from yellowish to reddish brown, 0 to 1


def render(label: str, size: int, rng: np.random.Generator, lesions: int = 1) -> tuple[Array, tuple[Array, ...]]:
    """Draw one picture.

    Args:
        label: one of `CLASSES`.
        size: side in pixels.
        rng: a fresh generator; it decides everything else.
        lesions: number of lesions, all of the class; more are smaller.

    Returns:
        `(image, masks)`: uint8 RGB `[size, size, 3]`, and one bool `[size, size]` per lesion.
    """
    skin, place, disease, camera = rng.spawn(4)
    picture = _skin(size, skin)
    tone = picture.mean(axis=(0, 1))
    masks = tuple(_PAINT[label](picture, lesion, tone, disease) for lesion in _places(lesions, place))
    return _photograph(picture, camera), masks


def _skin(size: int, rng: np.random.Generator) -> Array:
    """`[size, size, 3]` colours of healthy skin: patches, pores, and the fine lines between its fields."""
    shade = rng.uniform(0, len(_SKIN) - 1.001)
    first = int(shade)
    tone = (1 - shade + first) * _SKIN[first] + (shade - first) * _SKIN[first + 1]
    tone = tone * (1 + rng.normal(0, [0.015, 0.03, 0.035]))
    patch = (
        0.030 * f.noise(rng, 3, size)
        + 0.020 * f.noise(rng, 8, size)
        + 0.014 * f.noise(rng, 30, size)
        + 0.012 * f.noise(rng, 70, size)
    )
    blood = 0.008 * f.noise(rng, 5, size) + 0.007 * f.noise(rng, 18, size)
    lines = np.exp(-((f.noise(rng, 15, size) / 0.10) ** 2)) + np.exp(-((f.noise(rng, 19, size) / 0.09) ** 2))
    pores = f.cover(0.5 * (f.noise(rng, 40, size) - 2.1), 0.6)
    light = 1 + patch + 0.020 * lines - 0.07 * pores
    colour = np.stack([0.4 * blood, -1.0 * blood, -0.8 * blood], axis=-1)
    return tone * light[..., None] + colour


def _places(count: int, rng: np.random.Generator) -> list[Lesion]:
    """Lesions that do not touch; a single one is large and near the middle."""
    found: list[Lesion] = []
    for _ in range(count):
        largest = 0.66 if count == 1 else 0.62 / np.sqrt(count) - 0.04
        for attempt in range(400):
            radius = rng.uniform(0.60, 1.0) * largest * 0.997**attempt
            free = 0.90 - 1.25 * radius
            x, y = rng.normal(0, 0.12, 2) if count == 1 else rng.uniform(-free, free, 2)
            if all(np.hypot(x - one.x, y - one.y) > 1.35 * (radius + one.radius) for one in found):
                break
        found.append(
            Lesion(
                float(x),
                float(y),
                float(radius),
                long=rng.uniform(1.05, 1.35),
                angle=rng.uniform(0, np.pi),
                depth=rng.uniform(0.45, 0.85),
                hue=rng.uniform(0, 1),
            )
        )
    return found


def _brown(tone: Array, depth: Array | float, hue: float) -> Array:
    """Skin behind melanin: every channel is attenuated, blue most (Beer-Lambert)."""
    absorb = (1 - hue) * np.array([0.55, 1.05, 1.75]) + hue * np.array([0.70, 1.40, 1.65])
    return tone * np.exp(-np.asarray(depth)[..., None] * absorb)


def _frame(size: int, lesion: Lesion) -> tuple[Array, Array, Array, Array, Array]:
    """Coordinates along and across a lesion in radii, distance from its middle, and cosine and sine of the angle."""
    x, y = f.grid(size)
    cos, sin = np.cos(lesion.angle), np.sin(lesion.angle)
    u = ((x - lesion.x) * cos + (y - lesion.y) * sin) / (lesion.radius * np.sqrt(lesion.long))
    v = ((y - lesion.y) * cos - (x - lesion.x) * sin) * np.sqrt(lesion.long) / lesion.radius
    reach = np.hypot(u, v) + 1e-9
    return u, v, reach, u / reach, v / reach


def _outline(cos: Array, sin: Array, rng: np.random.Generator, rough: float, first: int, orders: int) -> Array:
    waves = tuple((rng.normal(0, rough / (order + 1) ** 0.5), rng.uniform(0, 2 * np.pi)) for order in range(orders))
    return np.maximum(1 + f.harmonics(cos, sin, waves, first=first), 0.45)


def _cells(u: Array, v: Array, step: float, bend: tuple[Array, Array]) -> Array:
    """Distance of each place to the walls of a honeycomb, 0 on a wall to about 0.5 in the middle of a cell."""
    u, v = u / step + bend[0], v / step + bend[1]
    best = np.full_like(u, 9.0)
    second = np.full_like(u, 9.0)
    # Two shifted lattices of points make the hexagons; the walls are where the two nearest points are equally far.
    for shift in (0.0, 0.5):
        row = np.rint(v / np.sqrt(3) - shift)
        column = np.rint(u - shift)
        for i in (-1, 0, 1):
            away = np.hypot(u - shift - column - i, v - np.sqrt(3) * (row + shift))
            second = np.minimum(second, np.maximum(best, away))
            best = np.minimum(best, away)
    return 0.5 * (second - best)


def _finish(picture: Array, colour: Array, edge: Array, soft: float, size: int) -> Array:
    """Paint a lesion from its outline (edge 0) inwards over `soft`, and return its mask, never empty."""
    mask = edge > 0
    if not mask.any():  # smaller than a pixel of a tiny picture
        mask.flat[edge.argmax()] = True
        edge = np.where(mask, soft, edge)
    alpha = np.clip(edge / max(soft, 1.2 / size), 0, 1) * mask
    picture += alpha[..., None] * (colour - picture)
    return mask


def _naevus(picture: Array, lesion: Lesion, tone: Array, rng: np.random.Generator) -> Array:
    size = len(picture)
    u, v, reach, cos, sin = _frame(size, lesion)
    rim = _outline(cos, sin, rng, 0.035, 2, 3)
    edge = lesion.radius * (rim - reach) + 0.010 * f.noise(rng, 14, size)
    inside = np.clip(reach / rim, 0, 1)
    bend = (0.24 * f.noise(rng, 16, size), 0.24 * f.noise(rng, 16, size))
    step = max(0.085 / lesion.radius, 3.2 * 2 / size / lesion.radius)
    net = f.cover(0.13 - _cells(u, v, step, bend), 0.16)
    fade = np.clip(1.35 - inside**3, 0, 1)
    depth = lesion.depth * (0.62 + 0.42 * net * f.cover(inside - 0.25, 0.35) + 0.10 * (1 - inside)) * fade
    depth = depth * (1 + 0.06 * f.noise(rng, 7, size) + 0.07 * f.noise(rng, 40, size))
    return _finish(picture, _brown(tone, depth, lesion.hue), edge, 0.09, size)


def _melanoma(picture: Array, lesion: Lesion, tone: Array, rng: np.random.Generator) -> Array:
    size = len(picture)
    u, v, reach, cos, sin = _frame(size, lesion)
    # One side bulges, and the border is notched.
    side = rng.uniform(0, 2 * np.pi)
    rim = _outline(cos, sin, rng, 0.10, 2, 6)
    rim = np.maximum(rim * (1 + 0.16 * (cos * np.cos(side) + sin * np.sin(side))), 0.4)
    edge = lesion.radius * (rim - reach) + 0.026 * f.noise(rng, 13, size) + 0.012 * f.noise(rng, 26, size)
    bend = (0.45 * f.noise(rng, 11, size), 0.45 * f.noise(rng, 11, size))
    step = max(0.10 / lesion.radius, 3.2 * 2 / size / lesion.radius)
    net = f.cover(0.15 - _cells(u, v, step, bend), 0.18) * f.cover(f.noise(rng, 5, size) + 0.2, 0.8)
    where = f.noise(rng, 4, size)
    depth = lesion.depth * np.clip(
        0.66 + 0.30 * where + 0.40 * net + 0.12 * f.noise(rng, 12, size) + 0.12 * f.noise(rng, 38, size), 0.15, 1.8
    )
    colour = _brown(tone, depth, lesion.hue)
    # Areas of other colours; which ones differs from case to case, two at least.
    areas = [_BLACK, _VEIL, _RED * (0.6 + 0.4 * tone[0]), _SCAR * (0.45 + 0.6 * tone[0])]
    chosen = rng.permutation(4)[: int(rng.integers(2, 5))]
    for kind in chosen:
        angle, out = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.62)
        blob = rng.uniform(0.26, 0.46) - np.hypot(u - out * np.cos(angle), v - out * np.sin(angle))
        ragged = 0.13 * f.noise(rng, 7, size) + 0.06 * f.noise(rng, 17, size)
        share = f.cover(blob + ragged, 0.26) * rng.uniform(0.50, 0.88)
        colour = colour + share[..., None] * (areas[kind] * (1 + 0.05 * f.noise(rng, 22, size))[..., None] - colour)
    dots = f.cover(0.4 * (f.noise(rng, 26, size) - 1.75), 0.3) * f.cover(f.noise(rng, 4, size), 0.6)
    colour = colour + 0.85 * dots[..., None] * (_BLACK - colour)
    return _finish(picture, colour, edge, 0.065, size)


def _keratosis(picture: Array, lesion: Lesion, tone: Array, rng: np.random.Generator) -> Array:
    size = len(picture)
    u, v, reach, cos, sin = _frame(size, lesion)
    rim = _outline(cos, sin, rng, 0.06, 2, 5)
    edge = lesion.radius * (rim - reach) + 0.014 * f.noise(rng, 16, size)
    # Ridges and furrows as on a brain: level lines of noise.
    folds = np.abs(f.noise(rng, 13, size) + 0.5 * f.noise(rng, 26, size))
    furrow = f.cover(0.22 - folds, 0.40)
    depth = lesion.depth * (0.66 + 0.34 * furrow + 0.10 * f.noise(rng, 6, size))
    colour = _brown(tone, np.clip(depth, 0.05, 2), lesion.hue)
    # The horny layer is dull: greyer, and lighter on the ridges.
    grey = colour.mean(axis=-1, keepdims=True)
    colour = colour + rng.uniform(0.12, 0.30) * (grey * np.array([1.04, 1.0, 0.93]) - colour)
    colour = (
        colour * (1 + 0.05 * (1 - furrow) + 0.05 * f.noise(rng, 34, size) + 0.03 * f.noise(rng, 60, size))[..., None]
    )
    # Thicker at the edge: a darker rim, and light on it.
    step = np.exp(-(((edge - 0.022) / 0.016) ** 2))
    colour = colour * (1 - 0.16 * step)[..., None]
    uneven = 0.012 * f.noise(rng, 30, size)
    spots: list[tuple[float, float, float]] = []
    for pale, count, low, high in ((True, int(rng.integers(5, 12)), 0.018, 0.036),
                                   (False, int(rng.integers(4, 10)), 0.022, 0.044)):  # fmt: skip
        for _ in range(count):
            for _ in range(20):
                angle, out = rng.uniform(0, 2 * np.pi), 0.80 * np.sqrt(rng.uniform(0, 1))
                pu, pv = out * np.cos(angle), out * np.sin(angle)
                radius = rng.uniform(low, high) * (0.35 + 0.65 * lesion.radius / 0.5) / lesion.radius
                if all(np.hypot(pu - a, pv - b) > radius + r + 0.03 for a, b, r in spots):
                    break
            spots.append((pu, pv, radius))
            spot = (radius - np.hypot(u - pu, v - pv)) * lesion.radius + uneven
            share = f.cover(spot, max(0.03, 2 / size))
            target = np.array([0.97, 0.91, 0.76]) * (0.55 + 0.45 * tone[0]) if pale else _BLACK * 1.5 + 0.06 * tone
            colour = colour + (0.72 if pale else 0.78) * share[..., None] * (target - colour)
    return _finish(picture, colour, edge, 0.040, size)


_PAINT = {"naevus": _naevus, "melanoma": _melanoma, "keratosis": _keratosis}


def _photograph(picture: Array, rng: np.random.Generator) -> Array:
    """The camera: uneven light, white balance, exposure, and noise."""
    size = len(picture)
    x, y = f.grid(size)
    tilt = rng.normal(0, 0.03, 2)
    light = 1 + tilt[0] * x + tilt[1] * y - rng.uniform(0.02, 0.12) * (x * x + y * y)
    gain = rng.uniform(0.86, 1.06) * (1 + rng.normal(0, [0.02, 0.0, 0.025]))
    noise = rng.standard_normal((size, size, 3)) * rng.uniform(0.006, 0.014)
    return np.rint(255 * np.clip(picture * light[..., None] * gain + noise, 0, 1)).astype(np.uint8)
