"""Similarity of maps under augmentation and between models: exact cases, SciPy and scikit-image."""

import numpy as np
import pytest
from scipy import stats
from skimage.metrics import structural_similarity

from xaijax.metrics import METRICS, Explained, consistency, evaluate

MEASURES = consistency.MEASURES
NAMES = [metric for metric, entry in METRICS.items() if entry.family == "consistency"]


class Mean:
    classes = ("a", "b")

    def predict(self, images):
        mean = np.asarray(images, np.float64).mean(axis=(1, 2, 3))
        return np.stack([1 - mean, mean], axis=1)


@pytest.fixture
def images():
    return np.random.default_rng(0).random((3, 16, 32, 1)).astype(np.float32)


def brightness(model, images, labels):
    """A map that moves exactly with the image."""
    return np.asarray(images)[..., 0]


def place(model, images, labels):
    """A map that knows nothing of the image."""
    rng = np.random.default_rng(1)
    return np.broadcast_to(rng.random(np.asarray(images).shape[1:3]), np.asarray(images).shape[:3])


def run(images, explainers, metrics, *, alone=None, variants=None, **settings):
    labels = np.zeros(len(images), np.int64)
    maps = {name: np.array(function(None, images, labels), np.float32) for name, function in explainers.items()}
    maps |= alone or {}
    given = {
        name: Explained(values, variants=(variants or {}).get(name, {}), explainer=explainers.get(name))
        for name, values in maps.items()
    }
    scores = evaluate(Mean(), images, labels, given, metrics=metrics,
                      settings={"consistency": settings} if settings else None)  # fmt: skip
    return {(m, k): scores.select(method=m, metric=k) for m in maps for k in metrics}


def test_there_are_four_measures_of_five_comparisons():
    assert len(NAMES) == 20
    assert all(METRICS[name].higher_is_better for name in NAMES)


def test_measures_are_scikit_images_and_scipys():
    rng = np.random.default_rng(2)
    a = rng.normal(size=(4, 20, 24))
    b = 0.5 * a + rng.normal(size=a.shape)
    found = consistency.compare(a, b, percent=25.0)
    for i in range(4):
        x, y = ((v[i] - v[i].min()) / np.ptp(v[i]) for v in (a, b))
        assert found["ssim"][i] == pytest.approx(structural_similarity(x, y, data_range=1.0), rel=1e-12)
        assert found["spearman"][i] == pytest.approx(stats.spearmanr(a[i], b[i], axis=None).statistic, rel=1e-9)
        assert found["pearson"][i] == pytest.approx(stats.pearsonr(a[i].ravel(), b[i].ravel()).statistic, rel=1e-9)
        tops = [v[i] >= np.sort(v[i].ravel())[-120] for v in (a, b)]
        assert found["topk_iou"][i] == pytest.approx((tops[0] & tops[1]).sum() / (tops[0] | tops[1]).sum())


@pytest.mark.parametrize("kind", ["flip", "shift", "contrast"])
def test_a_map_that_follows_the_image_is_consistent(images, kind):
    names = [f"{kind}_{measure}" for measure in MEASURES]
    found = run(images, {"follows": brightness, "stays": place}, names)
    for name in names:
        np.testing.assert_allclose(found["follows", name].value, 1.0, atol=1e-5)
    if kind == "contrast":
        return
    # A map that stays where it is compares two independent patches of noise: the correlation of 512 pixels.
    assert (np.abs(found["stays", f"{kind}_pearson"].value) < 5 / np.sqrt(400)).all()
    assert (found["stays", f"{kind}_ssim"].value < 0.3).all()


def test_a_map_that_ignores_the_image_survives_noise_and_one_that_follows_it_does_not(images):
    found = run(images, {"follows": brightness, "stays": place}, ["noise_pearson", "noise_spearman"], noise=0.3)
    np.testing.assert_allclose(found["stays", "noise_pearson"].value, 1.0, atol=1e-12)
    # Pearson of x and x + n: sd(x) / sqrt(var(x) + var(n)), here without the clipping, which only lowers both.
    spread = images.std(axis=(1, 2, 3))
    expected = spread / np.sqrt(spread**2 + 0.3**2)
    np.testing.assert_allclose(found["follows", "noise_pearson"].value, expected, atol=0.12)


def test_the_shift_is_mapped_back_to_the_pixel(images):
    one = np.zeros((1, 16, 32, 1), np.float32)
    one[0, 5, 9] = 1.0
    seen = []

    def spy(model, images, labels):
        seen.append(np.argwhere(np.asarray(images)[0, ..., 0] > 0.5)[0].tolist())
        return brightness(model, images, labels)

    found = run(one, {"spy": spy}, ["shift_topk_iou"], shift=0.125, percent=0.2)
    assert seen == [[5, 9], [7, 13]]  # 1/8 of 16 rows and of 32 columns
    assert found["spy", "shift_topk_iou"].value.tolist() == [1.0]


def test_agreement_is_the_mean_over_the_other_maps(images):
    rng = np.random.default_rng(4)
    maps = {"m": rng.random((3, 16, 32)), "alone": rng.random((3, 16, 32))}
    others = {"other model": 2 * maps["m"] + 1, "another": rng.random((3, 16, 32))}
    names = [f"agreement_{measure}" for measure in MEASURES]
    found = run(images, {}, names, alone=maps, variants={"m": others})
    second = consistency.compare(maps["m"], others["another"])
    for name, measure in zip(names, MEASURES, strict=True):
        np.testing.assert_allclose(found["m", name].value, (1 + second[measure]) / 2, atol=1e-6)
        assert set(found["alone", name].reason) == {"no_variants"}


def test_what_has_no_value_says_why(images):
    explainers = {"flat": lambda model, images, labels: np.zeros(np.asarray(images).shape[:3])}
    found = run(images, explainers, ["flip_ssim", "flip_pearson"], alone={"alone": np.ones((3, 16, 32))})
    assert set(found["flat", "flip_ssim"].reason) == set(found["flat", "flip_pearson"].reason) == {"flat_map"}
    assert set(found["alone", "flip_ssim"].reason) == {"no_explainer"}
    small = run(images[:, :6, :6], {"m": brightness}, ["flip_ssim", "flip_pearson"])
    assert set(small["m", "flip_ssim"].reason) == {"small_map"}
    assert set(small["m", "flip_pearson"].reason) == {""}


def test_settings_are_checked(images):
    for settings in ({"shift": 0.6}, {"percent": 0.0}, {"noise": -1.0}):
        with pytest.raises(ValueError, match=next(iter(settings))):
            run(images, {"m": brightness}, ["flip_ssim"], **settings)
