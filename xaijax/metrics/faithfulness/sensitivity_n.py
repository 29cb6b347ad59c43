"""Sensitivity-n: for subsets of n pixels, do the sums of a map agree with what their removal does? A curve over n.

For each n the Pearson correlation of `(Σ_S Φ, f(x) - f(x_S<-b))` over random subsets S of n pixels, per image; n runs
over about 15 values, evenly on a logarithmic scale from 1 to 0.8 of the pixels. The value is the mean over those n for
which both sides vary; the curve shows which. Higher is better. A method is sensitive to n pixels where the correlation
is 1: for a linear model and input times gradient that is every n.

Quantus 0.6.0 computes something else under this name: it correlates over images, and cumulative drops with the sums of
single steps.

References:
    Ancona et al., "Towards better understanding of gradient-based attribution methods for deep neural networks", ICLR
    2018, section 4.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.faithfulness.correlation import fixed_size
from xaijax.metrics.faithfulness.probe import Floats, Kind, Reading, correlate, pieces_of
from xaijax.metrics.faithfulness.settings import Settings
from xaijax.metrics.faithfulness.subsets import Subsets

NAME = "sensitivity_n"
DRAW = 13
LARGEST = 0.8
"""The largest n as a share of the pixels."""


def sizes(pixels: int, count: int) -> list[int]:
    """The numbers of pixels n, ascending, each once.

    Example:
        >>> sizes(1000, 4), sizes(3, 4)
        ([1, 9, 86, 800], [1, 2])
    """
    largest = min(max(round(LARGEST * pixels), 1), max(pixels - 1, 1))
    return sorted({round(n) for n in np.geomspace(1, largest, count)})


class SensitivityN(Subsets):
    """Subsets of several sizes; the key is the size."""

    def masks(self, size: int) -> Iterator[tuple[Hashable, NDArray[np.bool_]]]:
        """From the smallest size to the largest."""
        settings, rng = self.scene.settings, self.scene.rng(DRAW)
        shape = self.scene.image.shape[:2]
        for n in sizes(shape[0] * shape[1], settings.sizes):
            for count in pieces_of(settings.size_draws, size):
                yield n, fixed_size(rng, shape, n, count)

    def read(self, intact: float, responses: Mapping[Any, Floats]) -> dict[tuple[str, str], Reading]:
        """The mean over the sizes that have a correlation."""
        pixels = self.scene.image.shape[0] * self.scene.image.shape[1]
        found: dict[str, list[tuple[int, Reading]]] = {method: [] for method in self.scene.raw}
        for n in responses:
            for method, a, b in self.pairs(intact, responses, n):
                found[method].append((n, correlate(a, b, "pearson")))
        readings = {}
        for method, points in found.items():
            there = [(n / pixels, one.value) for n, one in points if not one.reason]
            reason = "" if there else points[0][1].reason
            if any(one.reason == "not_finite" for _, one in points):
                reason = "not_finite"
            fraction, curve = np.array(there, np.float64).reshape(-1, 2).T
            value = np.nan if reason else float(curve.mean())
            readings[method, NAME] = Reading(value, reason, fraction, curve)
        return readings


def passes(settings: Settings, shape: tuple[int, int], metrics: Sequence[str]) -> tuple[int, int]:
    """One for each subset of each size."""
    return settings.size_draws * len(sizes(shape[0] * shape[1], settings.sizes)), 0


KIND = Kind((NAME,), SensitivityN, passes, True)
