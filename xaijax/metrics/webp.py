"""Information content as the size of the losslessly compressed image.

The estimator of PAIR's `saliency`: bytes of a lossless WebP file at quality 100, written by Pillow. libwebp releases
the GIL, so images are compressed in threads.
"""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xaijax._errors import InputError
from xaijax.kernels._backend import num_threads as thread_count

MOST = 16383  # pixels on a side, the format's limit


def webp_size(images: Any, *, num_threads: int | None = None) -> NDArray[np.float64]:
    """Bytes of each image as lossless WebP.

    Args:
        images: `[N, H, W, C]` uint8, C 1 or 3.
        num_threads: threads for the batch; default: the processors this process may use.

    Returns:
        `[N]` float64, bytes, positive. The number depends on the libwebp that Pillow was built with.

    Raises:
        TypeError: for another dtype than uint8.
        ValueError: for another shape, another number of channels, or sides above 16383 pixels, WebP's limit.

    References:
        Kapishnikov et al., "XRAI: Better Attributions Through Regions", ICCV 2019, section 4.2.

    Example:
        >>> flat, noise = np.zeros((32, 32, 3)), np.random.default_rng(0).integers(0, 256, (32, 32, 3))
        >>> small, large = webp_size(np.stack([flat, noise]).astype(np.uint8))
        >>> bool(small < 100 < 3000 < large)
        True
    """
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise TypeError(f"images must be uint8 for WebP; got {images.dtype}")
    check_webp("WebP", images.shape)
    workers = min(thread_count(num_threads), max(len(images), 1))
    if workers == 1:
        return np.asarray([_size(image) for image in images], np.float64)
    with ThreadPoolExecutor(workers) as pool:
        return np.fromiter(pool.map(_size, images), np.float64, len(images))


def check_webp(what: str, shape: tuple[int, ...]) -> None:
    """Refuses images that WebP cannot hold; `what` needs them."""
    if len(shape) != 4 or shape[-1] not in (1, 3):
        raise InputError(f"images must be [N, H, W, C] with C 1 or 3 for {what}; got shape {shape}")
    if max(shape[1:3]) > MOST:
        raise InputError(f"images must have sides of at most {MOST} pixels for {what}; got shape {shape}")


def _size(image: NDArray[np.uint8]) -> int:
    buffer = BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(
        buffer, format="webp", lossless=True, quality=100
    )
    return buffer.tell()
