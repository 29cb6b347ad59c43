"""Files that Pillow reads: PNG, JPEG, JPEG 2000, GIF, WebP, AVIF, BMP, PNM and TGA."""

from pathlib import Path

import numpy as np
from PIL import GifImagePlugin, Image

from xaijax.data.formats import deep
from xaijax.data.images import (
    FIRST_FRAME,
    NO_ALPHA,
    TURNED,
    Stored,
    UnreadableError,
    check_frame,
    check_size,
    upright,
)

_FORMATS = {
    "PNG": ("PNG",),
    "JPEG": ("JPEG",),
    "JPEG 2000": ("JPEG2000",),
    "GIF": ("GIF",),
    "WebP": ("WEBP",),
    "AVIF": ("AVIF",),
    "BMP": ("BMP",),
    "PNM": ("PPM",),
    "TGA": ("TGA",),
    "TIFF": ("TIFF",),
}
_EIGHT_BIT_GREY = ("1", "L", "LA", "La")
_ORIENTATION = 0x0112


def read(path: Path, kind: str, frame: int | None) -> Stored:
    """One frame as `Stored`; deeper values than Pillow gives are decoded by `deep`."""
    if kind != "GIF":
        return _read(path, kind, frame)
    # A setting of the process, which other packages change (imageio does): grey would come as colour.
    before = GifImagePlugin.LOADING_STRATEGY
    GifImagePlugin.LOADING_STRATEGY = GifImagePlugin.LoadingStrategy.RGB_AFTER_FIRST
    try:
        return _read(path, kind, frame)
    finally:
        GifImagePlugin.LOADING_STRATEGY = before


def _read(path: Path, kind: str, frame: int | None) -> Stored:
    notes: list[str] = []
    try:
        image = Image.open(path, formats=_FORMATS[kind])
    except Image.DecompressionBombError:
        raise UnreadableError("it says that it has more pixels than are read") from None
    except Image.UnidentifiedImageError:
        deeper = deep.read(path, kind, None)
        if deeper is None:
            raise UnreadableError(f"it is damaged or of a {kind} variant that is not supported") from None
        return deeper
    with image:
        check_size(image.height, image.width)
        several = getattr(image, "is_animated", False)
        if several and frame is None:
            notes.append(FIRST_FRAME)
        elif frame:
            image.seek(check_frame(frame, getattr(image, "n_frames", 1)))
        orientation = image.getexif().get(_ORIENTATION, 1) if kind != "TIFF" else 1
        found = deep.read(path, kind, image) or _decoded(path, kind, image)
    notes += found.notes
    values = found.values
    if orientation in range(2, 9):
        values = upright(values, orientation)
        notes.append(TURNED)
    return Stored(values, white=found.white, notes=tuple(notes))


def _decoded(path: Path, kind: str, image: Image.Image) -> Stored:
    """What Pillow gives, grey of fewer than 8 bits as it was before Pillow spread it."""
    white = _white(path, kind, image)
    image.load()
    if image.mode == "P" and image.palette is None:  # Pillow loses it where a palette follows frames of grey
        raise UnreadableError("the palette of this frame cannot be read")
    notes = (NO_ALPHA,) if image.has_transparency_data and _is_transparent(image) else ()
    if image.mode in _EIGHT_BIT_GREY:
        return Stored(np.array(image.convert("L"), np.uint8) // np.uint8(255 // white), white=white, notes=notes)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Stored(np.array(image), notes=notes)
    return Stored(np.array(image.convert("RGB"), np.uint8), notes=notes)


def _white(path: Path, kind: str, image: Image.Image) -> int:
    """The largest grey value of the file's bits."""
    if image.mode == "1":
        return 1
    if kind != "PNG" or image.mode != "L":
        return 255
    with path.open("rb") as stream:
        return int(2 ** stream.read(25)[24]) - 1


def _is_transparent(image: Image.Image) -> bool:
    if image.mode.startswith("I"):
        return bool((np.asarray(image) == image.info["transparency"]).any())
    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
    return float(lowest) < 255  # type: ignore[arg-type]
