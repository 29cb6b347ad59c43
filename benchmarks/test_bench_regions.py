"""rank_regions against PAIR saliency's XRAI, segments and attribution given, at 224x224.

pip install saliency==0.2.1
"""

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.morphology import dilation, disk
from skimage.segmentation import felzenszwalb

from xaijax.kernels import rank_regions

SIDE = 224


@pytest.fixture(scope="module")
def case() -> tuple[np.ndarray, np.ndarray]:
    """A noise attribution and the masks XRAI would take: Felzenszwalb at six scales, dilated by a disk of 5."""
    rng = np.random.default_rng(0)
    image = gaussian_filter(rng.random((SIDE, SIDE, 3)), (6, 6, 0))
    image = 2 * (image - image.min()) / (image.max() - image.min()) - 1
    masks = []
    for scale in (50, 100, 150, 250, 500, 1200):
        labels = felzenszwalb(image, scale=scale, sigma=0.8, min_size=150)
        masks += [dilation(labels == label, disk(5)) for label in range(labels.max() + 1)]
    return gaussian_filter(rng.normal(size=(SIDE, SIDE)), 2).astype(np.float32), np.array(masks)


def pair(attribution: np.ndarray, masks: list[np.ndarray], algorithm: str) -> Any:
    """PAIR's XRAI without segmentation and without a model."""
    saliency = pytest.importorskip("saliency.core")
    parameters = saliency.XRAIParameters(algorithm=algorithm, return_xrai_segments=True)
    return saliency.XRAI().GetMaskWithDetails(
        attribution, None, segments=masks, base_attribution=attribution, extra_parameters=parameters
    )


@pytest.mark.parametrize("algorithm", ["full", "fast"])
def test_ours(benchmark: Any, case: tuple[np.ndarray, np.ndarray], algorithm: str) -> None:
    attribution, masks = case
    benchmark.group = f"XRAI {algorithm}, {len(masks)} masks of 224 x 224"
    benchmark.extra_info.update(role="ours", who="xaijax, 1 thread", goal=100 if algorithm == "full" else None)
    options = {"fast": algorithm == "fast", "num_threads": 1}
    found, expected = rank_regions(attribution, masks, **options), pair(attribution, list(masks), algorithm)
    np.testing.assert_array_equal(found.maps, expected.attribution_mask)
    np.testing.assert_array_equal(found.ranks, expected.segments)
    benchmark.pedantic(rank_regions, (attribution, masks), options, rounds=15, warmup_rounds=2)


@pytest.mark.parametrize("algorithm", ["full", "fast"])
def test_peer(benchmark: Any, case: tuple[np.ndarray, np.ndarray], algorithm: str) -> None:
    attribution, masks = case
    benchmark.group = f"XRAI {algorithm}, {len(masks)} masks of 224 x 224"
    benchmark.extra_info.update(role="peer", who="PAIR saliency 0.2.1")
    pair(attribution, list(masks[:2]), algorithm)
    benchmark.pedantic(pair, (attribution, list(masks), algorithm), rounds=7)
