"""Makes xrai.npz: maps and ranks of PAIR saliency's XRAI on masks and attributions that are stored beside them.

pip install saliency==0.2.1 && python tests/kernels/data/make_xrai.py
"""

from pathlib import Path

import numpy as np
import saliency.core as saliency
from skimage.segmentation import felzenszwalb

H, W = 56, 72
rng = np.random.default_rng(11)


def smooth(values, times):
    for _ in range(times):
        values = (values + np.roll(values, 1, 0) + np.roll(values, 1, 1) + np.roll(values, (1, 1), (0, 1))) / 4
    return values


def segments(image):
    """Felzenszwalb segments at three scales, disks over them, and a few masks too small to count."""
    masks = []
    for scale in (20, 80, 300):
        labels = felzenszwalb(image, scale=scale, sigma=0.8, min_size=60)
        masks += [labels == label for label in range(labels.max() + 1)]
    y, x = np.mgrid[:H, :W]
    for _ in range(15):
        masks.append((y - rng.integers(H)) ** 2 + (x - rng.integers(W)) ** 2 < rng.integers(2, 13) ** 2)
    return np.array(masks)


out = {}
for name, uncovered in (("a", False), ("b", True)):
    masks = segments(smooth(rng.random((H, W, 3)), 6))
    if uncovered:
        masks[:, :9, :31] = False
    noise = smooth(rng.normal(size=(H, W)), 5)
    attributions = {
        "float32": noise.astype(np.float32),
        "float64": noise * 1e3 + 7,
        "ties": np.round(noise * 6).astype(np.float32),
        "flat": np.ones((H, W), np.float32),
    }
    out[f"{name}/masks"] = np.packbits(masks)
    out[f"{name}/count"] = len(masks)
    for kind, attribution in attributions.items():
        out[f"{name}/{kind}"] = attribution
        for algorithm in ("full", "fast"):
            for area in (1.0, 0.4) if algorithm == "full" else (1.0,):
                parameters = saliency.XRAIParameters(
                    algorithm=algorithm, area_threshold=area, return_xrai_segments=True
                )
                found = saliency.XRAI().GetMaskWithDetails(
                    attribution, None, segments=list(masks), base_attribution=attribution, extra_parameters=parameters
                )
                key = f"{name}/{kind}/{algorithm}/{area}"
                out[f"{key}/map"], out[f"{key}/ranks"] = found.attribution_mask, found.segments.astype(np.uint8)
np.savez_compressed(Path(__file__).with_name("xrai.npz"), **out)
