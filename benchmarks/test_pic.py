"""A whole Performance Information Curve of one map, ours and one written from its definition on NumPy and SciPy.

The peer rebuilds every image by SciPy's `griddata`, a triangulation for each fraction and channel, as the packages in
use do. The two differ where four known pixels share an empty circle, so the areas agree to 0.01.
"""

import numpy as np
import pytest
from scipy.interpolate import griddata
from scipy.ndimage import gaussian_filter

from xaijax import kernels
from xaijax.metrics import evaluate
from xaijax.metrics.metric import image_seed
from xaijax.metrics.pic import MASK_FRACTION
from xaijax.metrics.pic_curve import FRACTIONS

SIDE = 96


class Edges:
    """Probability of class 0: how much of the edges is there. As good as free, so the curve itself is timed."""

    def predict(self, images):
        x = np.asarray(images, np.float32)
        edges = np.abs(np.diff(x, axis=1)).mean((1, 2, 3)) + np.abs(np.diff(x, axis=2)).mean((1, 2, 3))
        odds = np.exp(np.stack([edges, np.full(len(x), 8.0)], axis=1) - np.maximum(edges, 8.0)[:, None])
        return odds / odds.sum(axis=1, keepdims=True)


def rebuild(image, known):
    """Linear interpolation between the known pixels and the corners, one channel at a time."""
    known = known.copy()
    known[[0, 0, -1, -1], [0, -1, 0, -1]] = True
    everywhere = np.argwhere(np.ones(known.shape, bool))
    channels = [griddata(np.argwhere(known), image[known, c], everywhere) for c in range(image.shape[-1])]
    filled = np.rint(np.stack(channels, -1)).reshape(image.shape).astype(image.dtype)
    filled[known] = image[known]
    return filled


def shannon(image):
    share = np.histogram(image, 256)[0] / image.size
    return -(share[share > 0] * np.log2(share[share > 0])).sum()


def sic(model, image, saliency, mask):
    """Area under the softmax's share over the information's, both between the blurred image and the original."""
    masks = [mask, *(mask | (saliency >= np.quantile(saliency, 1 - fraction)) for fraction in FRACTIONS)]
    images = np.stack([*(rebuild(image, known) for known in masks), image])
    p, h = model.predict(images)[:, 0], np.array([shannon(one) for one in images])
    x = np.clip((h[1:-1] - h[0]) / (h[-1] - h[0]), 0, 1)
    y = np.clip((p[1:-1] - p[0]) / (p[-1] - p[0]), 0, 1)
    order = np.lexsort((y, x))
    x, y = np.concatenate([[0], x[order], [1]]), np.maximum.accumulate(np.concatenate([[0], y[order], [1]]))
    at = np.linspace(0, 1, 1001)
    return np.trapezoid(np.interp(at, x, y), at)


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    image = gaussian_filter(rng.standard_normal((SIDE, SIDE, 3)), (1, 1, 0))
    image = np.rint(255 * (image - image.min()) / np.ptp(image)).astype(np.uint8)
    saliency = gaussian_filter(rng.standard_normal((SIDE, SIDE)), 5).astype(np.float32)
    mask = kernels.random_mask((SIDE, SIDE), MASK_FRACTION, image_seed(0, "0", 0))
    ours = _ours(image, saliency)
    assert ours == pytest.approx(sic(Edges(), image, saliency, mask), abs=0.01)
    assert 0.2 < ours < 0.99
    return image, saliency, mask


def _ours(image, saliency):
    scores = evaluate(Edges(), image[None], [0], {"map": saliency[None]}, metrics=["sic_shannon"], num_threads=1)
    return float(scores.value[0])


def test_ours(benchmark, inputs):
    benchmark.group = f"SIC of one map, {SIDE}x{SIDE} RGB, Shannon entropy"
    benchmark.pedantic(_ours, args=inputs[:2], rounds=7, warmup_rounds=1)


def test_from_the_definition(benchmark, inputs):
    benchmark.group = f"SIC of one map, {SIDE}x{SIDE} RGB, Shannon entropy"
    benchmark.pedantic(sic, args=(Edges(), *inputs), rounds=3, warmup_rounds=0)
