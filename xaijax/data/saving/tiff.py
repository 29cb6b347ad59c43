"""TIFF: the raw map as 32-bit floats, with a description. Needs `xaijax[medical]`."""

from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax._files import write_whole
from xaijax.data.saving.placing import SavedMap


def save_tiff(path: Path, one: SavedMap) -> None:
    """Writes the raw map as float32, deflated; the tag ImageDescription holds JSON that describes it.

    Example:
        >>> import tempfile, numpy as np, tifffile
        >>> path = Path(tempfile.mkdtemp()) / "a.tiff"
        >>> save_tiff(path, SavedMap("a", "grad_cam", np.eye(2), np.eye(2)))
        >>> tifffile.imread(path).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    try:
        import tifffile
    except ImportError:
        raise InputError("TIFF maps need tifffile: pip install 'xaijax[medical]'") from None
    options: Any = {"photometric": "minisblack", "description": one.text(), "metadata": None, "software": "xaijax"}
    write_whole(path, lambda file: tifffile.imwrite(file, one.raw, compression="zlib", **options))
