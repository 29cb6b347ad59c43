"""NumPy: the raw map, the evidence, and what they are."""

from pathlib import Path

import numpy as np

from xaijax._files import write_whole
from xaijax.data.saving.placing import SavedMap


def save_npz(path: Path, one: SavedMap) -> None:
    """Writes `raw` and `evidence` (float32 `[h, w]`) and texts: `image`, `method`, `target`, `model`, `description`.

    Where the standard error of the pixels is known it is there too, as `standard_error`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npz"
        >>> save_npz(path, SavedMap("a", "grad_cam", np.eye(2), np.eye(2)))
        >>> with np.load(path) as arrays:
        ...     arrays["raw"].tolist(), str(arrays["method"])
        ([[1.0, 0.0], [0.0, 1.0]], 'grad_cam')
    """
    texts = {name: np.asarray(getattr(one, name)) for name in ("image", "method", "target", "model")}
    arrays = {"raw": one.raw, "evidence": one.evidence, **texts, "description": np.asarray(one.text())}
    if one.error is not None:
        arrays["standard_error"] = one.error
    write_whole(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]
