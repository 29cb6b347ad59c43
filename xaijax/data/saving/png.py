"""PNG: overlays, as they are drawn."""

from pathlib import Path

import numpy as np
from PIL import Image

from xaijax._files import write_whole


def save_png(path: Path, drawn: np.ndarray) -> None:
    """Writes `[h, w, 3]` uint8 RGB.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.png"
        >>> save_png(path, np.zeros((2, 3, 3), np.uint8))
        >>> with Image.open(path) as image:
        ...     image.size
        (3, 2)
    """
    write_whole(path, lambda file: Image.fromarray(drawn).save(file, "PNG"))
