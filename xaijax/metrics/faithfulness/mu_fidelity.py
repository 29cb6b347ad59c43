"""μFidelity: do the sums of a map over random cells of a grid rank like what their removal does?

`Spearman_S(Σ_S Φ, f(x) - f(x_S<-b))`: S holds each cell of a 9 x 9 grid with probability 0.2, independently; Σ runs
over the pixels of the removed cells, Φ has its sign. Higher is better. It is not faithfulness correlation with other
numbers: subsets are coarse and of random size, so that a map that is positive everywhere gains from the size alone.

Xplique gives 0 where one side does not vary; here there is no value.

References:
    Bhatt et al., IJCAI 2020; Fel et al., "Look at the Variance! Efficient Black-box Explanations with Sobol-based
    Sensitivity Analysis", NeurIPS 2021 (the grid and the ranks).
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.faithfulness.probe import Floats, Kind, Reading, cells_of, correlate, pieces_of
from xaijax.metrics.faithfulness.settings import Settings
from xaijax.metrics.faithfulness.subsets import Subsets

NAME = "mu_fidelity"
DRAW = 12


class MuFidelity(Subsets):
    """Random cells of a grid."""

    def masks(self, size: int) -> Iterator[tuple[Hashable, NDArray[np.bool_]]]:
        """Cells are drawn independently; a draw may remove none."""
        settings, rng = self.scene.settings, self.scene.rng(DRAW)
        height, width = self.scene.image.shape[:2]
        cells = cells_of((height, width), settings.grid)
        for count in pieces_of(settings.grid_draws, size):
            gone = rng.random((count, int(cells.max()) + 1)) < settings.removed
            yield "", gone[:, cells]

    def read(self, intact: float, responses: Mapping[Any, Floats]) -> dict[tuple[str, str], Reading]:
        """Spearman over the draws."""
        return {(method, NAME): correlate(a, b, "spearman") for method, a, b in self.pairs(intact, responses, "")}


def passes(settings: Settings, shape: tuple[int, int], metrics: Sequence[str]) -> tuple[int, int]:
    """One for each draw."""
    return settings.grid_draws, 0


KIND = Kind((NAME,), MuFidelity, passes, True)
