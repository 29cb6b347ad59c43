"""What one would write without our kernels: NumPy and SciPy, and plain JAX where that is natural."""

from typing import Any

import numpy as np


def entropy(images: np.ndarray) -> np.ndarray:
    """Bits of each image's histogram, 256 bins over its own range."""
    found = []
    for image in images:
        share = np.histogram(image, 256)[0] / image.size
        share = share[share > 0]
        found.append(-(share * np.log2(share)).sum())
    return np.array(found)


def entropy_jax(images: Any) -> Any:
    """The same by `jnp.histogram`, one image after the other."""
    import jax
    import jax.numpy as jnp

    def bits(image: Any) -> Any:
        share = jnp.histogram(image.astype(jnp.float32), 256)[0] / image.size
        return -(share * jnp.log2(jnp.where(share > 0, share, 1.0))).sum()

    return jax.lax.map(bits, images)


def mutual_information(images: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Of `[N, H, W, C]` with references of the same shape: 64 bins over the reference's range, mean over channels."""
    found = np.zeros(len(images))
    for i, c in np.ndindex(len(images), images.shape[-1]):
        x, y = references[i, ..., c].ravel(), images[i, ..., c].ravel()
        limits = [[float(x.min()), float(x.max())]] * 2
        joint = np.histogram2d(x, np.clip(y, x.min(), x.max()), 64, limits)[0] / x.size
        alone = np.outer(joint.sum(axis=1), joint.sum(axis=0))
        some = joint > 0
        found[i] += (joint[some] * np.log2(joint[some] / alone[some])).sum() / images.shape[-1]
    return found


def reveal_levels(maps: np.ndarray, fractions: tuple[float, ...]) -> np.ndarray:
    """A quantile for each fraction, and a comparison."""
    levels = np.full(maps.shape, len(fractions) + 1, np.uint16)
    for level, values in zip(levels, maps, strict=True):
        for k in range(len(fractions) - 1, -1, -1):
            level[values >= np.quantile(values, 1 - fractions[k])] = k + 1
    return levels


def reveal_levels_jax(maps: Any, fractions: tuple[float, ...]) -> Any:
    """One sort of each map, and comparisons."""
    import jax.numpy as jnp

    flat = maps.reshape(len(maps), -1)
    least = jnp.quantile(flat, 1 - jnp.asarray(fractions), axis=1)  # [F, N]
    shown = (flat[None] >= least[..., None]).sum(0)
    return (len(fractions) + 1 - shown).astype(jnp.uint16).reshape(maps.shape)


def linear_fill(image: np.ndarray, levels: np.ndarray, count: int) -> np.ndarray:
    """SciPy's `griddata` on the pixels of each level and the corners: as PAIR does, but all channels at once."""
    from scipy.interpolate import griddata

    everywhere = np.argwhere(np.ones(levels.shape, bool))
    out = []
    for step in range(count):
        known = levels <= step
        known[[0, 0, -1, -1], [0, -1, 0, -1]] = True
        filled = griddata(np.argwhere(known), image[known].astype(np.float64), everywhere, method="linear")
        filled = np.rint(filled).reshape(image.shape).astype(image.dtype)
        filled[known] = image[known]
        out.append(filled)
    return np.stack(out)


def noisy_linear_fill(image: np.ndarray, levels: np.ndarray, count: int) -> np.ndarray:
    """ROAD's equations by SciPy's sparse direct solver, without the noise."""
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import splu

    height, width = levels.shape
    place = np.arange(height * width).reshape(height, width)
    pairs = []
    for dy, dx, weight in ((0, 1, 1 / 6), (1, 0, 1 / 6), (1, 1, 1 / 12), (1, -1, 1 / 12)):
        columns = slice(max(0, -dx), width - max(0, dx))
        moved = slice(max(0, dx), width + min(0, dx))
        a, b = place[: height - dy, columns].ravel(), place[dy:, moved].ravel()
        pairs.append((np.concatenate([a, b]), np.concatenate([b, a]), np.full(2 * a.size, weight)))
    rows, columns_, weights = (np.concatenate(part) for part in zip(*pairs, strict=True))
    beside = coo_array((weights, (rows, columns_)), (place.size, place.size)).tocsr()
    total = np.asarray(beside.sum(axis=1)).ravel()
    flat = image.reshape(place.size, -1).astype(np.float64)
    out = []
    for step in range(count):
        known = (levels <= step).ravel()
        filled = flat.copy()
        if not known.all():
            inside = (-beside[~known][:, ~known]).tolil()
            inside.setdiag(total[~known])
            filled[~known] = splu(inside.tocsc()).solve(beside[~known][:, known] @ flat[known])
        out.append(np.clip(np.rint(filled), 0, 255).astype(image.dtype).reshape(image.shape))
    return np.stack(out)


def top_k(maps: np.ndarray, percent: float) -> np.ndarray:
    """NumPy's partition."""
    k = int(np.ceil(maps[0].size * percent / 100))
    least = np.partition(maps.reshape(len(maps), -1), maps[0].size - k, axis=1)[:, -k]
    return np.where(maps >= least[:, None, None], maps, np.float32(0))


def top_k_jax(maps: Any, percent: float) -> Any:
    """JAX's sort."""
    import jax.numpy as jnp

    size = maps.shape[1] * maps.shape[2]
    k = int(np.ceil(size * percent / 100))
    least = jnp.sort(maps.reshape(len(maps), -1), axis=1)[:, -k]
    return jnp.where(maps >= least[:, None, None], maps, 0)


def average_precision(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """By one sort of the positive evidence: precision at every threshold, weighted by the recall it adds."""
    found = []
    for values, mask in zip(np.maximum(maps, 0), masks, strict=True):
        order = np.argsort(-values.ravel(), kind="stable")
        scores, hits = values.ravel()[order], mask.ravel()[order]
        last = np.append(np.flatnonzero(np.diff(scores)), scores.size - 1)  # of each group of equal scores
        right = np.cumsum(hits)[last]
        recall = right / right[-1]
        found.append((right / (last + 1) * np.diff(recall, prepend=0.0)).sum())
    return np.array(found)
