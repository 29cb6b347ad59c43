"""localization_scores of 64 map-mask pairs at 224x224 against scikit-learn and NumPy; 2 threads against 1."""

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from xaijax.kernels import localization_scores

SCORES = ("average_precision", "iou", "pointing_game", "energy")
PAIRS, SIDE = 64, 224


@pytest.fixture(scope="module", params=["smooth", "noise"])
def case(request: pytest.FixtureRequest) -> tuple[str, np.ndarray, np.ndarray]:
    """Maps of either kind, and one ellipse per map."""
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(PAIRS, SIDE, SIDE))
    if request.param == "smooth":
        maps = gaussian_filter(maps, (0, 8, 8))
    y, x = np.mgrid[:SIDE, :SIDE]
    centre, radius = rng.uniform(40, 180, (PAIRS, 2)), rng.uniform(15, 45, (PAIRS, 2))
    masks = np.stack(
        [((y - c[0]) / r[0]) ** 2 + ((x - c[1]) / r[1]) ** 2 < 1 for c, r in zip(centre, radius, strict=True)]
    )
    return request.param, maps.astype(np.float32), masks


def scikit_learn_and_numpy(maps: np.ndarray, masks: np.ndarray) -> dict[str, np.ndarray]:
    """The four scores the usual way."""
    metrics = pytest.importorskip("sklearn.metrics")
    positive = np.maximum(maps, 0)
    low = positive.min(axis=(1, 2), keepdims=True)
    scaled = (positive - low) / (positive.max(axis=(1, 2), keepdims=True) - low)
    predicted = scaled >= 0.5
    peaks = scaled.reshape(PAIRS, -1).argmax(axis=1)
    return {
        "average_precision": np.array(
            [metrics.average_precision_score(m.ravel(), s.ravel()) for m, s in zip(masks, positive, strict=True)]
        ),
        "iou": (predicted & masks).sum(axis=(1, 2)) / (predicted | masks).sum(axis=(1, 2)),
        "pointing_game": masks.reshape(PAIRS, -1)[np.arange(PAIRS), peaks].astype(float),
        "energy": (scaled * masks).sum(axis=(1, 2)) / scaled.sum(axis=(1, 2)),
    }


def test_ours(benchmark: Any, case: tuple[str, np.ndarray, np.ndarray]) -> None:
    kind, maps, masks = case
    benchmark.group = f"AP + IoU + pointing + energy, 64 x 224 x 224, {kind}"
    benchmark.extra_info.update(role="ours", who="xaijax, 1 thread", goal=10)
    found = localization_scores(maps, masks, scores=SCORES, num_threads=1).values
    for name, expected in scikit_learn_and_numpy(maps, masks).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-5)
    benchmark.pedantic(
        localization_scores, (maps, masks), {"scores": SCORES, "num_threads": 1}, rounds=9, warmup_rounds=1
    )


def test_peer(benchmark: Any, case: tuple[str, np.ndarray, np.ndarray]) -> None:
    kind, maps, masks = case
    benchmark.group = f"AP + IoU + pointing + energy, 64 x 224 x 224, {kind}"
    benchmark.extra_info.update(role="peer", who="scikit-learn + NumPy")
    benchmark.pedantic(scikit_learn_and_numpy, (maps, masks), rounds=7, warmup_rounds=1)


@pytest.mark.parametrize("threads", [1, 2])
def test_every_score_by_threads(benchmark: Any, case: tuple[str, np.ndarray, np.ndarray], threads: int) -> None:
    kind, maps, masks = case
    benchmark.group = f"all 14 scores, 64 x 224 x 224, {kind}, 2 threads"
    benchmark.extra_info.update(role="ours" if threads == 2 else "peer", who=f"xaijax, {threads} threads", goal=1.8)
    one = localization_scores(maps, masks, num_threads=1).values
    found = localization_scores(maps, masks, num_threads=threads).values
    for name in one:
        np.testing.assert_array_equal(found[name], one[name])
    benchmark.pedantic(localization_scores, (maps, masks), {"num_threads": threads}, rounds=9, warmup_rounds=1)
