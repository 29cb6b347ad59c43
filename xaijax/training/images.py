"""The images of a data set as a training wants them: one size, by position, in memory where they fit."""

import math
from dataclasses import dataclass

import numpy as np

from xaijax.data import Dataset

CACHE_BYTES = 1 << 30  # images that need more are read from their files in every epoch
READ_AT_ONCE = 64


@dataclass(frozen=True)
class Images:
    """Images by position: `len`, and indexing by an index array that gives uint8 `[n, H, W, C]`.

    Args:
        dataset: where they come from.
        indices: `[N]` positions in it of those that can be read.
        labels: `[N]` int32.
        shape: (H, W, C).
        pixels: `[N, H, W, C]` uint8, or None where they are read when they are asked for.
        skipped: `(id, reason)` of those that cannot be read.
    """

    dataset: Dataset
    indices: np.ndarray
    labels: np.ndarray
    shape: tuple[int, int, int]
    pixels: np.ndarray | None
    skipped: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, dataset: Dataset, indices: np.ndarray, shape: tuple[int, int, int]) -> "Images":
        """Look through the images once; those that cannot be read are left out."""
        if len(indices) * math.prod(shape) <= CACHE_BYTES:
            batch = dataset.read(indices, shape, masks=False)
            return cls(dataset, batch.indices, batch.labels, shape, batch.images, batch.skipped)
        kept: list[np.ndarray] = []
        skipped: list[tuple[str, str]] = []
        for start in range(0, len(indices), READ_AT_ONCE):
            part = dataset.read(indices[start : start + READ_AT_ONCE], shape, masks=False)
            kept.append(part.indices)
            skipped += part.skipped
        found = np.concatenate(kept)
        return cls(dataset, found, dataset.labels[found], shape, None, tuple(skipped))

    @property
    def ids(self) -> list[str]:
        """The ids of the images, in order."""
        return [self.dataset.cases[index].id for index in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, positions: np.ndarray) -> np.ndarray:
        if self.pixels is not None:
            return self.pixels[positions]
        batch = self.dataset.read(self.indices[positions], self.shape, masks=False)
        if batch.skipped:
            raise ValueError(f"{batch.skipped[0][0]} could be read before and now cannot: {batch.skipped[0][1]}")
        return batch.images


def is_grey(dataset: Dataset, looked_at: int = 24) -> bool:
    """Whether some images, evenly spread, have equal channels."""
    positions = np.unique(np.linspace(0, len(dataset) - 1, looked_at).round().astype(int))
    pixels = dataset.read(positions, (64, 64, 3), masks=False).images
    return bool((pixels == pixels[..., :1]).all())
