"""Images of which the truth is known because they were made so: without evidence, or with a lesion and nothing else.

Images are `[H, W, C]`, uint8 or float in [0, 1], masks `[H, W]` bool. These are the images that perturbation metrics
make of an image: what a network answers to them decides what such metrics measure.

| kind | the image |
|---|---|
| black | all 0 |
| mean | the mean colour |
| blurred | under a Gaussian of 5 to 15 % of the side |
| linear | filled linearly from 0.5 to 2 % of its pixels, and its corners |
| scattered | 0.5 to 10 % of its pixels, the rest black or the mean colour |
| removed | the lesion with its soft edge filled linearly from around it |
| covered | the lesion hidden under black, the mean colour or the blurred image |

References:
    Kapishnikov et al., "XRAI: Better Attributions Through Regions", ICCV 2019 (the linear fill of 1 % of the pixels).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from scipy import ndimage

from xaijax import kernels

Kind = Literal["black", "mean", "blurred", "linear", "scattered", "removed", "covered"]
KINDS: tuple[Kind, ...] = ("black", "mean", "blurred", "linear", "scattered", "removed", "covered")
NEED_MASKS: tuple[Kind, ...] = ("removed", "covered")
SOFT = 3 / 128  # of the side: what belongs to a lesion around its mask
RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"blurred": (0.05, 0.15), "linear": (0.005, 0.02), "scattered": (0.005, 0.1)}
)
"""Kind -> the amounts that it is drawn from: a share of the side, of the pixels, of the pixels."""


def without_evidence(
    image: Any, mask: Any, kind: Kind, rng: np.random.Generator, *, amount: float | None = None
) -> Any:
    """An image that gives no class away.

    Args:
        image: `[H, W, C]`, uint8 or float in [0, 1].
        mask: `[H, W]` bool, its lesion; None where `kind` does not need one.
        kind: of image, see the module.
        rng: draws the amount, the pixels, and what covers the rest.
        amount: instead of one drawn evenly over the logarithms of `RANGES`.

    Returns:
        `[H, W, C]` in the image's dtype.

    Example:
        >>> import numpy as np
        >>> image = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
        >>> without_evidence(image, None, "mean", np.random.default_rng(0)).ravel()[:2].tolist()
        [32, 32]
    """
    if kind in RANGES and amount is None:
        low, high = np.log(RANGES[kind])
        amount = float(np.exp(rng.uniform(low, high)))
    side = min(image.shape[:2])
    if kind in ("black", "mean"):
        return _hidden(image, np.zeros(image.shape[:2], bool), 0 if kind == "black" else "mean")
    if kind == "blurred":
        assert amount is not None
        return _hidden(image, np.zeros(image.shape[:2], bool), "blur", sigma=amount * side)
    if kind in ("linear", "scattered"):
        assert amount is not None
        known = kernels.random_mask(image.shape[:2], amount, int(rng.integers(2**63)))
        fill = "linear" if kind == "linear" else (0, "mean")[int(rng.integers(2))]
        return _hidden(image, known, fill)
    if kind == "removed":
        return _hidden(image, ~grown(mask, side), "linear")
    fill = (0, "mean", "blur")[int(rng.integers(3))]
    return _hidden(image, ~grown(mask, side, int(rng.integers(soft(side) + 1))), fill)


def lesion_alone(image: Any, mask: Any, rng: np.random.Generator) -> Any:
    """The lesion of an image on a background without evidence of its own: black, mean, blurred, linear or scattered.

    Args:
        image: `[H, W, C]`, uint8 or float in [0, 1].
        mask: `[H, W]` bool, its lesion.
        rng: draws the background, and how much of the lesion's soft edge is kept.

    Returns:
        `[H, W, C]` in the image's dtype; within the mask its pixels are those of the image.
    """
    kinds: tuple[Kind, ...] = ("black", "mean", "blurred", "linear", "scattered")
    side = min(image.shape[:2])
    kept = grown(mask, side, int(rng.integers(soft(side) + 1)))
    kind = kinds[int(rng.integers(len(kinds)))]
    if kind != "linear":
        return np.where(kept[..., None], image, without_evidence(image, None, kind, rng))
    # As a map that marks the lesion reveals it: the fill starts from its pixels too.
    low, high = np.log(RANGES["linear"])
    known = kernels.random_mask(image.shape[:2], float(np.exp(rng.uniform(low, high))), int(rng.integers(2**63)))
    return _hidden(image, known | kept, "linear")


def pasted(image: Any, mask: Any, background: Any, gone: Any) -> Any:
    """The lesion of one image at its place in another image, whose own lesion is removed.

    Args:
        image: `[H, W, C]` with the lesion.
        mask: `[H, W]` bool; may be empty, for an image of a class without lesions.
        background: `[H, W, C]`, of the same dtype.
        gone: `[H, W]` bool, the lesion of the background; may be empty.

    Returns:
        `[H, W, C]`: the image within the mask and its soft edge, outside it the background.

    Example:
        >>> import numpy as np
        >>> image, background = np.full((64, 64, 1), 9, np.uint8), np.zeros((64, 64, 1), np.uint8)
        >>> mask = np.zeros((64, 64), bool)
        >>> mask[30, 30] = True
        >>> int((pasted(image, mask, background, mask) == 9).sum())
        13
    """
    side = min(image.shape[:2])
    clean = _hidden(background, ~grown(gone, side), "linear") if gone.any() else background
    return np.where(grown(mask, side)[..., None], image, clean)


def soft(side: int) -> int:
    """Pixels around a mask that belong to the lesion."""
    return round(SOFT * side)


def grown(mask: Any, side: int, by: int | None = None) -> Any:
    """A mask with its soft edge, or grown by another number of pixels."""
    steps = soft(side) if by is None else by
    return ndimage.binary_dilation(mask, iterations=steps) if steps else np.asarray(mask)


def _hidden(image: Any, known: Any, fill: Any, sigma: float = 10.0) -> Any:
    """The image with all but the known pixels filled; one thread, because the reader of batches has one."""
    levels = np.where(known, 0, 1).astype(np.uint16)
    return kernels.reveal(np.ascontiguousarray(image), levels, 1, fill, sigma=sigma, num_threads=1)[0]
