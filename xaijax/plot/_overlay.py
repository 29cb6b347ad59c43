"""Heat maps drawn over images, and outlines of masks: arrays in, uint8 RGB out.

Images are uint8 or float in [0, 1], [H, W, C] with one or three channels; maps are [H, W].
"""

import numpy as np
from scipy import ndimage

# Where a map has a few extreme pixels (gradients do), scaling by the maximum would show nothing else.
PERCENTILE = 99.5


def to_rgb(image: np.ndarray) -> np.ndarray:
    """An image as uint8 RGB.

    Args:
        image: [H, W], [H, W, 1] or [H, W, 3], uint8 or float in [0, 1].

    Returns:
        [H, W, 3] uint8.

    Raises:
        ValueError: for an image of another shape.

    Example:
        >>> to_rgb(np.ones((2, 2, 1), np.float32)).shape
        (2, 2, 3)
    """
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise ValueError(f"image must be [H, W], [H, W, 1] or [H, W, 3]; got {image.shape}")
    if image.dtype != np.uint8:
        image = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return np.broadcast_to(image, (*image.shape[:2], 3)).copy()


def display_scale(heat: np.ndarray) -> np.ndarray:
    """Scales a map for display: negative values to 0, the 99.5th percentile of the positive ones to 1.

    A map without negative values starts at its minimum: a value that every pixel has (FullGrad's floor) is no evidence.

    Args:
        heat: [H, W] map, signed or not.

    Returns:
        [H, W] float64 in [0, 1]; zeros for a map without positive values or with one value everywhere.

    Raises:
        ValueError: for a map that is not [H, W].

    Example:
        >>> display_scale(np.array([[-1.0, 0.0], [2.0, 4.0]])).round(2).tolist()
        [[0.0, 0.0], [0.5, 1.0]]
    """
    heat = np.asarray(heat, np.float64)
    if heat.ndim != 2:
        raise ValueError(f"a map must be [H, W]; got {heat.shape}")
    heat = np.nan_to_num(heat, nan=0.0, posinf=0.0)
    heat = np.maximum(heat - max(heat.min(), 0.0), 0)
    top = np.quantile(heat[heat > 0], PERCENTILE / 100) if (heat > 0).any() else 0.0
    return np.clip(heat / top, 0, 1) if top > 0 else np.zeros_like(heat)


def overlay(image: np.ndarray, heat: np.ndarray, *, colormap: str = "inferno", opacity: float = 0.75) -> np.ndarray:
    """Draws a heat map over an image; the weaker the evidence, the more of the image shows.

    `out = (1 - a) grey + a colour(s)` with `s` the scaled map and `a = opacity * sqrt(s)`.

    Args:
        image: [H, W, C] image, uint8 or float in [0, 1], one or three channels.
        heat: [H, W] map; only its positive part is shown.
        colormap: Name of a Matplotlib colour map; the default is ordered in lightness, so it reads without colour.
        opacity: How much the strongest evidence covers, in [0, 1].

    Returns:
        [H, W, 3] uint8.

    Raises:
        ValueError: for image and map of different sizes, or an opacity outside [0, 1].

    Example:
        >>> image = overlay(np.zeros((8, 8, 1)), np.eye(8))
        >>> image.shape, image.dtype
        ((8, 8, 3), dtype('uint8'))
    """
    import matplotlib

    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must lie in [0, 1]; got {opacity}")
    rgb = to_rgb(image).astype(np.float64)
    scaled = display_scale(heat)
    if scaled.shape != rgb.shape[:2]:
        raise ValueError(f"the map is {scaled.shape} but the image is {rgb.shape[:2]}; resize one of them")
    # A reader would take colour in the image for evidence.
    grey = (rgb @ [0.299, 0.587, 0.114])[..., None]
    colours = matplotlib.colormaps[colormap](scaled)[..., :3] * 255
    alpha = opacity * np.sqrt(scaled)[..., None]
    return np.rint((1 - alpha) * grey + alpha * colours).astype(np.uint8)


def outline(
    image: np.ndarray, mask: np.ndarray, *, color: tuple[int, int, int] = (0, 230, 255), width: int = 1
) -> np.ndarray:
    """Draws the border of a mask, just outside it, so that the pixels inside stay visible.

    Args:
        image: [H, W, 3] uint8.
        mask: [H, W] bool.
        color: RGB, each 0..255.
        width: Pixels.

    Returns:
        [H, W, 3] uint8, a copy; unchanged where the mask is empty.

    Raises:
        ValueError: for a mask of another size.

    Example:
        >>> mask = np.zeros((5, 5), bool)
        >>> mask[2, 2] = True
        >>> outline(np.zeros((5, 5, 3), np.uint8), mask)[1, 1].tolist()
        [0, 230, 255]
    """
    mask = np.asarray(mask, bool)
    if mask.shape != image.shape[:2]:
        raise ValueError(f"the mask is {mask.shape} but the image is {image.shape[:2]}; resize one of them")
    drawn = image.copy()
    drawn[ndimage.binary_dilation(mask, np.ones((3, 3), bool), iterations=width) & ~mask] = color
    return drawn
