"""Twins: the same map in the wrong place. What reads the map alone cannot tell them apart."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def shift(shape: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """How far to roll maps of a shape: at least a quarter of the image along both axes, either way round.

    Example:
        >>> shift((4, 4), np.random.default_rng(0))
        (3, 2)
    """
    height, width = shape
    return (
        int(rng.integers(-(-height // 4), height - -(-height // 4) + 1)),
        int(rng.integers(-(-width // 4), width - -(-width // 4) + 1)),
    )


def roll(values: Any, by: tuple[int, int]) -> NDArray[Any]:
    """A map `[..., H, W]`, circularly shifted.

    Example:
        >>> roll(np.array([[1, 2], [3, 4]]), (1, 1)).tolist()
        [[4, 3], [2, 1]]
    """
    return np.roll(np.asarray(values), by, axis=(-2, -1))
