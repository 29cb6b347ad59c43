"""Prediction gaps: how far does the prediction move when the important pixels change (PGI), or the others (PGU)?

The important pixels are the 25 % of the largest |Φ| (by rank; of tied pixels the first goes first).

| metric | value | better |
|---|---|---|
| pgi | `mean_r \\|f(x) - f(x + N(0, 0.1²) on the important pixels)\\|`, 100 draws | higher |
| pgu | the same on all others | lower |
| pgi_removal | `\\|f(x) - f(x with the important pixels removed)\\|` | higher |
| pgu_removal | the same for all others | lower |

Noise is drawn for every channel; all methods of an image see the same draws. Noisy images are not clipped to [0, 1].
OpenXAI takes the same deviation on standardised data, the mean over k = 1..K important features, and f = column 0.

References:
    Agarwal et al., "OpenXAI: Towards a Transparent Evaluation of Model Explanations", NeurIPS 2022 (PGI, PGU).
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.faithfulness.probe import Floats, Kind, Probe, Reading, pieces_of
from xaijax.metrics.faithfulness.settings import Settings

PGI, PGU, PGI_REMOVAL, PGU_REMOVAL = "pgi", "pgu", "pgi_removal", "pgu_removal"
NOISY = (PGI, PGU)
DRAW = 15


class Gap(Probe):
    """Images with changes on one side of a map; the key is the method and the metric."""

    def _important(self, method: str) -> NDArray[np.bool_]:
        size = np.abs(self.scene.raw[method])
        count = min(max(round(self.scene.settings.top * size.size), 1), size.size - 1)
        found = np.zeros(size.size, bool)
        found[np.argsort(-size.reshape(-1), kind="stable")[:count]] = True
        return found.reshape(size.shape)

    def _varied(self) -> list[str]:
        return [method for method, values in self.scene.raw.items() if np.ptp(np.abs(values)) > 0]

    def images(self, size: int) -> Iterator[tuple[Hashable, NDArray[np.float32]]]:
        """Map by map; noise on both sides from the same draws."""
        scene = self.scene
        image, settings = scene.image, scene.settings
        noisy = [name for name in NOISY if name in self.metrics]
        for method in self._varied():
            inside = self._important(method)[..., None]
            side = {PGI: inside, PGI_REMOVAL: inside, PGU: ~inside, PGU_REMOVAL: ~inside}
            rng = scene.rng(DRAW)
            for count in pieces_of(settings.noise_draws if noisy else 0, size):
                noise = rng.standard_normal((count, *image.shape), np.float32) * np.float32(settings.noise)
                for name in noisy:
                    yield (method, name), image + np.where(side[name], noise, np.float32(0))
            for name in (PGI_REMOVAL, PGU_REMOVAL):
                if name in self.metrics:
                    yield (method, name), np.where(side[name], scene.fill(), image)[None]

    def read(self, intact: float, responses: Mapping[Any, Floats]) -> dict[tuple[str, str], Reading]:
        """The mean gap of every map."""
        found = {
            (method, name): Reading(np.nan, "flat_magnitudes") for method in self.scene.raw for name in self.metrics
        }
        for key, values in responses.items():
            value = float(np.abs(intact - values).mean())
            found[key] = Reading(value, "" if np.isfinite(value) else "not_finite")
        return found


def passes(settings: Settings, shape: tuple[int, int], metrics: Sequence[str]) -> tuple[int, int]:
    """The draws for each noisy metric of each map, and one for each removal."""
    return 0, sum(settings.noise_draws if name in NOISY else 1 for name in metrics)


KIND = Kind((PGI, PGU, PGI_REMOVAL, PGU_REMOVAL), Gap, passes, True)
