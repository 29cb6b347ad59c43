"""Reveal fills from SciPy: every level on its own, exact where the compiled kernel is exact.

The linear fill takes SciPy's triangulation, merges triangles that share a circle (decided in integers) into cells and
evaluates Wachspress coordinates: in int64 in triangles, as Python integers in larger cells.
"""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array, lil_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu
from scipy.spatial import Delaunay

LINEAR, BACKGROUND, MEAN, BLUR, NEAREST, NOISY_LINEAR = range(6)


def reveal(
    operands: Sequence[np.ndarray],
    owners: Sequence[np.ndarray],
    num_levels: int,
    deletion: bool,
    fill: int,
    sigma: float,
    noise: float,
    seed: int,
) -> np.ndarray:
    """`[items, num_levels, H, W, C]` from images, levels and backgrounds, and the number of each item's in them."""
    images, levels, backgrounds = operands
    images = images.reshape(-1, *images.shape[-3:])
    levels = levels.reshape(-1, *levels.shape[-2:])
    backgrounds = backgrounds.reshape(-1, *backgrounds.shape[-3:])
    out = np.empty((len(owners[0]), num_levels, *images.shape[1:]), images.dtype)
    for item, (i, level, background) in enumerate(zip(*owners, strict=True)):
        image, behind = images[i], backgrounds[background]
        if fill == MEAN:
            behind = mean_colour(image)
        elif fill == BLUR:
            behind = blurred(image, sigma)
        for step in range(num_levels):
            known = (levels[level] == 0) | (levels[level] > step) if deletion else levels[level] <= step
            if fill == LINEAR:
                out[item, step] = linear(image, known)
            elif fill == NEAREST:
                out[item, step] = nearest(image, known)
            elif fill == NOISY_LINEAR:
                out[item, step] = noisy_linear(image, known, noise, seed)
            else:
                out[item, step] = np.where(known[..., None], image, behind)
    return out


def mean_colour(image: np.ndarray) -> np.ndarray:
    """`[C]`, the mean of each channel in the image's dtype."""
    if image.dtype.kind == "u":
        total = image.sum(axis=(0, 1), dtype=np.int64)
        return half_even(total, np.array(image.shape[0] * image.shape[1])).astype(image.dtype)
    return image.mean(axis=(0, 1), dtype=np.float64).astype(image.dtype)


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """The image under a Gaussian, rounded half to even for integers."""
    smooth = gaussian_filter(image.astype(np.float64), (sigma, sigma, 0), mode="reflect", truncate=4.0)
    return (np.rint(smooth) if image.dtype.kind == "u" else smooth).astype(image.dtype)


