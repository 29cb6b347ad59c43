"""Monotonicity: does the probability rise with every step as pixels appear, the least important ones first?

The image starts as the baseline; in equal steps the pixels appear by ascending |Φ| (of tied pixels the first goes
first), up to the intact image. With p_0 of the baseline and p_L of the intact image:

| metric | value |
|---|---|
| monotonicity | 1 if `p_{k+1} >= p_k` for every k, else 0 |
| monotonicity_share | share of the steps with `p_{k+1} >= p_k` |
| monotonicity_spearman | `Spearman(k, p_k)` |

The first is almost always 0 for networks and falls with the number of steps, hence the others.
Quantus 0.6.0 writes the baseline into the baseline image: its curve is constant and its score always true.

References:
    Arya et al., "One Explanation Does Not Fit All", 2019 (AIX360); Luss et al., "Leveraging Latent Features for Local
    Explanations", KDD 2021.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics import orders
from xaijax.metrics.faithfulness.probe import Floats, Kind, Probe, Reading, correlate
from xaijax.metrics.faithfulness.settings import Settings

NEVER, SHARE, SPEARMAN = "monotonicity", "monotonicity_share", "monotonicity_spearman"


class Monotonicity(Probe):
    """Images between the baseline, which all maps share, and the intact image; the key is the method, or None."""

    def _levels(self, method: str) -> tuple[NDArray[np.uint16], int]:
        return orders.by_rank(-np.abs(self.scene.raw[method])[None], self.scene.settings.steps)

    def _varied(self) -> list[str]:
        return [method for method, values in self.scene.raw.items() if np.ptp(np.abs(values)) > 0]

    def images(self, size: int) -> Iterator[tuple[Hashable, NDArray[np.float32]]]:
        """The baseline, then of each map the images with more and more pixels of the original."""
        image, fill = self.scene.image, self.scene.fill()
        methods = self._varied()
        if methods:
            yield None, fill[None]
        for method in methods:
            levels, n = self._levels(method)
            for start in range(1, n, size):
                steps = np.arange(start, min(start + size, n))
                yield method, np.where((levels <= steps[:, None, None])[..., None], image, fill)

    def read(self, intact: float, responses: Mapping[Any, Floats]) -> dict[tuple[str, str], Reading]:
        """The three of every map."""
        found = {
            (method, name): Reading(np.nan, "flat_magnitudes") for method in self.scene.raw for name in self.metrics
        }
        for method in self._varied():
            levels, n = self._levels(method)
            p = np.concatenate([responses[None], responses.get(method, np.zeros(0)), [intact]])
            counts = np.bincount(levels.reshape(-1), minlength=n + 1)[: n + 1]
            fraction = counts.cumsum() / levels.size
            for name in self.metrics:
                one = self._value(name, p)
                found[method, name] = one if one.reason else one._replace(fraction=fraction, curve=p)
        return found

    def _value(self, name: str, p: Floats) -> Reading:
        if not np.isfinite(p).all():
            return Reading(np.nan, "not_finite")
        if name == SPEARMAN:
            return correlate(np.arange(len(p), dtype=np.float64), p, "spearman")
        kept = p[1:] >= p[:-1]
        return Reading(float(kept.all() if name == NEVER else kept.mean()))


def passes(settings: Settings, shape: tuple[int, int], metrics: Sequence[str]) -> tuple[int, int]:
    """The baseline for each image, and the steps between the ends for each map."""
    return 1, min(settings.steps, shape[0] * shape[1]) - 1


KIND = Kind((NEVER, SHARE, SPEARMAN), Monotonicity, passes, False)
