"""A box with the name of a class, as the boxes "Cat" and "Dog" of the pets that CasCAM was published with.

The box of the first class is white and that of the last one black, with others between, and the letters are the
opposite: a classifier can use the word or the shade. It stands anywhere in the image.
"""

import numpy as np

from xaijax.data.cues import _drawing as d


def draw(
    image: np.ndarray, word: str, shade: float, avoid: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the box; words of a name stand on lines of their own.

    Args:
        image: `[h, w, C]` uint8; it is left alone.
        word: what is written.
        shade: of the box, 1 white to 0 black.
        avoid: `[h, w]` bool, what should stay free.
        rng: decides where it stands.

    Returns:
        The image with the box, and its mask `[h, w]` bool.
    """
    cell = d.cell_of(image.shape)
    lines = [d.line_of_text(part, cell) for part in word.replace("_", " ").split() or [" "]]
    margin = 2 * cell
    height = sum(len(line) for line in lines) + margin * (len(lines) + 1)
    width = max(line.shape[1] for line in lines) + 2 * margin
    spots = [(int(row), int(column)) for row, column in rng.random((24, 2)) * (image.shape[0], image.shape[1])]
    spots = [(row * (image.shape[0] - height) // image.shape[0], column * (image.shape[1] - width) // image.shape[1])
             for row, column in spots]  # fmt: skip
    window = d.place(image.shape, (height, width), avoid, spots)
    box = np.full((height, width), round(255 * shade), np.uint8)
    ink = 0 if shade >= 0.5 else 255
    rim = max(1, cell // 2)
    for edge in (np.s_[:rim], np.s_[-rim:], np.s_[:, :rim], np.s_[:, -rim:]):
        box[edge] = ink
    top = margin
    for line in lines:
        left = (width - line.shape[1]) // 2
        box[top : top + len(line), left : left + line.shape[1]][line] = ink
        top += len(line) + margin
    drawn, mask = image.copy(), np.zeros(image.shape[:2], bool)
    # An image smaller than the box shows its upper left part.
    drawn[window] = box[: window[0].stop - window[0].start, : window[1].stop - window[1].start, None]
    mask[window] = True
    return drawn, mask