def half_even(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotients of integers, numerator >= 0 and denominator > 0, rounded half to even."""
    quotient = numerator // denominator
    rest = numerator - quotient * denominator
    return quotient + ((2 * rest > denominator) | ((2 * rest == denominator) & (quotient % 2 == 1)))


def nearest(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Unknown pixels as the mean of all nearest known pixels and corners, by comparing all distances."""
    known = known.copy()
    known[[0, 0, -1, -1], [0, -1, 0, -1]] = True
    points, values = np.argwhere(known), image[known]
    out = image.copy()
    for y, x in np.argwhere(~known):
        distance = ((points - (y, x)) ** 2).sum(axis=1)
        found = values[distance == distance.min()]
        out[y, x] = _weighted(np.ones((1, len(found)), np.int64), found[None])[0]
    return out


def noisy_linear(image: np.ndarray, known: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """ROAD's imputation by a sparse direct solver."""
    height, width, channels = image.shape
    unknown = np.argwhere(~known)
    out = image.copy()
    if len(unknown) == 0:
        return out
    if known.any():
        number = np.full(known.shape, -1)
        number[~known] = np.arange(len(unknown))
        matrix, right = lil_array((len(unknown), len(unknown))), np.zeros((len(unknown), channels))
        for i, (y, x) in enumerate(unknown):
            for dy, dx in np.ndindex(3, 3):
                v, u = y + dy - 1, x + dx - 1
                if (dy == 1 and dx == 1) or not (0 <= v < height and 0 <= u < width):
                    continue
                weight = 1 / 6 if dy == 1 or dx == 1 else 1 / 12
                matrix[i, i] += weight
                if known[v, u]:
                    right[i] += weight * image[v, u].astype(np.float64)
                else:
                    matrix[i, number[v, u]] -= weight
        solved = splu(matrix.tocsc()).solve(right)
    else:
        solved = np.broadcast_to(mean_colour(image), (len(unknown), channels)).astype(np.float64)
    if noise > 0:
        index = ((unknown[:, 0] * width + unknown[:, 1])[:, None] * channels + np.arange(channels)).astype(np.uint64)
        solved = solved + noise * pixel_noise(seed, index)
    if image.dtype.kind == "u":
        solved = np.clip(np.rint(solved), 0, np.iinfo(image.dtype).max)
    out[~known] = solved.astype(image.dtype)
    return out


def pixel_noise(seed: int, index: np.ndarray) -> np.ndarray:
    """A standard normal number for each index: Box-Muller on two SplitMix64 hashes."""

    def mix(state: np.ndarray) -> np.ndarray:
        state = state + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return state ^ (state >> np.uint64(31))

    key = mix(np.array([seed], np.uint64))
    first, second = (
        ((mix(key ^ (np.uint64(2) * index + np.uint64(k))) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        for k in (0, 1)
    )
    return np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * second)


def linear(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """One image rebuilt from its known pixels and corners."""
    known = known.copy()
    known[[0, 0, -1, -1], [0, -1, 0, -1]] = True
    out = image.copy()
    if known.all():
        return out
    if 1 in known.shape:
        out.reshape(-1, image.shape[2])[:] = _line(image.reshape(-1, image.shape[2]), known.reshape(-1))
        return out
    points = np.argwhere(known)[:, ::-1].astype(np.int64)
    values = image[known]
    mesh = Delaunay(points)
    cell_of, cells = _cells(mesh, points)
    pixels = np.argwhere(~known)[:, ::-1].astype(np.int64)
    simplex = mesh.find_simplex(pixels)
    for lost in np.flatnonzero(simplex < 0):  # on the hull, by rounding
        corners = points[mesh.simplices]
        turns = [_area2(corners[:, i], corners[:, (i + 1) % 3], pixels[lost]) for i in range(3)]
        simplex[lost] = np.flatnonzero((np.sign(turns) >= 0).all(axis=0) | (np.sign(turns) <= 0).all(axis=0))[0]
    in_triangle = np.array([len(cells[c]) == 3 for c in cell_of])[simplex]
    rebuilt = np.empty((len(pixels), image.shape[2]), image.dtype)
    corners = mesh.simplices[simplex[in_triangle]]
    p = pixels[in_triangle]
    weights = np.stack(
        [np.abs(_area2(points[corners[:, i - 2]], points[corners[:, i - 1]], p)) for i in range(3)], axis=1
    )
    rebuilt[in_triangle] = _weighted(weights, values[corners])
    for at in np.flatnonzero(~in_triangle):
        cell = cells[cell_of[simplex[at]]]
        rebuilt[at] = _weighted(_wachspress(points[cell], pixels[at])[None], values[cell][None])[0]
    out[~known] = rebuilt
    return out


def _line(line: np.ndarray, known: np.ndarray) -> np.ndarray:
    at = np.flatnonzero(known)
    x = np.arange(len(line))
    right = np.minimum(np.searchsorted(at, x, side="right"), len(at) - 1)
    ends = np.stack([at[np.maximum(right - 1, 0)], at[right]], axis=1)
    weights = np.stack([ends[:, 1] - x, x - ends[:, 0]], axis=1)
    out = line.copy()
    out[~known] = _weighted(weights[~known], line[ends[~known]])
    return out


def _area2(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    u, v = b - a, c - a
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]


def _weighted(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`Σ w f / Σ w`: weights `[N, V]` integers, values `[N, V, C]`."""
    total = weights.sum(axis=1)[:, None]
    if values.dtype.kind == "u":
        numerator = (weights[..., None] * values.astype(weights.dtype)).sum(axis=1)
        return half_even(numerator, total).astype(values.dtype)
    share = (weights / total).astype(np.float64)[..., None]
    live = np.where(share > 0, values, 0)  # a NaN without weight has no say
    mixed = (share * live.astype(np.float64)).sum(axis=1)
    low = np.where(share > 0, values, np.inf).min(axis=1)
    high = np.where(share > 0, values, -np.inf).max(axis=1)
    return np.clip(mixed, low, high).astype(values.dtype)


def _cells(mesh: Delaunay, points: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The cell of each simplex, and the cells' vertices in turning order."""
    first, side = np.nonzero(mesh.neighbors >= 0)
    second = mesh.neighbors[first, side]
    back = np.argmax(mesh.neighbors[second] == first[:, None], axis=1)
    apex = points[mesh.simplices[second, back]]
    d = points[mesh.simplices[first]] - apex[:, None]
    square = (d * d).sum(axis=2)
    x, y = d[..., 0], d[..., 1]
    lifted = sum(square[:, i] * (x[:, i - 2] * y[:, i - 1] - y[:, i - 2] * x[:, i - 1]) for i in range(3))
    same = lifted == 0
    n = len(mesh.simplices)
    graph = coo_array((np.ones(int(same.sum())), (first[same], second[same])), shape=(n, n))
    count, cell_of = connected_components(graph, directed=False)
    members: list[set[int]] = [set() for _ in range(count)]
    for simplex, cell in zip(mesh.simplices, cell_of, strict=True):
        members[cell].update(int(v) for v in simplex)
    cells = []
    for vertices in members:
        cell = np.array(sorted(vertices))
        around = points[cell] - points[cell].mean(axis=0)
        cells.append(cell[np.argsort(np.arctan2(around[:, 1], around[:, 0]))])
    return cell_of, cells


def _wachspress(cell: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Integer Wachspress weights `[V]` (Python integers), multiplied out so that edges need no case of their own."""
    n = len(cell)
    before, after = np.roll(cell, 1, axis=0), np.roll(cell, -1, axis=0)
    corner, side = _area2(before, cell, after).astype(object), _area2(p[None], cell, after).astype(object)
    weights = np.empty(n, object)
    for i in range(n):
        weights[i] = corner[i]
        for j in range(i + 1, i + n - 1):
            weights[i] *= side[j % n]
    return weights
