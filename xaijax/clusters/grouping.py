"""Which maps are alike: spectral clustering of where maps have their evidence (Lapuschkin et al., 2019, "SpRAy").

A map becomes a distribution over the cells of a grid, `p`: the positive evidence, averaged within cells and divided by
its sum. It is smoothed by a Gaussian of one cell, so that maps of neighbouring cells are nearer than those of opposite
corners. Maps are compared by Hellinger's distance, the Euclidean distance between their `sqrt(p)`. An affinity joins
each map with its nearest ones, scaled by how far those lie (Zelnik-Manor and Perona, 2004), and the eigenvectors of its
normalised Laplacian are clustered (Ng, Jordan and Weiss, 2001; scikit-learn).

Maps are `[N, H, W]`, higher is more evidence. Negative values are evidence against the class and count as none.
"""

from dataclasses import dataclass
from math import ceil, log
from typing import Any

import numpy as np

MOST = 12
"""The largest number of clusters that the eigengap may choose, or twice the smallest where that is more."""
NEIGHBOURS = 5
"""With how many others a map is joined, or the logarithm of the number of maps where that is more; the distance to the
last of them is its scale. A cluster of fewer maps than that would be joined to others."""
SMOOTH = 1.0
"""Standard deviation of the smoothing, in cells."""
CALM = 30.0  # perplexity of t-SNE; it must be below a third of the number of maps


def pool(maps: Any, size: tuple[int, int]) -> np.ndarray:
    """Means of maps over the cells of a grid; a pixel that two cells share counts in each by the part that lies there.

    Args:
        maps: `[N, H, W]`.
        size: `(h, w)` of the grid, at most H and W.

    Returns:
        `[N, h, w]` float64 with the same mean over the whole map.

    Example:
        >>> pool(np.array([[[1.0, 2.0, 3.0]]]), (1, 2)).round(3).tolist()
        [[[1.333, 2.667]]]
    """
    given = np.asarray(maps, np.float64)
    rows, columns = (_weights(side, cells) for side, cells in zip(given.shape[1:], size, strict=True))
    return np.asarray(np.einsum("ih,nhw,jw->nij", rows, given, columns, optimize=True))


def _weights(side: int, cells: int) -> np.ndarray:
    """`[cells, side]`: the share of each pixel in the mean of each cell."""
    edges = np.linspace(0, side, cells + 1)
    pixels = np.arange(side)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.clip(shared, 0, None) * cells / side


def distributions(maps: Any) -> tuple[np.ndarray, np.ndarray]:
    """Maps as distributions of their positive evidence.

    Args:
        maps: `[N, h, w]` evidence.

    Returns:
        `[N, h, w]` that sum to 1, 0 everywhere for a map without positive evidence; and `[N]` bool, which have any.
    """
    positive = np.clip(np.asarray(maps, np.float64), 0, None)
    # By the largest first: the sum of large numbers may overflow.
    top = positive.max(axis=(1, 2), keepdims=True, initial=0.0)
    positive = positive / np.where(top > 0, top, 1.0)
    total = positive.sum(axis=(1, 2))
    there = total > 0
    return positive / np.where(there, total, 1.0)[:, None, None], there


def features(maps: np.ndarray, grid: int) -> np.ndarray:
    """Maps as points whose Euclidean distance measures how different they are.

    Args:
        maps: `[N, h, w]` as distributions.
        grid: cells of a side, at most.

    Returns:
        `[N, D]` of length 1; see the module.

    Example:
        >>> rows = features(np.eye(3)[:, None, :], 3)  # all evidence on the left, in the middle, on the right
        >>> near, far = np.linalg.norm(rows[0] - rows[1]), np.linalg.norm(rows[0] - rows[2])
        >>> bool(near < far < 2**0.5)
        True
    """
    from scipy.ndimage import gaussian_filter

    coarse = pool(maps, (min(grid, maps.shape[1]), min(grid, maps.shape[2])))
    smooth, _ = distributions(gaussian_filter(coarse, (0, SMOOTH, SMOOTH), mode="constant"))
    return np.asarray(np.sqrt(smooth).reshape(len(maps), -1))


@dataclass(frozen=True)
class Spectrum:
    """The affinity of maps and the smallest eigenvalues of its normalised Laplacian.

    Attributes:
        affinity: `[N, N]`, symmetric, 0 where two maps are not joined.
        eigenvalues: ascending, in [0, 2].
        clusters: the number of eigenvalues before the largest gap, of the numbers that are allowed.
        clear: whether the last eigenvalue before the gap is nearer to 0 than to the first one after it; else the maps
            are one cloud, and the clusters are parts of it.
    """

    affinity: np.ndarray
    eigenvalues: np.ndarray
    clusters: int
    clear: bool


