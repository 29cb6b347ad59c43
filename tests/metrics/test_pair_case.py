"""One complete problem with all of PAIR's own images: the same masks, the same areas, nearly the same pixels."""

from pathlib import Path

import numpy as np
import pytest

from xaijax import kernels
from xaijax.metrics import pic_curve as curve
from xaijax.metrics.pic_information import measure_information


@pytest.fixture(scope="module")
def case():
    with np.load(Path(__file__).parent / "data" / "pair_case.npz") as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture(scope="module")
def ours(case):
    levels = kernels.reveal_levels(case["map"], curve.FRACTIONS, case["mask"])
    return levels, kernels.reveal(case["image"], levels[None], len(curve.FRACTIONS) + 1)[0]


def edges(images):
    side = images.shape[-2] // 4
    part = images[..., side:-side, side:-side, :].astype(float)
    return sum(np.abs(np.diff(part, axis=axis)).mean(axis=(-3, -2, -1)) for axis in (-3, -2))


def area(case, rebuilt):
    stack = np.concatenate([rebuilt, case["image"][None]])
    share = edges(stack) / edges(case["image"])
    p = 1 / (1 + np.exp(-case["steepness"] * (share - case["middle"])))
    h = measure_information(stack, case["image"], ["webp"])["webp"]
    u, v = curve.scale(h[1:-1], h[0], h[-1]), curve.scale(p[1:-1], p[0], p[-1])
    return p, float(curve.area(curve.read_curve(*curve.curve_points(u, v, "pair"))))


def test_revealed_pixels_are_those_of_pair(case, ours):
    levels, rebuilt = ours
    for i in range(len(curve.FRACTIONS) + 1):
        known = levels <= i
        np.testing.assert_array_equal(case["rebuilt"][i][known], case["image"][known])
        np.testing.assert_array_equal(rebuilt[i][known], case["image"][known])
        # And no more than those: a pixel more would show as an exact copy almost everywhere.
        assert (case["rebuilt"][i][~known] == case["image"][~known]).mean() < 0.2


def test_the_area_from_pair_images_is_pair_area(case):
    from PIL import features

    if str(case["webp_version"]) != features.version("webp"):
        pytest.skip(f"stored with libwebp {case['webp_version']}, Pillow has {features.version('webp')}")
    p, auc = area(case, case["rebuilt"][:-1])
    np.testing.assert_allclose(p, case["predictions"], rtol=0, atol=1e-12)
    assert auc == pytest.approx(float(case["auc"]), abs=1e-9)


def test_our_images_differ_by_the_choice_of_diagonals_only(case, ours):
    """Where PAIR's triangulation picks a diagonal between co-circular pixels, the whole cell is used here."""
    _, rebuilt = ours
    away = np.abs(rebuilt.astype(int) - case["rebuilt"][:-1])
    assert (away > 1).mean() < 0.15
    assert np.median(away) == 0
    _, auc = area(case, rebuilt)
    assert auc == pytest.approx(float(case["auc"]), abs=0.03)
