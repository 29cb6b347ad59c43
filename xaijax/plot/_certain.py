"""One map with its error: the map, the standard error of each pixel, and the pixels whose side is certain."""

from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax.plot._gallery import _Sheet
from xaijax.plot._overlay import overlay, to_rgb
from xaijax.plot._style import PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAINT = 0.65  # how much a colour covers the image


def uncertainty(
    image: Any,
    evidence: Any,
    raw: Any,
    error: Any,
    sure: Any,
    *,
    sides: tuple[str, str] = ("for", "against"),
    title: str = "",
) -> "Figure":
    """Three images: the evidence, the standard error, and which pixels lie on a certain side.

    Args:
        image: `[H, W, C]`, uint8 or float in [0, 1].
        evidence: `[H, W]`, what the first one shows; its positive part.
        raw: `[H, W]` the map with its sign, or less its mean where it has none.
        error: `[H, W]` its standard error.
        sure: `[H, W]` bool, whether the sign of a pixel of `raw` is certain; the others stay grey.
        sides: what a positive and a negative value of `raw` mean.
        title: above the figure.

    Returns:
        A figure 2.3 inches wide per image.

    Raises:
        ValueError: for arrays of different sizes.

    Example:
        >>> figure = uncertainty(np.zeros((8, 8, 1)), np.eye(8), np.eye(8), np.ones((8, 8)), np.eye(8) > 0)
        >>> [text.get_text().splitlines()[0] for text in figure.texts[:3]]
        ['evidence', 'standard error', 'certain']
    """
    drawn = to_rgb(image)
    arrays = {
        name: np.asarray(v)
        for name, v in zip(("evidence", "raw", "error", "sure"), (evidence, raw, error, sure), strict=True)
    }
    for name, values in arrays.items():
        if values.shape != drawn.shape[:2]:
            raise ValueError(f"{name} is {values.shape} but the image is {drawn.shape[:2]}; resize one of them")
    grey = np.repeat((drawn @ np.array([0.299, 0.587, 0.114]))[..., None], 3, axis=-1)
    signs = grey.copy()
    for sign, colour in ((1, PALETTE[0]), (-1, PALETTE[1])):
        where = arrays["sure"].astype(bool) & (np.sign(arrays["raw"]) == sign)
        rgb = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])
        signs[where] = (1 - PAINT) * grey[where] + PAINT * rgb
    shown = [overlay(image, arrays["evidence"]), overlay(image, arrays["error"], colormap="viridis")]
    shown.append(np.rint(signs).astype(np.uint8))
    sheet = _Sheet([shown], tile=2.3, below=0.34, above_first=0.35 if title else 0.08)
    error_words = f"mean {arrays['error'].mean():.3g}, largest {arrays['error'].max():.3g}"
    for column, (name, words) in enumerate(
        (
            ("evidence", f"largest {arrays['evidence'].max():.3g}"),
            ("standard error", error_words),
            ("certain", f"{arrays['sure'].mean():.0%} of the pixels: blue {sides[0]}, orange {sides[1]}"),
        )
    ):
        sheet.below(0, column, f"{name}\n{words}", fontsize=7.5, linespacing=1.3)
    if title:
        sheet.figure.text(0.05 / sheet.width, 1 - 0.06 / sheet.height, title, va="top", fontsize=10, fontweight="bold")
    return sheet.figure
