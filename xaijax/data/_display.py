"""How data sets and batches are shown in a notebook: small tables and thumbnails, without Matplotlib."""

import base64
import html
import io
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

LONGEST = 60  # letters of a name in a one-line repr
SHOWN = 8  # thumbnails
SIDE = 96  # of a thumbnail, in pixels
OUTLINE = (230, 159, 0)


def short(text: str, longest: int = LONGEST) -> str:
    """A text cut in the middle where it is longer than `longest` letters.

    Example:
        >>> short("images/a_long_name.png", 13)
        'images…me.png'
    """
    if len(text) <= longest:
        return text
    head = (longest - 1) // 2
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"


def counted(number: int, what: str) -> str:
    """A number with its noun in singular or plural.

    Example:
        >>> counted(1, "image"), counted(2, "image")
        ('1 image', '2 images')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


def names(all_names: Sequence[str], most: int = 4) -> str:
    """The first names of a list, and how many follow.

    Example:
        >>> names(["a", "b", "c"]), names(list("abcdef"))
        ('a, b, c', 'a, b, c, d and 2 more')
    """
    shown = ", ".join(short(name, 20) for name in all_names[:most])
    return shown + (f" and {len(all_names) - most} more" if len(all_names) > most else "")


def table(rows: Iterable[tuple[object, object]]) -> str:
    """Pairs as an HTML table."""
    lines = "".join(f"<tr><th>{html.escape(str(a))}</th><td>{html.escape(str(b))}</td></tr>" for a, b in rows)
    return f"<table>{lines}</table>"


def thumbnails(ids: Sequence[str], images: np.ndarray, masks: np.ndarray) -> str:
    """The first images `[B, H, W, C]` as HTML, with masks `[B, H, W]` outlined and ids as tooltips."""
    found = []
    for name, image, mask in list(zip(ids, images, masks, strict=True))[:SHOWN]:
        source = base64.b64encode(_thumbnail(image, mask)).decode("ascii")
        title = html.escape(name, quote=True)
        found.append(f'<img src="data:image/png;base64,{source}" alt="{title}" title="{title}">')
    return "".join(found)


def _thumbnail(image: np.ndarray, mask: np.ndarray) -> bytes:
    from xaijax.data.images import resize_image, resize_mask, with_channels

    height, width = image.shape[:2]
    share = SIDE / max(height, width)
    size = max(1, round(share * height)), max(1, round(share * width))
    small, inside = resize_image(with_channels(image, 3), size).copy(), resize_mask(mask, size)
    eroded = np.pad(inside, 1)
    inner = eroded[:-2, 1:-1] & eroded[2:, 1:-1] & eroded[1:-1, :-2] & eroded[1:-1, 2:]
    small[inside & ~inner] = OUTLINE
    out = io.BytesIO()
    Image.fromarray(small).save(out, "PNG")
    return out.getvalue()
