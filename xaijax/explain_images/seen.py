"""One image as a model sees it: what was read, the part that is explained, and what the model predicts."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax.data.dataset import SPREAD
from xaijax.data.images import OWN_RANGE, resize_image, resize_mask, with_channels
from xaijax.explain_images.config import ExplainConfig


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """One image.

    Attributes:
        path: of its file.
        image: `[h, w, C]` uint8, as it was read.
        part: `(top, left, height, width)` of what is explained, in its pixels.
        given: `[H, W, C]` uint8, what the model is given.
        chances: `[K]` probabilities.
        notes: what reading changed or assumed.
        mask: `[H, W]` bool of its lesions; None where it has no mask file.
    """

    path: Path
    image: np.ndarray
    part: tuple[int, int, int, int]
    given: np.ndarray
    chances: np.ndarray
    notes: tuple[str, ...] = ()
    mask: np.ndarray | None = None


def see(path: Path, classifier: Any, config: ExplainConfig, mask: Path | None = None) -> Seen:
    """Reads an image, and its lesions from a mask file, and lets the model predict.

    Raises:
        OSError, ValueError: for an image or a mask that cannot be read.
    """
    from xaijax.data.files import ImageFile
    from xaijax.data.reading import Reading, parse_window

    reading = Reading(window=parse_window(config.window), transpose=config.transpose)
    file = ImageFile(path, reading=reading) if mask is None else ImageFile(path, (("lesion", mask),), reading)
    content = file.read(masks=mask is not None)
    image, notes = content.image, content.notes + ((SPREAD,) if content.stored.endswith(OWN_RANGE) else ())
    height, width, channels = classifier.input_shape
    part = central(image.shape, height / width) if config.crop else (0, 0, image.shape[0], image.shape[1])
    top, left, h, w = part
    rows, columns = slice(top, top + h), slice(left, left + w)
    given = resize_image(with_channels(image[rows, columns], channels), (height, width))
    inside = None
    if mask is not None:
        whole = np.zeros(image.shape[:2], bool)
        for element in content.elements:
            if element.role == "lesion":
                whole |= element.mask
        inside = resize_mask(whole[rows, columns], (height, width))
    return Seen(path, image, part, given, np.asarray(classifier.predict(given[None]))[0], notes, inside)


def central(shape: Sequence[int], proportion: float) -> tuple[int, int, int, int]:
    """`(top, left, height, width)` of the largest central part with `height / width` nearest to the proportion.

    Example:
        >>> central((10, 30, 3), 0.5)
        (0, 5, 10, 20)
    """
    height, width = shape[:2]
    h, w = min(height, max(1, round(width * proportion))), min(width, max(1, round(height / proportion)))
    return (height - h) // 2, (width - w) // 2, h, w
