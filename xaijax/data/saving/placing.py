"""Where a map lies: element (i, j) belongs to the pixel in row i and column j of the image as it was read."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image

from xaijax._errors import InputError

RULE = "bilinear, pixel centres aligned, averaged where it shrinks"


@dataclass(frozen=True, eq=False)
class SavedMap:
    """One map on the pixels of its image.

    Attributes:
        image: name of the image; no path and nothing of a patient.
        method: what made it.
        raw: `[h, w]` float32, as the method made it, with its sign; NaN where the image was not explained.
        evidence: `[h, w]` float32, higher means more important; NaN where the image was not explained.
        target: the class that is explained.
        model: of what, in a few words.
        kind: `"saliency"`, `"class activation"` or `"gradient-weighted class activation"`, the terms of DICOM.
        error: `[h, w]` float32, the standard error of each pixel of `raw`; None where it is not known.
    """

    image: str
    method: str
    raw: np.ndarray = field(repr=False)
    evidence: np.ndarray = field(repr=False)
    target: str = ""
    model: str = ""
    kind: str = "saliency"
    error: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("raw", "evidence", *(() if self.error is None else ("error",))):
            values = np.asarray(getattr(self, name))
            if values.ndim != 2 or values.dtype.kind != "f" or values.shape != np.shape(self.raw):
                raise InputError(f"{name} must be [h, w] floats of one size; got {values.dtype} of {values.shape}")
            object.__setattr__(self, name, values.astype(np.float32))
        if np.isnan(self.raw).all():
            raise InputError(f"the map of {self.image} by {self.method} has no values")

    @property
    def explained(self) -> np.ndarray:
        """`[h, w]` bool: the part of the image that was explained."""
        return np.isfinite(self.raw)

    def transposed(self) -> "SavedMap":
        """The map with rows and columns swapped: of an image that was read as the transpose of what its file stores.

        Formats that lie on the stored pixels (DICOM, NIfTI volumes) need it.
        """
        error = None if self.error is None else self.error.T
        return replace(self, raw=self.raw.T, evidence=self.evidence.T, error=error)

    def describe(self) -> dict[str, Any]:
        """What is said of the map in the files that have room for it, as JSON values."""
        from xaijax import __version__

        return {
            "software": f"xaijax {__version__}",
            "image": self.image,
            "method": self.method,
            "target": self.target,
            "model": self.model,
            "values": "raw map, in the unit of the method; NaN where the image was not explained",
            "resized": RULE,
        }

    def text(self) -> str:
        """`describe` as one line of JSON in ASCII."""
        return json.dumps(self.describe())


def on_image(
    heat: np.ndarray, shape: tuple[int, int], part: tuple[int, int, int, int] | None = None, *, outside: float = np.nan
) -> np.ndarray:
    """A map at the model's size brought onto the pixels of its image.

    The image, or a part of it, was resized to what the model takes; the map goes back the same way, so that pixel
    centres meet: bilinear, averaging where it shrinks (Pillow's rule, that of `resize_image`).

    Args:
        heat: `[H, W]` floats.
        shape: `(h, w)` of the image.
        part: `(top, left, height, width)` of the part of the image that was explained, in pixels; None for all of it.
        outside: value of the other pixels.

    Returns:
        `[h, w]` float32.

    Raises:
        InputError: for a map that is not `[H, W]` or a part that is not inside the image.

    Example:
        >>> on_image(np.array([[1.0, 3.0]]), (2, 6), (0, 1, 2, 4), outside=0.0)[0].tolist()
        [0.0, 1.0, 1.5, 2.5, 3.0, 0.0]
    """
    top, left, height, width = part or (0, 0, *shape)
    values = np.asarray(heat, np.float32)
    if values.ndim != 2:
        raise InputError(f"a map must be [H, W]; got shape {values.shape}")
    if min(top, left) < 0 or min(height, width) < 1 or top + height > shape[0] or left + width > shape[1]:
        raise InputError(
            f"the part {(top, left, height, width)} is not inside an image of {shape[0]}x{shape[1]} pixels"
        )
    if values.shape != (height, width):
        values = np.asarray(Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR))
    if (height, width) == tuple(shape):
        return values
    placed = np.full(shape, outside, np.float32)
    placed[top : top + height, left : left + width] = values
    return placed
