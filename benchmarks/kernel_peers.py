"""The implementations the kernels are measured against: plain NumPy, SciPy and scikit-learn, and PAIR's `saliency`.

`saliency` lives in an environment of its own, without xaijax. There this file is a worker: `python kernel_peers.py`
reads requests, one JSON object a line, and answers each with the seconds the call itself took.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def settle_allocator() -> None:
    """Frees one large array. From then on glibc keeps freed memory of that size, as in any program that has run for a
    while; before, NumPy's temporaries are given back and mapped again at every step, and peers are up to twice as slow.
    """
    np.ones(31 << 20, np.uint8)


def entropy(images: np.ndarray) -> np.ndarray:
    """Base-2 entropy of each image's histogram, 256 bins over its own range."""
    import scipy.stats

    return np.array([scipy.stats.entropy(np.histogram(image, 256)[0], base=2) for image in images])


def mutual_information(images: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Of images `[N, M, H, W, C]` with references `[N, 1, H, W, C]`, 64 bins over the range of the reference."""
    bits = np.empty(images.shape[:2])
    for i, j in np.ndindex(*bits.shape):
        total = 0.0
        for c in range(images.shape[-1]):
            x, y = references[i, 0, ..., c].ravel(), images[i, j, ..., c].ravel()
            limits = [[float(x.min()), float(x.max())]] * 2
            joint = np.histogram2d(x, y, 64, limits)[0] / x.size
            independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
            some = joint > 0
            total += (joint[some] * np.log2(joint[some] / independent[some])).sum()
        bits[i, j] = total / images.shape[-1]
    return bits


def reveal_levels(maps: np.ndarray, fractions: tuple[float, ...], *, at_once: bool) -> np.ndarray:
    """Quantiles, by one call for all fractions or by one for each, and a comparison for every fraction."""
    levels = np.full(maps.shape, len(fractions) + 1, np.uint16)
    for level, map_ in zip(levels, maps, strict=True):
        if at_once:
            least = np.quantile(map_, [1 - fraction for fraction in fractions])
        else:
            least = [np.quantile(map_, 1 - fraction) for fraction in fractions]
        for k in range(len(fractions) - 1, -1, -1):
            level[map_ >= least[k]] = k + 1
    return levels


def top_k_by_quantile(maps: np.ndarray, percent: float) -> np.ndarray:
    least = np.quantile(maps.reshape(len(maps), -1), 1 - percent / 100, axis=1, method="higher")
    return np.where(maps >= least[:, None, None], maps, np.float32(0))


def top_k_by_sorting(maps: np.ndarray, percent: float) -> np.ndarray:
    k = int(np.ceil(maps[0].size * percent / 100))
    least = np.sort(maps.reshape(len(maps), -1), axis=1)[:, -k]
    return np.where(maps >= least[:, None, None], maps, np.float32(0))


def top_k_by_partition(maps: np.ndarray, percent: float) -> np.ndarray:
    """NumPy's own selection is compiled and vectorised (AVX-512 where there is one)."""
    k = int(np.ceil(maps[0].size * percent / 100))
    least = np.partition(maps.reshape(len(maps), -1), maps[0].size - k, axis=1)[:, -k]
    return np.where(maps >= least[:, None, None], maps, np.float32(0))


def ebayes_threshold(maps: np.ndarray, a: float = 0.5) -> np.ndarray:
    """Posterior median under a Laplace prior, the weight by marginal maximum likelihood (Johnstone & Silverman 2005).

    Written as one would with SciPy at hand: Brent's method for the weight and for the threshold, the median at those
    pixels alone that the threshold leaves.
    """
    from scipy.optimize import brentq
    from scipy.special import erfcx, ndtr, ndtri

    root_two_pi = np.sqrt(2 * np.pi)

    def mills(z: Any) -> Any:
        return np.sqrt(np.pi / 2) * erfcx(z / np.sqrt(2))

    def density(z: Any) -> Any:
        return np.exp(-0.5 * z * z) / root_two_pi

    def one_over_weight(t: float) -> float:
        return float(a / 2 * (mills(a - t) - mills(t + a)) + 1)

    out = np.zeros_like(maps)
    for map_, result in zip(maps, out, strict=True):
        x = np.abs(map_.astype(np.float64))
        sd = 1.4826 * np.median(x)
        x /= sd
        clipped = np.minimum(x, 20.0)
        beta = np.minimum(a / 2 * (mills(clipped + a) + mills(a - clipped)) - 1, 1e20)

        def slope(log_w: float, beta: np.ndarray = beta) -> float:
            wb = np.exp(log_w) * beta
            return float(np.sum(wb / (1 + wb)))

        low = -np.log(one_over_weight(np.sqrt(2 * np.log(x.size))))
        if slope(0.0) >= 0:
            w = 1.0
        elif slope(low) <= 0:
            w = float(np.exp(low))
        else:
            w = float(np.exp(brentq(slope, low, 0.0, xtol=1e-12)))
        threshold = brentq(lambda t, w=w: one_over_weight(t) - 1 / w, 0.0, 20.0, xtol=1e-12) if w < 1 else 0.0
        kept = x > threshold
        d = x[kept] - a
        z = density(d) * (1 / w - 1) / a + 0.5 * (density(d) * mills(x[kept] + a) + ndtr(d))
        median = np.maximum(0.0, d - ndtri(np.minimum(z, 1.0)))
        result[kept] = np.copysign(median * sd, map_[kept])
    return out


def localization(maps: np.ndarray, masks: np.ndarray) -> dict[str, np.ndarray]:
    """Pixel average precision by scikit-learn; IoU at 0.5, pointing game and energy by NumPy."""
    from sklearn.metrics import average_precision_score

    n = len(maps)
    positive = np.maximum(maps, 0)
    low = positive.min(axis=(1, 2), keepdims=True)
    scaled = (positive - low) / (positive.max(axis=(1, 2), keepdims=True) - low)
    predicted = scaled >= 0.5
    peaks = scaled.reshape(n, -1).argmax(axis=1)
    return {
        "average_precision": np.array(
            [average_precision_score(m.ravel(), s.ravel()) for m, s in zip(masks, positive, strict=True)]
        ),
        "iou": (predicted & masks).sum(axis=(1, 2)) / (predicted | masks).sum(axis=(1, 2)),
        "pointing_game": masks.reshape(n, -1)[np.arange(n), peaks].astype(float),
        "energy": (scaled * masks).sum(axis=(1, 2)) / scaled.sum(axis=(1, 2)),
    }


def pair_fills(image: np.ndarray, levels: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """PAIR's `create_blurred_image` (SciPy's `griddata`) from the pixels with level <= step, for each step."""
    vars(np).setdefault("trapz", np.trapezoid)  # saliency 0.2.1 asks for a name that NumPy 2.4 no longer has
    from saliency.metrics import pic

    return np.stack([pic.create_blurred_image(image, levels <= step) for step in steps])


def pair_xrai(attribution: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """PAIR's full XRAI with segments and attribution given: no segmentation, no model."""
    import saliency.core as saliency

    parameters = saliency.XRAIParameters(algorithm="full", return_xrai_segments=True)
    found = saliency.XRAI().GetMaskWithDetails(
        attribution, None, segments=list(masks), base_attribution=attribution, extra_parameters=parameters
    )
    return found.attribution_mask, found.segments


def serve(functions: dict[str, Callable[..., Any]], answers: Any = sys.stdout) -> None:
    """Answers {"call": name, "inputs": file.npz, "out": file.npz or null} with {"seconds": ...}."""
    arrays: dict[str, dict[str, np.ndarray]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        path = request["inputs"]
        if path not in arrays:
            with np.load(path) as stored:
                arrays = {path: dict(stored)}
        function = functions[request["call"]]
        start = time.perf_counter()
        found = function(**arrays[path])
        seconds = time.perf_counter() - start
        if request["out"]:
            parts = found if isinstance(found, tuple) else (found,)
            np.savez(request["out"], **{str(i): part for i, part in enumerate(parts)})
        print(json.dumps({"seconds": seconds}), file=answers, flush=True)


if __name__ == "__main__":
    import importlib.metadata

    import saliency.core
    import saliency.metrics  # noqa: F401  imports are not part of a timing

    names = ("saliency", "numpy", "scipy")
    settle_allocator()
    print(json.dumps({"versions": {name: importlib.metadata.version(name) for name in names}}), flush=True)
    serve({"pair_fills": pair_fills, "pair_xrai": pair_xrai})