def spectrum(features: np.ndarray, *, neighbours: int | None = None, least: int = 2) -> Spectrum:
    """How maps are joined, and into how many clusters they fall.

    Args:
        features: `[N, D]`, N at least 6, compared by their Euclidean distance.
        neighbours: with how many others each is joined, fewer where there are fewer; default: see `NEIGHBOURS`.
        least: the smallest number of clusters, 2 or more; taken as half of the maps where it is more.

    Returns:
        See `Spectrum`.

    Example:
        >>> ends = np.repeat([[0.0], [1.0]], 6, axis=0) + np.linspace(0, 0.01, 12)[:, None]
        >>> spectrum(ends, neighbours=4).clusters
        2
    """
    from scipy.linalg import eigh
    from scipy.sparse.csgraph import laplacian
    from scipy.spatial.distance import cdist

    count = len(features)
    distances = cdist(features, features)
    near = min(neighbours or max(NEIGHBOURS, ceil(log(count))), count - 1)
    order = np.sort(distances, axis=1)
    # Equal maps have distance 0 to each other: their scale is that of the nearest other map, or 1 where all are.
    positive = distances[distances > 0]
    smallest = float(positive.min()) if positive.size else 1.0
    scale = np.maximum(order[:, near], smallest)
    affinity = np.exp(-(distances**2) / (scale[:, None] * scale[None, :]))
    joined = distances <= order[:, near][:, None]
    affinity = np.where(joined | joined.T, affinity, 0.0)
    np.fill_diagonal(affinity, 0.0)
    least = min(least, count // 2)
    shown = min(max(MOST, 2 * least), count - 1)  # one more than clusters, for the gap after the last
    values = eigh(laplacian(affinity, normed=True), eigvals_only=True, subset_by_index=(0, shown))
    values = np.clip(values, 0.0, 2.0)
    gaps = np.diff(values)  # gaps[k - 1] follows the k-th eigenvalue
    chosen = least + int(np.argmax(gaps[least - 1 :]))
    return Spectrum(affinity, values, chosen, bool(gaps[chosen - 1] > values[chosen - 1]))


def cluster(found: Spectrum, count: int, *, seed: int) -> np.ndarray:
    """The cluster of each map.

    Args:
        found: of `spectrum`.
        count: how many clusters.
        seed: of the starts of k-means.

    Returns:
        `[N]` int, 0 for the largest cluster; clusters of one size in the order of their first maps.
    """
    from sklearn.cluster import SpectralClustering

    model = SpectralClustering(n_clusters=count, affinity="precomputed", random_state=seed, assign_labels="kmeans")
    labels = np.asarray(_quietly(model.fit_predict, found.affinity))
    sizes = {label: (-int((labels == label).sum()), int(np.argmax(labels == label))) for label in set(labels.tolist())}
    place = {label: number for number, label in enumerate(sorted(sizes, key=lambda label: sizes[label]))}
    return np.array([place[label] for label in labels.tolist()])


def embed(features: np.ndarray, found: Spectrum, kind: str, *, seed: int) -> np.ndarray:
    """Maps as points of a plane, near where they are alike.

    Args:
        features: `[N, D]`.
        found: of `spectrum`.
        kind: `"tsne"` (van der Maaten and Hinton, 2008) or `"spectral"`, the eigenvectors themselves.
        seed: of the start.

    Returns:
        `[N, 2]`.
    """
    if kind == "spectral":
        from sklearn.manifold import spectral_embedding

        made = _quietly(spectral_embedding, found.affinity, n_components=2, random_state=seed)
    else:
        from sklearn.manifold import TSNE

        calm = min(CALM, (len(features) - 1) / 3)
        made = TSNE(2, perplexity=calm, init="pca", random_state=seed).fit_transform(features)
    return np.asarray(made, np.float64)


def silhouettes(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`[N]` in [-1, 1]: how much nearer a map is to those of its own cluster than to those of the next one."""
    from sklearn.metrics import silhouette_samples

    if len(np.unique(labels)) < 2 or len(np.unique(labels)) >= len(labels):
        return np.full(len(labels), np.nan)
    return np.asarray(silhouette_samples(features, labels))


def prototypes(features: np.ndarray, labels: np.ndarray, count: int) -> list[np.ndarray]:
    """Of each cluster the positions of its most typical maps: those nearest to its mean, nearest first."""
    found = []
    for label in range(int(labels.max()) + 1):
        own = np.flatnonzero(labels == label)
        far = np.linalg.norm(features[own] - features[own].mean(axis=0), axis=1)
        found.append(own[np.argsort(far, kind="stable")[:count]])
    return found


def _quietly(function: Any, *args: Any, **options: Any) -> Any:
    """Runs a function of scikit-learn that warns of separate parts of the affinity, which clusters may well be."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        return function(*args, **options)
