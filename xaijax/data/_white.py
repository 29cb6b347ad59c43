"""Which value of an array of images is white, where its type does not say it.

Frameworks store 8-bit images as int64, float32 and float64, of 0 to 255 or of 0 to 1. One image does not tell which: a
dark one of 0 to 255 may have no value above 1. So all images of a file decide together, in one pass when the first is
read.

* Whole numbers from 0 to 255 with one above 127 are 8-bit values, of any type.
* Colour as floats is 0 to 1, or 0 to 255 where one value is above 127.
* Colour of 16 bits with a value of 4096 or more is 0 to 65535. The white of other colours is not known.
* Other grey values have no white of their own: they go through the window of `xaijax.data.images`.
"""

import threading
from collections.abc import Callable, Sequence

import numpy as np

CHUNK = 1 << 22  # values that are looked at together
WHOLE = "its values are whole numbers from 0 to 255, which are taken for 8 bits"
UNIT = "its colours are floats from 0 to 1, which became 0 to 255"
BLACK = "its NaN and infinite values were made black"  # as `xaijax.data.images` says of grey values
BYTES = "its colours are floats from 0 to 255, which were rounded"


class White:
    """The white of the image arrays of a file, found when it is first needed.

    Args:
        arrays: gives the arrays, `[N, H, W]` or `[N, H, W, 1 or 3]`, mapped from the file.
    """

    def __init__(self, arrays: Callable[[], Sequence[np.ndarray]]) -> None:
        self._arrays = arrays
        self._lock = threading.Lock()
        self._range: tuple[float, float, bool] | None = None

    def brought(self, image: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """One image, `[h, w]` or `[h, w, 3]`, as uint8 where its white is known; other grey ones as they are.

        Returns:
            The image, and notes.

        Raises:
            ValueError: for colour whose white is not known.
        """
        colour = image.ndim == 3
        if image.dtype == np.uint8:
            return image, ()
        low, high, whole = self._found(colour)
        if low >= 0 and 127 < high <= 255 and whole:
            return image.astype(np.uint8), (WHOLE,)
        if not colour:
            return image, ()
        if image.dtype.kind == "f" and low >= 0 and high <= 1:
            return _rounded(image * np.float64(255), UNIT)
        if image.dtype.kind == "f" and low >= 0 and 127 < high <= 255:
            return _rounded(image, BYTES)
        if image.dtype == np.uint16 and high >= 4096:
            return ((image.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8), ()
        raise ValueError(
            f"it holds colour as {image.dtype}, from {low:g} to {high:g} over all images, and its white is not known; "
            "store 0 to 255, or floats from 0 to 1"
        )

    def _found(self, colour: bool) -> tuple[float, float, bool]:
        with self._lock:
            if self._range is None:
                self._range = _range(self._arrays(), colour)
            return self._range


def _rounded(image: np.ndarray, note: str) -> tuple[np.ndarray, tuple[str, ...]]:
    absent = np.isnan(image)
    shown = np.rint(np.where(absent, 0, image)).astype(np.uint8)
    return shown, (note, BLACK) if absent.any() else (note,)


def _range(arrays: Sequence[np.ndarray], colour: bool) -> tuple[float, float, bool]:
    """Lowest and highest value, NaN left out, and whether all are whole numbers. Of grey values the first that are not
    8-bit ones end the search."""
    low, high, whole = np.inf, -np.inf, True
    for array in arrays:
        rows = max(1, CHUNK // max(1, int(np.prod(array.shape[1:]))))
        for at in range(0, len(array), rows):
            values = np.asarray(array[at : at + rows])
            if values.dtype.kind == "f":
                whole = whole and bool((np.rint(values) == values).all())
                values = values[~np.isnan(values)]
            if values.size:
                low, high = min(low, float(values.min())), max(high, float(values.max()))
            if not colour and (low < 0 or high > 255 or not whole):
                return low, high, whole
    return low, high, whole
