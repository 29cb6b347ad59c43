"""SaCo: do groups of pixels that a map calls more salient change the prediction more, and by how much more?

The pixels are divided into K = 10 groups of equal size by rank, G_1 the most salient (of tied pixels the first goes
first). With `s_i = Σ_{G_i} S` and `d_i = p(x) - p(x with G_i in the mean colour of the image)`, every pair i < j has
the weight `s_i - s_j` if d_i >= d_j, else `-(s_i - s_j)`:

    F = Σ weight / Σ |weight|   in [-1, 1], higher is better

Groups of equal effect count as agreement. Where the pixels do not divide by K, some groups have a pixel more.

References:
    Wu et al., "On the Faithfulness of Vision Transformer Explanations", CVPR 2024.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics import orders
from xaijax.metrics.faithfulness.probe import Floats, Kind, Probe, Reading
from xaijax.metrics.faithfulness.settings import Settings

NAME = "saco"


def coefficient(salience: Any, left: Any) -> float:
    """F of K groups.

    Args:
        salience: `[K]`, s of each group, the most salient first.
        left: `[K]`, the probability without each group.

    Returns:
        In [-1, 1]; NaN where all groups have one salience.

    Example:
        >>> coefficient([3.0, 2.0, 1.0], [0.2, 0.5, 0.6]), coefficient([3.0, 2.0, 1.0], [0.6, 0.5, 0.2])
        (1.0, -1.0)
        >>> coefficient([3.0, 2.0, 1.0], [0.2, 0.6, 0.5])
        0.5
    """
    s, p = np.asarray(salience, np.float64), np.asarray(left, np.float64)
    i, j = np.triu_indices(len(s), 1)
    weights = s[i] - s[j]
    total = float(np.abs(weights).sum())
    # d_i >= d_j is p_i <= p_j, without the rounding of the differences.
    return float(np.where(p[i] <= p[j], weights, -weights).sum()) / total if total > 0 else float("nan")


class SaCo(Probe):
    """The image without each group of each map; the key is the method."""

    def images(self, size: int) -> Iterator[tuple[Hashable, NDArray[np.float32]]]:
        """In the order of the groups, most salient first."""
        image, fill = self.scene.image, self.scene.fill("mean")
        for method, values in self.scene.maps.items():
            levels, n = orders.by_rank(values[None], self.scene.settings.groups)
            for start in range(1, n + 1, size):
                groups = np.arange(start, min(start + size, n + 1))
                yield method, np.where((levels == groups[:, None, None])[..., None], fill, image)

    def read(self, intact: float, responses: Mapping[Any, Floats]) -> dict[tuple[str, str], Reading]:
        """Of every map."""
        found = {}
        for method, left in responses.items():
            values = np.asarray(self.scene.maps[method], np.float64)
            levels, n = orders.by_rank(self.scene.maps[method][None], self.scene.settings.groups)
            sums = np.bincount(levels.reshape(-1), weights=values.reshape(-1), minlength=n + 1)[1:]
            value = coefficient(sums, left)
            finite = np.isfinite([intact, *left]).all()
            found[method, NAME] = Reading(value, "" if finite else "not_finite")
            if finite and np.isnan(value):
                found[method, NAME] = Reading(value, "flat_claims")
        return found


def passes(settings: Settings, shape: tuple[int, int], metrics: Sequence[str]) -> tuple[int, int]:
    """One for each group of each map."""
    return 0, min(settings.groups, shape[0] * shape[1])


KIND = Kind((NAME,), SaCo, passes, False)
