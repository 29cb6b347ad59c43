"""Tables of pictures: one row per method, one column per image. NumPy and Pillow only."""

from collections.abc import Sequence

import numpy as np

GAP = 3  # pixels between pictures
LETTER = 7  # pixels that a letter of the names takes, about
MOST_ROWS = 12  # longer tables are folded into blocks side by side


def picture_table(rows: Sequence[tuple[str, Sequence[np.ndarray]]], *, tile: int = 112) -> np.ndarray:
    """Pictures in rows with names at the left, on white.

    A table of more than twelve rows is folded: its second half stands beside the first.

    Args:
        rows: (name, pictures [H, W, 3] uint8), as many pictures in each row.
        tile: height in pixels at which a picture is shown; the width follows from the first picture.

    Returns:
        [height, width, 3] uint8.

    Raises:
        ValueError: There are no pictures, or the rows have not equally many.

    Example:
        >>> picture_table([("a", [np.zeros((8, 16, 3), np.uint8)] * 2)], tile=32).shape
        (35, 169, 3)
    """
    from PIL import Image, ImageDraw, ImageFont

    counts = {len(pictures) for _, pictures in rows}
    if len(counts) != 1 or counts == {0}:
        raise ValueError(f"rows must have equally many pictures, at least one; got {sorted(counts) or 'no rows'}")
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
