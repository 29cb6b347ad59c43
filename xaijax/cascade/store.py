"""Suppressed images and maps of a round as `.npy` files: float32, mapped into memory, never rounded to 8 bits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from xaijax import _files
from xaijax._runs.training import Images


def write(path: Path, shape: tuple[int, ...], fill: Callable[[np.ndarray], None]) -> None:
    """A float32 array of this shape, which `fill` writes into; the file is there when it is whole."""

    def make(temporary: Path) -> None:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
        fill(array)
        array.flush()

    _files.with_temporary(path, make)


def read(path: Path) -> np.ndarray:
    """The array of a file, mapped: only what is indexed is read."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


class Intact:
    """The images of round 0 as float32 in [0, 1]: those for training, then for validation, then for test.

    Args:
        sides: images by position.
    """

    def __init__(self, *sides: Images) -> None:
        self.sides = sides
        self.starts = np.cumsum([0, *(len(side) for side in sides)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, positions: Any) -> np.ndarray:
        positions = np.asarray(positions)
        found = np.empty((len(positions), *self.sides[0].shape), np.float32)
        for side, start in zip(self.sides, self.starts[:-1], strict=True):
            inside = (positions >= start) & (positions < start + len(side))
            if inside.any():
                found[inside] = side[positions[inside] - start].astype(np.float32) / np.float32(255)
        return found


class Stretch:
    """Some neighbouring images of a round, by position, as a training takes them.

    Args:
        source: the images of the round: `Intact`, or a mapped array.
        start: position of the first.
        count: how many.
    """

    def __init__(self, source: Any, start: int, count: int) -> None:
        self.source, self.start, self.count = source, start, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, positions: Any) -> np.ndarray:
        return np.asarray(self.source[np.asarray(positions) + self.start])
