"""Surrogates: z and p counted by hand, copies that keep what they must, size under the null, false discoveries."""

import numpy as np
import pytest
from scipy import stats

from xaijax import metrics
from xaijax._errors import InputError
from xaijax.metrics._surrogates import phased, score_among, shifted

SIZE = (12, 10)


def case(count=6, seed=0):
    rng = np.random.default_rng(seed)
    images = np.zeros((count, *SIZE, 1), np.uint8)
    masks = np.zeros((count, *SIZE), bool)
    masks[:, 2:6, 3:7] = True
    return images, np.arange(count) % 2, rng.random((count, *SIZE)), masks


def test_shifted_copies_are_all_others():
    map = np.arange(12.0).reshape(3, 4)
    found = shifted(map, 11, np.random.default_rng(0))
    wanted = {np.roll(map, (i, j), (0, 1)).tobytes() for i in range(3) for j in range(4)} - {map.tobytes()}
    assert {one.tobytes() for one in found} == wanted
    assert shifted(map, 30, np.random.default_rng(0)).shape == (30, 3, 4)


def test_phased_copies_keep_values_and_nearly_the_spectrum():
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(1)
    map = gaussian_filter(rng.standard_normal((48, 48)), 3, mode="wrap")
    found = phased(map, 5, rng)
    size = np.abs(np.fft.rfft2(map)).ravel()
    for one in found:
        np.testing.assert_array_equal(np.sort(one, axis=None), np.sort(map, axis=None))
        assert np.corrcoef(size, np.abs(np.fft.rfft2(one)).ravel())[0, 1] > 0.95
        assert abs(np.corrcoef(map.ravel(), one.ravel())[0, 1]) < 0.6
    assert not np.array_equal(found[0], found[1])


def test_z_and_p_are_those_of_loops():
    images, labels, maps, masks = case()
    found = metrics.surrogates(None, images, labels, {"m": maps}, masks, ["energy", "centroid_distance"], count=119)
    # 119 shifts of 12 x 10 are all there are: what a shift is drawn for does not matter.
    assert len(found.rows) == 12
    ys, xs = np.mgrid[: SIZE[0], : SIZE[1]]
    for row in found.rows:
        i = int(row.image)
        every = []
        for dy in range(SIZE[0]):
            for dx in range(SIZE[1]):
                map = np.roll(maps[i], (dy, dx), (0, 1))
                map = (map - map.min()) / np.ptp(map)
                if row.metric == "energy":
                    every.append(map[masks[i]].sum() / map.sum())
                else:
                    far = [(map * a).sum() / map.sum() - a[masks[i]].mean() for a in (ys, xs)]
                    every.append(-np.hypot(*far))
        value, others = every[0], np.array(every[1:])
        assert row.value == pytest.approx(value if row.metric == "energy" else -value, rel=1e-4), row.metric
        assert row.z == pytest.approx((value - others.mean()) / others.std(ddof=1), rel=2e-3)
        assert row.p == pytest.approx((1 + (others >= value - 1e-6).sum()) / 120, abs=0.009)
        assert row.copies == 119


def test_a_map_of_one_value_has_no_z():
    assert np.isnan(score_among(1.0, [1.0, 1.0])[0])
    assert score_among(1.0, [1.0, 1.0])[1] == 1.0
    assert score_among(0.0, np.full(99, 1.0))[1] == 1.0
    assert score_among(2.0, np.arange(99) / 99)[1] == 0.01
    # One copy of a size at which 2 and 1 are the same ties no other copy.
    assert score_among(2.0, [*np.arange(98) / 99, -1e12])[1] == 0.01


def test_size_under_the_null():
    """Maps that are themselves random shifts: p is at most α in a share α of them."""
    images, labels, maps, masks = case(400, seed=2)
    found = metrics.surrogates(None, images, labels, {"m": maps}, masks, ["energy"], count=19)
    p = np.array([row.p for row in found.rows])
    # 400 maps, 20 expected at 0.05: the binomial's 99.9 % interval.
    assert stats.binom.ppf(0.0005, 400, 0.05) <= (p <= 0.05).sum() <= stats.binom.ppf(0.9995, 400, 0.05)
    assert 0.45 < p.mean() < 0.6
    (pooled,) = found.pooled()
    assert pooled.images == 400
    assert pooled.p > 0.001


def test_false_discoveries_are_controlled_for_each_method_and_metric():
    images, labels, maps, masks = case(20, seed=3)
    good = np.where(masks, 1.0, 0.1) + 1e-3 * maps
    found = metrics.surrogates(
        None, images, labels, {"good": good, "noise": maps}, masks, ["energy", "iou"], count=99, kind="shift"
    )
    for method in ("good", "noise"):
        for name in ("energy", "iou"):
            rows = [row for row in found.rows if (row.method, row.metric) == (method, name)]
            wanted = stats.false_discovery_control([row.p for row in rows])
            np.testing.assert_allclose([row.q for row in rows], wanted)
    kept = found.discoveries()
    assert {row.method for row in kept} == {"good"}
    assert len(kept) == 40
    pooled = {(one.method, one.metric): one.p for one in found.pooled()}
    assert pooled["good", "energy"] < 1e-4
    assert found.note.startswith("with 99 surrogates no p is below 0.01: one discovery alone among 20 maps")


def test_maps_of_other_images_are_a_second_null():
    """Always the middle: in a special place for shifts, and like every other map of its class."""
    images, labels, _, masks = case(44)
    same = np.where(masks, 1.0, 0.1) + 1e-3 * np.random.default_rng(5).random(masks.shape)
    options = {"masks": masks, "metrics": ["energy"], "count": 19}
    by_shift = metrics.surrogates(None, images, labels, {"m": same}, **options)
    by_maps = metrics.surrogates(None, images, labels, {"m": same}, kind="maps", **options)
    assert all(row.p == 0.05 for row in by_shift.rows)
    assert np.mean([row.p for row in by_maps.rows]) > 0.4
    few = metrics.surrogates(None, images[:4], labels[:4], {"m": same[:4]}, masks[:4], ["energy"], kind="maps")
    assert {(row.reason, row.copies) for row in few.rows} == {("few_surrogates", 1)}


def test_a_model_is_asked_and_masks_may_have_roles():
    class Bright:
        classes = ("a", "b")

        def predict(self, images):
            p = np.asarray(images)[:, 2:6, 3:7].mean(axis=(1, 2, 3))
            return np.stack([1 - p, p], axis=1)

    images, _, maps, masks = case(3)
    images[:] = 200
    good = np.where(masks, 1.0, 0.1) + 1e-3 * maps
    names = ["deletion_black", "energy"]
    found = metrics.surrogates(Bright(), images, [1] * 3, {"good": good}, {"lesion": masks}, names, count=39)
    assert all(row.p == 1 / 40 and row.z > 2 for row in found.rows)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "other"}, "kind is 'other'; it must be shift, phase or maps"),
        ({"count": 5}, "count is 5; it must be a whole number of at least 19"),
        ({"metrics": ["adcc"]}, "surrogates are maps alone; adcc needs explainer"),
        ({"oracle": True}, "surrogates do not score the ground truth"),
    ],
)
def test_wrong_uses_are_refused(options, said):
    images, labels, maps, masks = case(2)
    with pytest.raises(InputError, match=said):
        metrics.surrogates(None, images, labels, {"m": maps}, masks, **{"metrics": ["energy"], **options})
    with pytest.raises(InputError, match="must be"):
        metrics.surrogates(None, images, labels, {"m": maps[:, :3]}, masks, ["energy"])
