"""Mutual information from joint histograms."""

import numpy as np

from xaijax.kernels._numba.batch import for_each
from xaijax.kernels._numba.histogram import bins_of, edges_of, entropy_of_counts


def _information(image: np.ndarray, reference: np.ndarray, bins: int) -> float:
    if not (np.isfinite(image).all() and np.isfinite(reference).all()):
        return float("nan")
    total = 0.0
    channels = image.shape[-1]
    for c in range(channels):
        x = np.ascontiguousarray(reference[..., c]).ravel()
        y = np.ascontiguousarray(image[..., c]).ravel()
        if x.min() == x.max():
            continue
        edges = edges_of(x, bins, None)
        if edges is None:
            return float("nan")
        joint = np.bincount(bins_of(x, edges, True) * bins + bins_of(y, edges, True), minlength=bins * bins)
        table = joint.reshape(bins, bins)
        of_x, of_y = entropy_of_counts(table.sum(axis=1)), entropy_of_counts(table.sum(axis=0))
        total += max(0.0, min(of_x, of_y, of_x + of_y - entropy_of_counts(joint)))
    return total / channels


def mutual_information(
    images: np.ndarray, references: np.ndarray, bins: int, batch: tuple[int, ...], num_threads: int
) -> np.ndarray:
    """`[..., H, W, C]` twice, leading axes broadcast to `batch` -> `batch` float64, bits."""
    item = images.shape[-3:]
    images = np.broadcast_to(images, batch + item)
    references = np.broadcast_to(references, batch + item)
    bits = np.empty(batch)
    places = list(np.ndindex(*batch))

    def one(i: int) -> None:
        bits[places[i]] = _information(images[places[i]], references[places[i]], bins)

    for_each(one, len(places), num_threads)
    return bits
