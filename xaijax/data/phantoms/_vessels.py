"""Branching tubes: pulmonary vessels and bronchi, grown from a stem and drawn piece by piece."""

import numpy as np

from xaijax.data.phantoms import _fields as f

Array = np.ndarray


def grow(
    rng: np.random.Generator, stem: tuple[float, float], heading: float, length: float, radius: float, orders: int
) -> Array:
    """A tree of straight pieces, `[n, 6]`: both ends (x, y, x, y) and the radius at each.

    Every branch bends and forks in two; a fork keeps about the cross section (Murray: `r³ = r1³ + r2³`).

    Args:
        rng: decides the shape.
        stem: where the tree starts.
        heading: of the stem, radians from x towards y.
        length: of the stem; branches are shorter order by order.
        radius: at the start of the stem.
        orders: how often branches fork.
    """
    # All branches of one order at once.
    at, turn, size = np.array([stem]), np.array([heading]), np.array([radius])
    pieces = []
    for _ in range(orders + 1):
        for _ in range(2):
            turn = turn + rng.normal(0, 0.16, len(turn))
            step = 0.5 * length * rng.uniform(0.7, 1.3, (len(turn), 1))
            end = at + step * np.stack([np.cos(turn), np.sin(turn)], axis=1)
            pieces.append(np.concatenate([at, end, size[:, None], 0.92 * size[:, None]], axis=1))
            at, size = end, 0.92 * size
        share = rng.uniform(0.3, 0.7, len(size))
        spread = rng.uniform(0.35, 0.75, len(size))
        turn = np.concatenate([turn + (1 - share) * spread * 1.4, turn - share * spread * 1.4])
        size = np.concatenate([size * np.cbrt(share), size * np.cbrt(1 - share)])
        at = np.concatenate([at, at])
        length *= 0.82
    return np.concatenate(pieces)


def draw(pieces: Array, size: int, *, depth: bool) -> Array:
    """The tubes on an image, `[size, size]`, coordinates as in `_fields.grid`.

    Args:
        pieces: as `grow` gives them.
        size: side of the image.
        depth: True for the tubes' thickness along the view, added up as on a radiograph; False for the share of each
            pixel that is inside, as on a section.
    """
    picture = np.zeros((size, size))
    line = f.grid(size)[0][0]
    pixel = 2 / size
    for x0, y0, x1, y1, r0, r1 in pieces.tolist():
        # Thinner than a pixel: as wide as it, and fainter by as much.
        wide = max(r0, r1, 0.55 * pixel)
        reach = wide + pixel
        left, right = np.searchsorted(line, (min(x0, x1) - reach, max(x0, x1) + reach))
        top, bottom = np.searchsorted(line, (min(y0, y1) - reach, max(y0, y1) + reach))
        if left >= right or top >= bottom:
            continue
        x, y = line[left:right], line[top:bottom, None]
        dx, dy = x1 - x0, y1 - y0
        t = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy + 1e-12), 0, 1)
        away = (x - x0 - t * dx) ** 2 + (y - y0 - t * dy) ** 2
        own = r0 + (r1 - r0) * t
        shown = np.maximum(own, 0.55 * pixel)
        faint = (own / shown) ** (2 if depth else 1)
        part = picture[top:bottom, left:right]
        if depth:
            # Pieces of one tube overlap at their ends, so the thicker counts and not the sum.
            np.maximum(part, faint * np.sqrt(np.maximum(shown * shown - away, 0)), out=part)
        else:
            np.maximum(part, faint * np.clip(0.5 + (shown - np.sqrt(away)) / pixel, 0, 1), out=part)
    return picture
