"""Random subsets of pixels that are removed from an image: their sums in every map, and the model's answers."""

from abc import abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.faithfulness.probe import Floats, Probe, Scene, falls


class Subsets(Probe):
    """Removes subsets S, all channels of a pixel together, and keeps `Σ_S Φ` of every map."""

    def __init__(self, scene: Scene, metrics: Sequence[str]) -> None:
        super().__init__(scene, metrics)
        self._sums: dict[Hashable, list[Floats]] = {}

    @abstractmethod
    def masks(self, size: int) -> Iterator[tuple[Hashable, NDArray[np.bool_]]]:
        """`(key, [n, H, W])`: True where a subset removes the pixel, at most `size` subsets at a time."""

    def images(self, size: int) -> Iterator[tuple[Hashable, NDArray[np.float32]]]:
        """The image without each of the subsets."""
        raw = np.stack([values.reshape(-1) for values in self.scene.raw.values()], axis=1).astype(np.float64)
        for key, masks in self.masks(size):
            sums = masks.reshape(len(masks), -1).astype(np.float64) @ raw
            self._sums.setdefault(key, []).append(sums)
            yield key, np.where(masks[..., None], self.scene.fill(), self.scene.image)

    def pairs(self, intact: float, responses: Mapping[Any, Floats], key: Hashable) -> Iterator[tuple[str, Floats, Any]]:
        """`(method, Σ_S Φ [n], f(x) - f(x without S) [n])` of the subsets of a key."""
        sums = np.concatenate(self._sums[key])
        for method, claimed in zip(self.scene.raw, sums.T, strict=True):
            yield method, claimed, falls(intact, responses[key])
