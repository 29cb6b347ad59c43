"""Random parts of an image that keep the model's prediction, for images without a mask."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

PROBABILITY = 0.8
"""That the class keeps when the model sees the part alone."""
AREAS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Shares of the image that are tried, the smallest first."""
TRIES = 4
"""Parts of each area."""


def candidates(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """`[24, H, W]`: the highest values of smooth noise, in ascending area."""
    fields = [
        ndimage.gaussian_filter(rng.standard_normal(shape), min(shape) / 8, mode="wrap")
        for _ in range(len(AREAS) * TRIES)
    ]
    return np.stack(
        [field >= np.quantile(field, 1 - area) for field, area in zip(fields, np.repeat(AREAS, TRIES), strict=True)]
    )


def blob(
    shape: tuple[int, int], keeps: Callable[[NDArray[np.bool_]], Any], rng: np.random.Generator
) -> NDArray[np.bool_] | None:
    """The smallest random part, of those tried, that keeps the prediction; None if none does.

    Args:
        shape: (H, W).
        keeps: from parts `[n, H, W]` to `[n]` bool.
        rng: of the parts.
    """
    tried = candidates(shape, rng)
    good = np.flatnonzero(np.asarray(keeps(tried)))
    return tried[good[0]] if good.size else None
