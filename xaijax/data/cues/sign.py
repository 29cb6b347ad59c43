"""A sign for each class: a box with a letter, of the same size for all classes, put into an image at a given place.

`text` writes the names of classes, whose boxes differ in size: another name changes more than the box itself. Signs
are for experiments in which the class must follow the cue and nothing else. They replace exactly the pixels of their
box: outside it an image with a sign is the image without one, bit for bit, and two signs at one place differ nowhere
else.
"""

import string

import numpy as np

from xaijax._errors import InputError
from xaijax.data.cues import _drawing as d

LETTERS = string.ascii_uppercase + string.digits
HEIGHT = 0.2
"""Of a box, as a share of the shorter side of the image."""
MARGIN = 2  # cells around the letters


def boxes(count: int, size: tuple[int, int]) -> np.ndarray:
    """`[count, h, w]` uint8, one box for each class; the first is white, the last black, the letters the opposite.

    Args:
        count: of classes, 2 or more.
        size: (height, width) of the images.

    Raises:
        InputError: for images in which a box would be more than half as high or wide.

    Example:
        >>> boxes(3, (64, 64)).shape, boxes(3, (64, 64))[:, 1, 1].tolist()
        ((3, 11, 9), [255, 128, 0])
    """
    length = next(n for n in range(1, 9) if len(LETTERS) ** n >= count)
    high, wide = d.ROWS + 2 * MARGIN, (d.COLUMNS + 1) * length - 1 + 2 * MARGIN
    cell = max(1, round(HEIGHT * min(size) / high))
    if 2 * high * cell > size[0] or 2 * wide * cell > size[1]:
        raise InputError(
            f"a sign of {high * cell} x {wide * cell} pixels takes more than half of images of {size[0]} x {size[1]}; "
            "give larger images"
        )
    found = []
    for number in range(count):
        letters = [LETTERS[number // len(LETTERS) ** place % len(LETTERS)] for place in reversed(range(length))]
        shade = 1 - number / (count - 1)
        ink = 0 if shade >= 0.5 else 255
        box = np.full((high, wide), round(255 * shade), np.uint8)
        box[MARGIN:-MARGIN, MARGIN:-MARGIN][d.line_of_text("".join(letters), 1)] = ink
        found.append(np.kron(box, np.ones((cell, cell), np.uint8)))
    return np.stack(found)


def places(count: int, size: tuple[int, int], box: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """`[count, 2]`: row and column of the upper left corner, anywhere in the image with equal chance."""
    return np.stack([rng.integers(0, size[axis] - box[axis] + 1, count) for axis in (0, 1)], axis=1)


def put(images: np.ndarray, signs: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images with a sign each.

    Args:
        images: `[n, H, W, C]` uint8, uint16, or float in [0, 1]; they are left alone.
        signs: `[n, h, w]` uint8.
        corners: `[n, 2]`, see `places`.

    Returns:
        The images, and masks `[n, H, W]` bool of the boxes.

    Example:
        >>> images, masks = put(np.zeros((1, 4, 4, 1)), np.full((1, 2, 1), 255, np.uint8), np.array([[1, 3]]))
        >>> images[0, :, 3, 0].tolist(), int(masks.sum())
        ([0.0, 1.0, 1.0, 0.0], 2)
    """
    made, masks = images.copy(), np.zeros(images.shape[:3], bool)
    values = signs.astype(np.float64) / 255
    if images.dtype.kind in "iu":
        values = np.rint(values * np.iinfo(images.dtype).max)
    for number, (row, column) in enumerate(corners):
        window = np.s_[number, row : row + signs.shape[1], column : column + signs.shape[2]]
        made[window] = values[number][..., None].astype(images.dtype)
        masks[window] = True
    return made, masks
