"""Segments of an image for XRAI: Felzenszwalb's graph segmentation at several scales, as overlapping masks.

The scales are those of the authors' code, tuned for images in [-1, 1] at 224 x 224, so the image is brought there first
and the labels back. A dilation by a disk is a distance transform of the segment's own bounding box, not of the image.
"""

import numpy as np
from scipy import ndimage
from skimage.segmentation import felzenszwalb
from skimage.transform import resize

SCALES = (50, 100, 150, 250, 500, 1200)
SIGMA = 0.8
MIN_SIZE = 150
_WORKING_SIZE = (224, 224)


def dilate(mask: np.ndarray, radius: int) -> np.ndarray:
    """`mask` `[H, W]` bool grown by a disk: every pixel within `radius` pixels of it.

    Example:
        >>> mask = np.zeros((5, 5), bool)
        >>> mask[2, 2] = True
        >>> int(dilate(mask, 1).sum())
        5
    """
    if radius == 0 or not mask.any():
        return mask.copy()
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    box = (
        slice(max(rows[0] - radius, 0), rows[-1] + radius + 1),
        slice(max(columns[0] - radius, 0), columns[-1] + radius + 1),
    )
    grown = np.zeros_like(mask)
    # Squared integer distances are exact in float64, and so is the comparison of their roots.
    grown[box] = ndimage.distance_transform_edt(~mask[box]) <= radius
    return grown


def segment_masks(image: np.ndarray, dilation: int = 5) -> np.ndarray:
    """All segments of all scales, finest scale first.

    Args:
        image: `[H, W, C]` float; scaled by its own minimum and maximum.
        dilation: radius in pixels by which segments grow, so that they hold the edges they end at.

    Returns:
        `[M, H, W]` bool.
    """
    image = np.asarray(image, np.float64)
    low, span = image.min(), np.ptp(image)
    scaled = (image - low) / (span if span > 0 else 1.0) * 2 - 1
    scaled = resize(scaled, _WORKING_SIZE, order=3, mode="constant", preserve_range=True, anti_aliasing=True)
    masks = []
    for scale in SCALES:
        labels = felzenszwalb(scaled, scale=scale, sigma=SIGMA, min_size=MIN_SIZE)
        labels = resize(
            labels, image.shape[:2], order=0, mode="constant", preserve_range=True, anti_aliasing=False
        ).astype(np.int64)
        masks += [dilate(labels == label, dilation) for label in range(labels.min(), labels.max() + 1)]
    return np.stack(masks)
