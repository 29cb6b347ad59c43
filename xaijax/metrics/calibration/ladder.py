"""The maps of a case: the truth, its mixtures with textures, their twins, and pairs of textures of one kind."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.calibration.textures import FIXED, TEXTURES, mixture, orthogonal
from xaijax.metrics.calibration.twins import roll, shift

TRUTH = "truth"
ROLL = "roll:"
NULL = "null:"


def name_of(texture: str, level: float) -> str:
    """The name of a map in rows.

    Example:
        >>> name_of("smooth 6", 0.5), name_of("white", 0.0)
        ('smooth 6|0.5', 'truth')
    """
    return f"{texture}|{level:g}" if level else TRUTH


def null_name(texture: str) -> str:
    """The name of the second texture of a kind; the first is `name_of(texture, 1)`."""
    return f"{NULL}{texture}|2"


def twins(textures: Sequence[str], levels: Sequence[float]) -> list[str]:
    """Names of the maps that have a twin: all with a < 1, each once.

    Example:
        >>> twins(["white"], [0.0, 0.5, 1.0])
        ['truth', 'white|0.5']
    """
    return list(dict.fromkeys(name_of(texture, level) for level in levels if level < 1 for texture in textures))


def map_names(textures: Sequence[str], levels: Sequence[float]) -> list[str]:
    """Names of all maps of a case, in their order.

    Example:
        >>> map_names(["white", "edges"], [0.0, 1.0])
        ['truth', 'white|1', 'edges|1', 'roll:truth', 'null:white|2']
    """
    plain = dict.fromkeys(name_of(texture, level) for level in levels for texture in textures)
    turned = [ROLL + name for name in twins(textures, levels)]
    return [*plain, *turned, *(null_name(texture) for texture in textures if texture not in FIXED)]


def maps_of(
    truth: Any, image: NDArray[Any], textures: Sequence[str], levels: Sequence[float], seed: Sequence[int]
) -> Iterator[tuple[str, NDArray[np.float64] | None]]:
    """`(name, map [H, W] in [0, 1])` in the order of `map_names`; None where nothing is left of a texture.

    Args:
        truth: T, `[H, W]`, not constant.
        image: `[H, W, C]`, for textures that follow the image.
        textures: names out of `TEXTURES`.
        levels: shares a of the texture, ascending, the first 0 and the last 1.
        seed: numbers that everything random follows from, together with the name of the texture.
    """

    def generator(texture: str, draw: int) -> np.random.Generator:
        return np.random.default_rng([*seed, list(TEXTURES).index(texture), draw])

    first = {texture: orthogonal(TEXTURES[texture](image, generator(texture, 0)), truth) for texture in textures}
    there = {texture: bool(np.isfinite(one).all()) for texture, one in first.items()}
    made: dict[str, NDArray[np.float64] | None] = {}
    for level in levels:
        for texture in textures:
            name = name_of(texture, level)
            if name in made:
                continue
            noise = np.random.default_rng([*seed, len(TEXTURES), round(level * 1000), list(TEXTURES).index(texture)])
            made[name] = mixture(truth, first[texture], level, noise) if there[texture] or not level else None
    yield from made.items()
    by = shift(np.shape(truth)[:2], np.random.default_rng([*seed, len(TEXTURES) + 1]))
    for name in twins(textures, levels):
        plain = made[name]
        yield ROLL + name, None if plain is None else roll(plain, by)
    for texture in textures:
        if texture not in FIXED:
            second = orthogonal(TEXTURES[texture](image, generator(texture, 1)), truth)
            noise = generator(texture, 2)
            yield null_name(texture), mixture(truth, second, 1.0, noise) if np.isfinite(second).all() else None
