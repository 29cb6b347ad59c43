"""Phantom of a dermatoscopic image, RGB: naevus, melanoma, or seborrhoeic keratosis.

Skin of any shade, lit by the dermatoscope, with pores and fine lines. The three lesions have the same places, sizes and
range of brown, and the same other colours over the same area: black, pale, blue-grey, red. What tells them apart is the
arrangement, as for a dermatologist. A naevus is oval, its colours lie around its middle, and its network of brown lines
is even. A melanoma is lopsided with a notched border, its colours are patches on one side or another, and its network
is broken. A seborrhoeic keratosis has a sharp edge and a warty surface with ridges, and its colours are round spots all
over it: pale cysts, dark plugs, globules.

Skin and light are drawn before the class is looked at and from generators of their own: the same case of another class
is the same image outside its lesions. Masks are exact to the pixel centre; a lesion's colour begins at its outline.
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
_PALE = np.array([0.90, 0.80, 0.74])


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
    uneven: float  # how much the depth varies over the lesion
    dull: float  # share of grey
    colours: tuple[tuple[int, float, float], ...]  # (which, area as a share of the lesion, opacity)


def render(label: str, size: int, rng: np.random.Generator, lesions: int = 1) -> tuple[Array, tuple[Array, ...]]:
    """Draw one image.

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
                uneven=rng.uniform(0.10, 0.26),
                dull=rng.uniform(0.0, 0.28),
                colours=tuple(
                    (int(which), rng.uniform(0.04, 0.10), rng.uniform(0.45, 0.75))
                    for which in rng.permutation(4)[: int(rng.integers(1, 3))]
                ),
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
    if not mask.any():  # smaller than a pixel of a tiny image
        mask.flat[edge.argmax()] = True
        edge = np.where(mask, soft, edge)
    alpha = np.clip(edge / max(soft, 1.2 / size), 0, 1) * mask
    picture += alpha[..., None] * (colour - picture)
    return mask


def _body(lesion: Lesion, tone: Array, depth: Array) -> Array:
    """The brown of a lesion, with its share of grey."""
    colour = _brown(tone, np.clip(depth, 0.3 * lesion.depth, 2.0), lesion.hue)
    return colour + lesion.dull * (colour.mean(axis=-1, keepdims=True) - colour)


def _tint(which: int, tone: Array) -> Array:
    """One of the other colours, on skin of this tone."""
    return [_BLACK, _PALE * (0.45 + 0.6 * tone[0]), _VEIL, _RED * (0.6 + 0.4 * tone[0])][which]


def _naevus(picture: Array, lesion: Lesion, tone: Array, rng: np.random.Generator) -> Array:
    size = len(picture)
    u, v, reach, cos, sin = _frame(size, lesion)
    rim = _outline(cos, sin, rng, 0.035, 2, 3)
    edge = lesion.radius * (rim - reach) + 0.010 * f.noise(rng, 14, size)
    inside = np.clip(reach / rim, 0, 1)
    bend = (0.24 * f.noise(rng, 16, size), 0.24 * f.noise(rng, 16, size))
    step = max(0.085 / lesion.radius, 3.2 * 2 / size / lesion.radius)
    net = f.cover(0.13 - _cells(u, v, step, bend), 0.16)
    grain = 0.06 * f.noise(rng, 12, size) + 0.08 * f.noise(rng, 38, size)
    depth = lesion.depth * (0.62 + 0.40 * net + lesion.uneven * (1.2 - 3.0 * inside**2 + grain) + grain)
    colour = _body(lesion, tone, depth)
    # A disc in the middle, then rings around it: r = sqrt(share) for a disc, 2 r dr for a ring.
    out = 0.0
    for which, share, strength in lesion.colours:
        wide = np.sqrt(out * out + share) - out
        at = inside + 0.05 * f.noise(rng, 12, size) + 0.03 * f.noise(rng, 30, size)
        band = f.cover(out + wide - at, 0.22) * (f.cover(at - out, 0.22) if out else 1.0)
        out += wide + 0.16
        colour = colour + (strength * band)[..., None] * (_tint(which, tone) - colour)
    return _finish(picture, colour, edge, 0.08, size)


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
    grain = 0.10 * f.noise(rng, 12, size) + 0.10 * f.noise(rng, 38, size)
    depth = lesion.depth * (0.64 + 0.44 * net + lesion.uneven * f.noise(rng, 4, size) + grain)
    colour = _body(lesion, tone, depth)
    for which, share, strength in lesion.colours:
        turn, out = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 0.65)
        patch = np.sqrt(1.25 * share) - np.hypot(u - out * np.cos(turn), v - out * np.sin(turn))
        ragged = 0.10 * f.noise(rng, 7, size) + 0.06 * f.noise(rng, 17, size)
        cover = f.cover(patch + ragged, 0.16) * strength
        colour = colour + cover[..., None] * (_tint(which, tone) - colour)
    return _finish(picture, colour, edge, 0.065, size)


def _keratosis(picture: Array, lesion: Lesion, tone: Array, rng: np.random.Generator) -> Array:
    size = len(picture)
    u, v, reach, cos, sin = _frame(size, lesion)
    rim = _outline(cos, sin, rng, 0.06, 2, 5)
    edge = lesion.radius * (rim - reach) + 0.014 * f.noise(rng, 16, size)
    # Ridges and furrows as on a brain: level lines of noise.
    furrow = f.cover(0.24 - np.abs(f.noise(rng, 13, size) + 0.5 * f.noise(rng, 26, size)), 0.40)
    grain = 0.06 * f.noise(rng, 34, size) + 0.04 * f.noise(rng, 60, size)
    depth = lesion.depth * (0.62 + 0.40 * furrow + lesion.uneven * f.noise(rng, 6, size) + grain)
    depth = depth + 0.10 * np.exp(-(((edge - 0.022) / 0.016) ** 2))  # thicker at the edge
    colour = _body(lesion, tone, depth)
    uneven = 0.010 * f.noise(rng, 30, size)
    spots: list[tuple[float, float, float]] = []
    for which, share, strength in lesion.colours:
        count = int(rng.integers(6, 12))
        mean = np.sqrt(share / count)
        for _ in range(count):
            radius = mean * rng.uniform(0.75, 1.25)
            pu, pv = 0.0, 0.0
            for _ in range(20):
                turn, out = rng.uniform(0, 2 * np.pi), 0.82 * np.sqrt(rng.uniform(0, 1))
                pu, pv = out * np.cos(turn), out * np.sin(turn)
                if all(np.hypot(pu - a, pv - b) > radius + r + 0.03 for a, b, r in spots):
                    break
            spots.append((pu, pv, radius))
            spot = (radius - np.hypot(u - pu, v - pv)) * lesion.radius + uneven
            cover = f.cover(spot, max(0.025, 2 / size)) * strength
            colour = colour + cover[..., None] * (_tint(which, tone) - colour)
    return _finish(picture, colour, edge, 0.045, size)


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
