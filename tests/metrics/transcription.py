"""AIC and SIC written down from the definition, one image, one mask and one fraction at a time, in plain NumPy.

The only thing it takes from the package is the linear fill of one mask (tested against SciPy where it belongs) and the
random mask. Levels, entropies, responses, skip rules and curves are its own.
"""

from io import BytesIO

import numpy as np
from PIL import Image

from xaijax import kernels
from xaijax.metrics.metric import image_seed

FRACTIONS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75)


_REBUILT = {}  # the same images serve eight metrics


def rebuild(image, known):
    key = (image.tobytes(), known.tobytes())
    if key not in _REBUILT:
        _REBUILT[key] = _rebuild(image, known)
    return _REBUILT[key]


def _rebuild(image, known):
    return kernels.reveal(image, np.where(known, 0, 1).astype(np.uint16)[None], 1)[0, 0]


def entropy(counts):
    p = counts[counts > 0] / counts.sum()
    return -(p * np.log2(p)).sum()


def shannon(image, _original):
    return entropy(np.histogram(image, bins=256, range=(image.min(), image.max()))[0])


def mutual(image, original):
    height, width, channels = original.shape
    bins = max(2, min(64, int(np.floor(np.sqrt(height * width) / 3))))
    total = 0.0
    for c in range(channels):
        edges = np.histogram_bin_edges(original[..., c], bins)  # in the image's own dtype
        i, j = (
            np.clip(np.searchsorted(edges, values[..., c].ravel(), "right") - 1, 0, bins - 1)
            for values in (original, image)
        )
        joint = np.zeros((bins, bins))
        np.add.at(joint, (i, j), 1)
        total += entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint)
    return total / channels


def webp(image, _original, *, stretch=False):
    if image.dtype != np.uint8:
        if stretch:
            image = ((image - image.min()) / (image.max() - image.min()) * 255).astype(np.uint8)
        else:
            image = np.rint(image * 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(image.squeeze()).save(file, "WEBP", lossless=True, quality=100)
    return len(file.getvalue())


def information(measure, image, original, convention):
    if measure == "mean":
        parts = [information(part, image, original, convention) for part in ("shannon", "webp")]
        return sum(parts) / 2
    if measure == "webp":
        return webp(image, original, stretch=convention == "medical")
    return {"shannon": shannon, "mutual": mutual}[measure](image, original)


def auc(points):
    total, positions = 0.0, [i / 1000 for i in range(1001)]
    values = []
    for x in positions:
        left = max(k for k, pair in enumerate(points) if pair[0] <= x)
        if left + 1 == len(points):
            values.append(points[left][1])
        else:
            (x0, y0), (x1, y1) = points[left : left + 2]
            values.append(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
    for i in range(1000):
        total += (values[i] + values[i + 1]) / 2 * (positions[i + 1] - positions[i])
    return total


def pic(predict, image, label, saliency, kind, measure, *, name, seed=0, draw=0, convention="stable"):
    """`(value, reason)`."""
    if convention == "medical":
        image = (image / np.float32(255)).astype(np.float32)
    known = kernels.random_mask(image.shape[:2], 0.01, image_seed(seed, name, draw))
    masks = [known, *(known | (saliency >= np.quantile(saliency, 1 - fraction)) for fraction in FRACTIONS)]
    images = [*(rebuild(image, mask) for mask in masks), image]
    probabilities = [np.asarray(predict(x[None]), np.float64)[0] for x in images]
    target = int(probabilities[-1].argmax()) if convention == "medical" else label
    p = [row[target] for row in probabilities]
    right = [float(row.argmax() == target) for row in probabilities]
    if convention == "stable":
        right = [float(row.argmax() == target and row[target] > 0.5) for row in probabilities]
    h = [information(measure, x, image, convention) for x in images]
    response = right if kind == "aic" else p

    if convention == "pair":
        if response[-1] < 0.8:
            return np.nan, "original_wrong" if kind == "aic" else "low_probability"
    elif convention == "stable" and kind == "aic" and not right[-1]:
        return np.nan, "original_wrong"
    if h[0] >= h[-1]:
        return np.nan, "information_not_larger"
    if convention == "medical":
        if p[0] >= p[-1]:
            return np.nan, "blurred_as_probable"
    elif response[0] >= response[-1]:
        return np.nan, "blurred_already_right" if kind == "aic" else "blurred_as_probable"

    pairs, best = [], 0.0
    for u, v in zip(h[1:-1], response[1:-1], strict=True):
        u = min(max((u - h[0]) / (h[-1] - h[0]), 0.0), 1.0)
        span = response[-1] - response[0]
        v = 0.0 if span == 0 else min(max((v - response[0]) / span, 0.0), 1.0)
        best = max(best, v)
        pairs.append((u, v if convention == "stable" else best))
    if convention == "stable":
        pairs = [(0.0, 0.0), *sorted(pairs), (1.0, 1.0)]
        best = 0.0
        for i, (u, v) in enumerate(pairs):
            best = max(best, v)
            pairs[i] = (u, best)
    else:
        pairs = sorted([*pairs, (0.0, 0.0), (1.0, 1.0)], key=lambda pair: pair[0])
    return auc(pairs), ""
