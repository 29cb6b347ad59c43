"""Faithfulness correlation: do the sums of a map over random subsets of pixels agree with what their removal does?

`Pearson_S(Σ_S Φ, f(x) - f(x_S<-b))` over random subsets S of one fixed size, Φ with its sign, b the baseline. Higher is
better. Pixels are drawn without replacement and lose all their channels together; subsets and forward passes are those
of all methods.

Quantus 0.6.0 draws 224 of the C x H x W values independently and puts the image's smallest value there; its division of
Φ by the largest magnitude changes nothing.

References:
    Bhatt et al., "Evaluating and Aggregating Feature-based Model Explanations", IJCAI 2020.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.faithfulness.probe import Floats, Kind, Reading, correlate, pieces_of
from xaijax.metrics.faithfulness.settings import Settings
from xaijax.metrics.faithfulness.subsets import Subsets

NAME = "faithfulness_correlation"
DRAW = 11


def fixed_size(rng: np.random.Generator, shape: tuple[int, int], size: int, count: int) -> NDArray[np.bool_]:
    """`[count, H, W]` random subsets of `size` pixels each."""
    found = np.zeros((count, shape[0] * shape[1]), bool)
    for one in found:
        one[rng.choice(one.size, size, replace=False, shuffle=False)] = True
    return found.reshape(count, *shape)


class Correlation(Subsets):
    """One size of subsets."""

    def masks(self, size: int) -> Iterator[tuple[Hashable, NDArray[np.bool_]]]:
        """All subsets have the share of the settings, at least a pixel and at most all but one."""
        scene = self.scene
        shape, rng = scene.image.shape[:2], scene.rng(DRAW)
        pixels = shape[0] * shape[1]
        chosen = min(max(round(scene.settings.subset * pixels), 1), pixels - 1)
        for count in pieces_of(scene.settings.draws, size):
            yield "", fixed_size(rng, shape, chosen, count)

    def read(self, intact: float, responses: Mapping[Any, Floats]) -> dict[tuple[str, str], Reading]:
        """Pearson over the subsets."""
        return {(method, NAME): correlate(a, b, "pearson") for method, a, b in self.pairs(intact, responses, "")}


def passes(settings: Settings, shape: tuple[int, int], metrics: Sequence[str]) -> tuple[int, int]:
    """One for each subset."""
    return settings.draws, 0


KIND = Kind((NAME,), Correlation, passes, True)
