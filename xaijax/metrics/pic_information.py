"""How much information an image holds: the four measures of the information curves."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax import kernels
from xaijax.metrics.webp import webp_size

MEASURES = ("shannon", "webp", "mutual", "mean")


def as_uint8(images: NDArray[Any], *, stretch: bool = False) -> NDArray[np.uint8]:
    """Images as 8 bits for WebP: floats in [0, 1] and uint16 are scaled and rounded half to even.

    With `stretch` every image is scaled from its own minimum and maximum and truncated, as the medical study does with
    its standardised floats; a constant image becomes 0.
    """
    if images.dtype == np.uint8:
        return images
    if stretch:
        low = images.min(axis=(-3, -2, -1), keepdims=True)
        span = images.max(axis=(-3, -2, -1), keepdims=True) - low
        return ((images - low) / np.where(span > 0, span, 1) * 255).astype(np.uint8)
    top = 65535.0 if images.dtype == np.uint16 else 1.0
    return np.rint(np.clip(images / top, 0.0, 1.0) * 255.0).astype(np.uint8)


def measure_information(
    images: NDArray[Any],
    original: NDArray[Any],
    measures: Iterable[str],
    *,
    stretch: bool = False,
    num_threads: int | None = None,
) -> dict[str, NDArray[np.float64]]:
    """The information in images rebuilt from one original, by each of `measures`.

    Args:
        images: `[N, H, W, C]`, uint8, uint16, float32 or float64; the original may be among them.
        original: `[H, W, C]`, same dtype.
        measures: of `"shannon"` (bits), `"webp"` (bytes), `"mutual"` (bits shared with `original`, mean over channels)
            and `"mean"` (of the numbers of the first two, unlike in unit as they are; the medical study's third).
        stretch: how float images become 8 bits for WebP, see `as_uint8`.
        num_threads: threads for the batch; default: the processors this process may use.

    Returns:
        measure -> `[N]` float64.

    Raises:
        ValueError: for an unknown measure.

    Example:
        >>> image = np.zeros((12, 12, 1), np.uint8)
        >>> image[6:] = 255
        >>> measure_information(image[None], image, ["shannon"])["shannon"].tolist()
        [1.0]
    """
    wanted = list(measures)
    for measure in wanted:
        if measure not in MEASURES:
            raise ValueError(f"the information measure must be one of {', '.join(MEASURES)}; got {measure!r}")
    # The original says how many channels there are: more than four look like the width of grey images otherwise.
    channels = original.shape[-1] if original.ndim == 3 else None
    values: dict[str, NDArray[np.float64]] = {}
    if "shannon" in wanted or "mean" in wanted:
        values["shannon"] = kernels.histogram_entropy(images, channels=channels, num_threads=num_threads)
    if "webp" in wanted or "mean" in wanted:
        values["webp"] = webp_size(as_uint8(images, stretch=stretch), num_threads=num_threads)
    if "mutual" in wanted:
        values["mutual"] = kernels.mutual_information(images, original, channels=channels, num_threads=num_threads)
    if "mean" in wanted:
        values["mean"] = (values["shannon"] + values["webp"]) / 2.0
    return {measure: values[measure] for measure in wanted}
