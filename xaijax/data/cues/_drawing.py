"""Drawing for cues: letters, a place in the image, and paint with an opacity.

Images are uint8 `[h, w, C]`; lengths are pixels and scale with the shorter side of the image. A pixel of opacity 0
keeps its value exactly, so that an image and its twin without the cue agree outside the mask, bit for bit.
"""

from collections.abc import Sequence

import numpy as np

Array = np.ndarray
ROWS, COLUMNS = 7, 5  # cells of a letter

# Seven rows of five cells each, the highest bit left.
_LETTERS = {
    "A": "0E 11 11 1F 11 11 11", "B": "1E 11 11 1E 11 11 1E", "C": "0E 11 10 10 10 11 0E", "D": "1E 11 11 11 11 11 1E",
    "E": "1F 10 10 1E 10 10 1F", "F": "1F 10 10 1E 10 10 10", "G": "0E 11 10 17 11 11 0F", "H": "11 11 11 1F 11 11 11",
    "I": "0E 04 04 04 04 04 0E", "J": "07 02 02 02 02 12 0C", "K": "11 12 14 18 14 12 11", "L": "10 10 10 10 10 10 1F",
    "M": "11 1B 15 15 11 11 11", "N": "11 19 19 15 13 13 11", "O": "0E 11 11 11 11 11 0E", "P": "1E 11 11 1E 10 10 10",
    "Q": "0E 11 11 11 15 12 0D", "R": "1E 11 11 1E 14 12 11", "S": "0F 10 10 0E 01 01 1E", "T": "1F 04 04 04 04 04 04",
    "U": "11 11 11 11 11 11 0E", "V": "11 11 11 11 0A 0A 04", "W": "11 11 11 15 15 1B 11", "X": "11 11 0A 04 0A 11 11",
    "Y": "11 11 0A 04 04 04 04", "Z": "1F 01 02 04 08 10 1F", "0": "0E 11 13 15 19 11 0E", "1": "04 0C 04 04 04 04 0E",
    "2": "0E 11 01 06 08 10 1F", "3": "1F 02 04 02 01 11 0E", "4": "02 06 0A 12 1F 02 02", "5": "1F 10 1E 01 01 11 0E",
    "6": "06 08 10 1E 11 11 0E", "7": "1F 01 02 04 08 08 08", "8": "0E 11 11 0E 11 11 0E", "9": "0E 11 11 0F 01 02 0C",
    "-": "00 00 00 1F 00 00 00", "+": "00 04 04 1F 04 04 00", ".": "00 00 00 00 00 0C 0C", " ": "00 00 00 00 00 00 00",
}  # fmt: skip
_UNKNOWN = "1F 11 11 11 11 11 1F"  # letters of other scripts are boxes


def letter(character: str) -> Array:
    """`[7, 5]` bool, the cells of a letter, digit or sign; small letters are drawn as capitals."""
    rows = [int(row, 16) for row in _LETTERS.get(character.upper(), _UNKNOWN).split()]
    return np.array([[bool(row >> (COLUMNS - 1 - column) & 1) for column in range(COLUMNS)] for row in rows])


def line_of_text(text: str, cell: int) -> Array:
    """`[7 cell, (6 n - 1) cell]` bool: a line of n letters with one cell between them."""
    parts = [part for character in text for part in (letter(character), np.zeros((ROWS, 1), bool))]
    return np.kron(np.concatenate(parts[:-1], axis=1), np.ones((cell, cell), bool))


def cell_of(shape: tuple[int, ...]) -> int:
    """Side of a cell of ordinary writing in pixels: a letter is about a twentieth of the image high."""
    return max(1, round(min(shape[:2]) / 140))


def place(
    shape: tuple[int, ...], size: tuple[int, int], avoid: Array, spots: Sequence[tuple[int, int]]
) -> tuple[slice, slice]:
    """The window of `size` that covers least of `avoid` (the first of equals) of those at `spots` (row, column)."""
    height, width = (min(size[axis], shape[axis]) for axis in (0, 1))
    windows = [
        (slice(top, top + height), slice(left, left + width))
        for top, left in (
            (min(max(top, 0), shape[0] - height), min(max(left, 0), shape[1] - width)) for top, left in spots
        )
    ]
    return min(windows, key=lambda window: int(avoid[window].sum()))


def paint(image: Array, alpha: Array, value: Array | float) -> None:
    """Put grey levels (0 to 255) over an image, in place, with opacity `alpha` `[h, w]` from 0 to 1."""
    share = alpha[..., None]
    mixed = np.rint((1 - share) * image + share * np.asarray(value, np.float64))
    np.copyto(image, mixed.astype(np.uint8), where=share > 0)
