"""Monotonicity correlation: do cells that a map calls important make the prediction uncertain when they are unknown?

For every cell of a grid, `Spearman(Σ |Φ|, mean_r (f(x with random contents in the cell) - f(x))²)`, over the cells:
only that cell is replaced, with values drawn uniformly from [0, 1], 100 times. Higher is better. The paper divides by
f(x)² (unless |f(x)| < 1e-5): that is one number for all cells of an image and leaves their ranks as they are.

All methods of an image share the random contents and the forward passes. Where a side of the image has fewer pixels
than the grid has cells, there are as many cells as pixels.

References:
    Nguyen and Martínez, "On quantitative aspects of model interpretability", 2020.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.faithfulness.probe import Floats, Kind, Probe, Reading, cells_of, correlate, falls, pieces_of
from xaijax.metrics.faithfulness.settings import Settings

NAME = "monotonicity_correlation"
DRAW = 14


class Influence(Probe):
    """Images with one cell of random contents; the key is the cell."""

    def _cells(self) -> NDArray[np.int64]:
        height, width = self.scene.image.shape[:2]
        return cells_of((height, width), self.scene.settings.cells)

    def images(self, size: int) -> Iterator[tuple[Hashable, NDArray[np.float32]]]:
        """Cell by cell."""
        image, rng, cells = self.scene.image, self.scene.rng(DRAW), self._cells()
        for cell in range(int(cells.max()) + 1):
            inside = cells == cell
            for count in pieces_of(self.scene.settings.cell_draws, size):
                made = np.repeat(image[None], count, axis=0)
                made[:, inside] = rng.random((count, int(inside.sum()), image.shape[-1]), np.float32)
                yield cell, made

    def read(self, intact: float, responses: Mapping[Any, Floats]) -> dict[tuple[str, str], Reading]:
        """Spearman over the cells."""
        cells = self._cells().reshape(-1)
        influence = np.array([np.mean(falls(intact, responses[cell]) ** 2) for cell in range(int(cells.max()) + 1)])
        found = {}
        for method, values in self.scene.raw.items():
            claimed: Floats = np.bincount(cells, weights=np.abs(values.reshape(-1).astype(np.float64))).astype(
                np.float64
            )
            found[method, NAME] = correlate(claimed, influence, "spearman")
        return found


def passes(settings: Settings, shape: tuple[int, int], metrics: Sequence[str]) -> tuple[int, int]:
    """One for each random content of each cell."""
    return settings.cell_draws * int(cells_of(shape, settings.cells).max() + 1), 0


KIND = Kind((NAME,), Influence, passes, True)
