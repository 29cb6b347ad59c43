"""Images in rows and columns: heat maps of several methods, an image rebuilt step by step, tables of images."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax.plot._overlay import outline, overlay, to_rgb
from xaijax.plot._style import INK, in_order, new_figure, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAP = 3  # pixels between images
LETTER = 7  # pixels that a letter of the names takes, about
MOST_ROWS = 12  # longer tables are folded into blocks side by side


def image_table(rows: Sequence[tuple[str, Sequence[np.ndarray]]], *, tile: int = 112) -> np.ndarray:
    """Images in rows with names at the left, on white, as one image.

    A table of more than twelve rows is folded: its second half stands to the right of the first.

    Args:
        rows: (name, images [H, W, 3] uint8), as many images in each row.
        tile: height in pixels at which an image is shown; the width follows from the first image.

    Returns:
        [height, width, 3] uint8.

    Raises:
        ValueError: for no images, or rows of different lengths.

    Example:
        >>> image_table([("a", [np.zeros((8, 16, 3), np.uint8)] * 2)], tile=32).shape
        (35, 179, 3)
    """
    from PIL import Image, ImageDraw, ImageFont

    counts = {len(pictures) for _, pictures in rows}
    if len(counts) != 1 or counts == {0}:
        raise ValueError(f"rows must have equally many images, at least one; got {sorted(counts) or 'no rows'}")
    first = rows[0][1][0]
    size = (max(1, round(tile * first.shape[1] / first.shape[0])), tile)
    names = 4 * GAP + LETTER * max(len(part) for name, _ in rows for part in _lines(name))
    names = max(names, 16 * GAP) - GAP
    blocks = 1 + (len(rows) > MOST_ROWS)
    height, width = -(-len(rows) // blocks), names + counts.pop() * (size[0] + GAP)
    sheet = Image.new("RGB", (blocks * width + (blocks - 1) * 4 * GAP, height * (size[1] + GAP)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, (name, pictures) in enumerate(rows):
        left, top = number // height * (width + 4 * GAP), number % height * (size[1] + GAP)
        lines = _lines(name)
        pen.multiline_text((left + GAP, top + size[1] // 2 - 8 * len(lines)), "\n".join(lines), fill="black", font=font)
        for column, picture in enumerate(pictures):
            small = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
            sheet.paste(small, (left + names + column * (size[0] + GAP), top))
    return np.asarray(sheet)


def _lines(name: str) -> list[str]:
    """A name in lines of about sixteen letters, broken at underscores.

    Example:
        >>> _lines("integrated_gradients"), _lines("cam")
        (['integrated_', 'gradients'], ['cam'])
    """
    lines = [""]
    for part in name.replace("_", "_ ").split():
        if lines[-1] and len(lines[-1]) + len(part) > 14:
            lines.append("")
        lines[-1] += part
    return lines


def gallery(images: Any, maps: Mapping[str, Any], *, masks: Any = None, titles: Sequence[str] = ()) -> "Figure":
    """Heat maps over images: one row per image, one column per method, masks as outlines.

    Args:
        images: `[N, H, W, C]`, uint8 or float in [0, 1].
        maps: `{method: [N, H, W]}`, signed or not; only their positive part is shown.
        masks: `[N, H, W]` bool, all False where there is no mask; None draws no outlines.
        titles: N texts, written to the left of the rows; default: none.

    Returns:
        A figure 1.3 inches wide per column.

    Raises:
        ValueError: for no images or methods, or numbers of images that differ.

    Example:
        >>> images = np.zeros((2, 32, 32, 1), np.uint8)
        >>> figure = gallery(images, {"grad_cam": np.ones((2, 32, 32))}, titles=["glioma", "meningioma"])
        >>> len(figure.axes)
        4
    """
    images = np.asarray(images)
    if images.ndim != 4 or not len(images) or not maps:
        raise ValueError(
            f"images must be [N, H, W, C] with at least one method; got {images.shape}, {len(maps)} methods"
        )
    for what, found in {"titles": titles or images, "masks": images if masks is None else masks, **maps}.items():
        if len(found) != len(images):
            raise ValueError(f"{what} and images must be equally many; got {len(found)} and {len(images)}")
    methods = in_order(list(maps))
    rows = []
    for row, image in enumerate(images):
        shown = [to_rgb(image), *(overlay(image, maps[method][row]) for method in methods)]
        rows.append([one if masks is None else outline(one, masks[row]) for one in shown])
    names = [textwrap.fill(words(name), 16) for name in ["image", *methods]]
    above = 0.15 + 0.14 * max(name.count("\n") + 1 for name in names)
    sheet = _Sheet(rows, tile=1.3, left=0.5 if titles else 0.05, above_first=above)
    for column, name in enumerate(names):
        sheet.above(0, column, name, fontsize=9, fontweight="bold")
    for row, title in enumerate(titles):
        sheet.at_left(row, title, fontsize=7.5)
    return sheet.figure


def rebuilt(images: Any, texts: Sequence[str], *, title: str = "", mask: Any = None, columns: int = 5) -> "Figure":
    """One image rebuilt from more and more pixels, from fully blurred to the original, with a text below each step.

    Args:
        images: `[T, H, W, C]`, uint8 or float in [0, 1]: blurred, one per fraction, original.
        texts: T texts.
        title: above the figure.
        mask: `[H, W]` bool, outlined in the last image; None draws no outline.
        columns: images in a row.

    Returns:
        A figure 1.9 inches wide per column.

    Example:
        >>> steps = np.zeros((3, 32, 32, 1), np.uint8)
        >>> len(rebuilt(steps, ["blurred", "10 % revealed", "original"], title="grad cam").axes)
        3
    """
    shown = [to_rgb(image) for image in images]
    if len(shown) != len(texts) or not shown:
        raise ValueError(f"images and texts must be equally many, at least one; got {len(shown)} and {len(texts)}")
    if mask is not None:
        shown[-1] = outline(shown[-1], mask)
    rows = [shown[start : start + columns] for start in range(0, len(shown), columns)]
    room = 0.12 + 0.15 * max(text.count("\n") + 1 for text in texts)
    sheet = _Sheet(rows, tile=1.9, below=room, above_first=0.35)
    sheet.figure.text(
        0.05 / sheet.width, 1 - 0.06 / sheet.height, title, va="top", fontsize=10, fontweight="bold", parse_math=False
    )
    for number, text in enumerate(texts):
        sheet.below(number // columns, number % columns, text, fontsize=8, linespacing=1.3)
    return sheet.figure


class _Sheet:
    """Images in rows and columns on one figure; sizes in inches, so that text has room where it is put."""

    def __init__(
        self,
        rows: Sequence[Sequence[np.ndarray]],
        *,
        tile: float,
        left: float = 0.05,
        below: float = 0.0,
        above_first: float = 0.05,
        gap: float = 0.04,
    ) -> None:
        height, width = rows[0][0].shape[:2]
        self.tile, self.tall = tile, tile * height / width
        self.left, self.under, self.top, self.gap = left, below, above_first, gap
        columns = max(len(row) for row in rows)
        self.width = left + columns * (tile + gap)
        self.height = above_first + len(rows) * (self.tall + below + gap)
        self.figure = new_figure(self.width, self.height, layout=None)
        for number, row in enumerate(rows):
            for column, picture in enumerate(row):
                x, y = self._corner(number, column)
                box = (x / self.width, y / self.height, tile / self.width, self.tall / self.height)
                axes = self.figure.add_axes(box)
                axes.set_axis_off()
                axes.imshow(picture, interpolation="nearest", aspect="auto")

    def _corner(self, row: int, column: int) -> tuple[float, float]:
        """Lower left corner of an image in inches."""
        x = self.left + column * (self.tile + self.gap)
        return x, self.height - self.top - self.tall - row * (self.tall + self.under + self.gap)

    def above(self, row: int, column: int, text: str, **options: Any) -> None:
        x, y = self._corner(row, column)
        x, y = (x + self.tile / 2) / self.width, (y + self.tall + 0.05) / self.height
        self.figure.text(x, y, text, ha="center", va="bottom", color=INK, parse_math=False, **options)

    def below(self, row: int, column: int, text: str, **options: Any) -> None:
        x, y = self._corner(row, column)
        x, y = (x + self.tile / 2) / self.width, (y - 0.05) / self.height
        self.figure.text(x, y, text, ha="center", va="top", color=INK, parse_math=False, **options)

    def at_left(self, row: int, text: str, **options: Any) -> None:
        _, y = self._corner(row, 0)
        x, y = (self.left - 0.05) / self.width, (y + self.tall / 2) / self.height
        options |= {"rotation": 90, "multialignment": "center"}
        self.figure.text(x, y, text, ha="right", va="center", color=INK, parse_math=False, **options)
