"""What the report's browser shows of an image, small enough to keep for every image of a run: WebP of a few kilobytes.

`image` is the image, `outline` the border of its lesion mask on nothing, `map` a method's map as grey levels (scaled
for display, `display_scale`), `rebuilt` the image rebuilt from a fraction of a map's most important pixels,
as AIC and SIC do it. The same arrays give the same bytes with the same libwebp.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from xaijax import plot
from xaijax.bench.store import PICTURES
from xaijax.plot._overlay import display_scale, to_rgb

SIDE = 384
"""Longest side in pixels: larger images are shrunk."""
REBUILT = (0.02, 0.05, 0.13)
"""Fractions of the pixels from which images are rebuilt: those of AIC and SIC that are nearest to these."""
COLOUR = (0, 230, 255)
QUALITY = {"image": 85, "map": 75, "rebuilt": 70}
Row = tuple[str, str, str, float, bytes]


def nearest(fractions: Sequence[float]) -> list[int]:
    """Positions of the fractions that images are shown at.

    Example:
        >>> nearest((0.01, 0.02, 0.05, 0.1, 0.5))
        [1, 2, 3]
    """
    return sorted({int(np.argmin(np.abs(np.asarray(fractions) - wanted))) for wanted in REBUILT})


def pictures_of(
    name: str,
    image: np.ndarray,
    mask: np.ndarray | None,
    maps: Mapping[str, np.ndarray],
    rebuilt: Mapping[str, Sequence[tuple[float, np.ndarray]]] | None = None,
) -> list[Row]:
    """The rows of one image, of schema `PICTURES`.

    Args:
        name: of the image; with findings "image: finding".
        image: `[H, W, C]`, uint8, or float in [0, 1].
        mask: `[H, W]` bool; None or all False where there is none.
        maps: method -> `[H, W]`, higher means more important.
        rebuilt: method -> (fraction, `[H, W, C]`) of each rebuilt image.

    Example:
        >>> rows = pictures_of("a", np.zeros((8, 8, 1), np.uint8), None, {"cam": np.eye(8)})
        >>> [(row[1], row[2], row[4][:4]) for row in rows]
        [('image', '', b'RIFF'), ('map', 'cam', b'RIFF')]
    """
    rows: list[Row] = [(name, "image", "", np.nan, encoded(to_rgb(image), "image"))]
    if mask is not None and mask.any():
        rows.append((name, "outline", "", np.nan, _outline(mask)))
    for method, heat in maps.items():
        grey = np.rint(255 * display_scale(heat)).astype(np.uint8)
        rows.append((name, "map", method, np.nan, encoded(to_rgb(grey), "map")))
    for method, steps in (rebuilt or {}).items():
        rows += [(name, "rebuilt", method, share, encoded(to_rgb(step), "rebuilt")) for share, step in steps]
    return rows


def table_of(rows: Iterable[Row]) -> pa.Table:
    """Rows as a table of schema `PICTURES`."""
    found = list(rows)
    columns = zip(*found, strict=True) if found else [[] for _ in PICTURES.names]
    return pa.table(dict(zip(PICTURES.names, map(list, columns), strict=True)), schema=PICTURES)


def encoded(rgb: np.ndarray, what: str) -> bytes:
    """`[H, W, 3]` uint8 as WebP, shrunk to `SIDE`."""
    return _webp(_small(rgb), quality=QUALITY[what], method=2)


def _outline(mask: np.ndarray) -> bytes:
    """The border of a mask, transparent elsewhere, without loss."""
    from PIL import Image

    size = _size(mask.shape)
    small = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)) if size else mask
    drawn = plot.outline(np.zeros((*small.shape, 3), np.uint8), small, color=COLOUR)
    seen = drawn.any(axis=2)
    return _webp(np.dstack([drawn, np.where(seen, 255, 0).astype(np.uint8)]), lossless=True, quality=60, method=2)


def _size(shape: Sequence[int]) -> tuple[int, int] | None:
    """(width, height) to shrink to, or None."""
    factor = SIDE / max(shape[:2])
    return None if factor >= 1 else (max(1, round(shape[1] * factor)), max(1, round(shape[0] * factor)))


def _small(rgb: np.ndarray) -> np.ndarray:
    from PIL import Image

    size = _size(rgb.shape)
    return rgb if size is None else np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))


def _webp(pixels: np.ndarray, **options: Any) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "WEBP", **options)
    return out.getvalue()
