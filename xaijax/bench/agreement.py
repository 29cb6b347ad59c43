"""Maps of the other models of a run, for metrics that compare models; each map is made once and kept until the end.

maps/<model number>-<first case>.npz     raw maps of a part by method, removed when the run is finished
"""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax.bench.store import write_whole

if TYPE_CHECKING:
    from xaijax.bench.inputs import Job, Model

FOLDER = "maps"


def wants_variants(metrics: Sequence[str]) -> bool:
    """Whether one of the metrics compares the maps of several models."""
    from xaijax.metrics import METRICS

    return any("variants" in METRICS[metric].needs for metric in metrics)


def kept_maps(
    folder: Path, job: "Job", model: "Model", cases: Sequence[int], make: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """The raw maps of a part: from the folder, or made and put there."""
    path = folder / f"{job.models.index(model):02d}-{cases[0]}.npz"
    try:
        with np.load(path) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        if all(len(maps) == len(cases) for maps in found.values()):
            return found
    except (OSError, ValueError, zipfile.BadZipFile):
        pass  # not there, or not whole: made anew
    maps = make()
    arrays_of: dict[str, Any] = dict(maps)
    write_whole(path, lambda file: np.savez(file, **arrays_of))
    return maps


def resized(maps: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Maps `[B, h, w]` brought to another model's size, bilinearly; shrinking averages first.

    Example:
        >>> resized(np.ones((1, 4, 4)), (2, 2)).tolist()
        [[[1.0, 1.0], [1.0, 1.0]]]
    """
    if maps.shape[1:] == tuple(shape):
        return maps
    from skimage.transform import resize

    shrinks = maps.shape[1] > shape[0] or maps.shape[2] > shape[1]
    options: dict[str, Any] = {"order": 1, "mode": "edge", "anti_aliasing": shrinks, "preserve_range": True}
    return np.stack([resize(one.astype(np.float64), tuple(shape), **options) for one in maps]).astype(np.float32)
