"""localization_scores against scikit-learn, scikit-image and the definitions, in every implementation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.filters import threshold_otsu
from skimage.segmentation import find_boundaries
from sklearn.metrics import average_precision_score, roc_auc_score

from xaijax.kernels import LOCALIZATION_REASONS as REASONS
from xaijax.kernels import LOCALIZATION_SCORES as SCORES
from xaijax.kernels import _backend, localization_scores

H, W = 37, 52


@pytest.fixture(params=["native", "numba"])
def backend(request, monkeypatch):
    if request.param == "native" and _backend._module("xaijax._core") is None:
        pytest.skip("the extension is not built")
    monkeypatch.setenv("XAIJAX_BACKEND", request.param)
    return request.param


def mask_at(y=10, x=20, height=12, width=15):
    mask = np.zeros((H, W), bool)
    mask[y : y + height, x : x + width] = True
    return mask


def cases(dtype=np.float32):
    """Smooth, noisy, quantised (many ties), sparse, negative and spread-out maps."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:H, :W]
    smooth = np.exp(-((y - 14) ** 2 + (x - 30) ** 2) / 90)
    noise = rng.normal(size=(H, W))
    sparse = np.where(rng.random((H, W)) < 0.05, rng.random((H, W)), 0.0)
    ties = np.round(4 * smooth + rng.random((H, W))) / 4
    wide = np.exp(8 * noise)
    return np.stack([smooth, noise, ties, sparse, -smooth, wide, smooth - 0.2 + 0.1 * noise]).astype(dtype)


def scaled(raw, relu):
    v = raw.astype(np.float64)
    v = np.maximum(v, 0) if relu else v
    return (v - v.min()) / (v.max() - v.min()) if v.max() > v.min() else np.zeros_like(v)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("relu", [True, False])
def test_ranking_scores_are_those_of_scikit_learn(backend, dtype, relu):
    maps, mask = cases(dtype), mask_at()
    found = localization_scores(maps, mask, scores=["average_precision", "roc_auc"], relu=relu).values
    for i, raw in enumerate(maps):
        value = np.maximum(raw, 0) if relu else raw
        assert found["average_precision"][i] == pytest.approx(
            average_precision_score(mask.ravel(), value.ravel()), rel=1e-12
        )
        assert found["roc_auc"][i] == pytest.approx(roc_auc_score(mask.ravel(), value.ravel()), rel=1e-12)


@pytest.mark.parametrize("relu", [True, False])
def test_overlap_scores_are_those_of_numpy_and_scikit_image(backend, relu):
    maps, mask = cases(), mask_at()
    found = localization_scores(maps, mask, threshold=0.4, percent=12.5, relu=relu).values
    for i, raw in enumerate(maps):
        s = scaled(raw, relu)
        predicted = s >= 0.4
        both, either = (predicted & mask).sum(), (predicted | mask).sum()
        assert found["iou"][i] == both / either
        assert found["dice"][i] == 2 * both / (predicted.sum() + mask.sum())
        top = s >= np.sort(s.ravel())[-int(np.ceil(s.size / 8))]
        assert found["iou_top_k"][i] == (top & mask).sum() / (top | mask).sum()
        above = s > threshold_otsu(s)
        assert found["iou_otsu"][i] == (above & mask).sum() / (above | mask).sum()
        one, other = find_boundaries(predicted, mode="thick"), find_boundaries(mask, mode="thick")
        assert found["boundary_f1"][i] == 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.mark.parametrize("relu", [True, False])
def test_energy_scores_are_those_of_numpy(backend, relu):
    maps, mask = cases(), mask_at()
    found = localization_scores(maps, mask, percent=10, relu=relu)
    y, x = np.indices((H, W))
    for i, raw in enumerate(maps):
        s = scaled(raw, relu)
        if s.max() == 0:
            assert found.reasons["energy"][i] == REASONS.index("the map is flat")
            assert np.isnan(found.values["energy"][i])
            continue
        assert found.values["energy"][i] == pytest.approx(s[mask].sum() / s.sum(), rel=1e-12)
        centre = np.array([(s * y).sum(), (s * x).sum()]) / s.sum()
        target = np.array([y[mask].mean(), x[mask].mean()])
        assert found.values["centroid_distance"][i] == pytest.approx(np.linalg.norm(centre - target), abs=1e-9)
        positive = np.maximum(raw.astype(np.float64), 0)
        if positive.any():
            share = positive[mask].sum() / positive.sum()
            assert found.values["mass_accuracy"][i] == pytest.approx(share, rel=1e-12)


def test_top_scores_are_the_mean_over_random_tie_breaks(backend):
    rng = np.random.default_rng(0)
    value = rng.integers(0, 3, (H, W)).astype(np.float32)
    mask = rng.random((H, W)) < 0.3
    names = ["top_energy", "top_precision", "rank_accuracy"]
    found = localization_scores(value, mask, scores=names, percent=50.0).values
    k, drawn = int(np.ceil(value.size / 2)), []
    for _ in range(400):
        order = np.lexsort((rng.random(value.size), value.ravel()))[::-1]
        inside, energy = mask.ravel()[order], value.ravel()[order]
        area = mask.sum()
        drawn.append(((energy * inside)[:k].sum() / energy[:k].sum(), inside[:k].mean(), inside[:area].mean()))
    np.testing.assert_allclose([found[n] for n in names], np.mean(drawn, axis=0), atol=2e-3)


def test_top_scores_without_ties_are_plain_shares(backend):
    value = np.random.default_rng(5).random((H, W))
    mask = mask_at()
    found = localization_scores(value, mask, percent=15.0).values
    order = np.argsort(value.ravel())[::-1]
    k = int(np.ceil(0.15 * value.size))
    inside = mask.ravel()[order]
    assert found["top_precision"] == pytest.approx(inside[:k].mean(), rel=1e-12)
    assert found["rank_accuracy"] == pytest.approx(inside[: mask.sum()].mean(), rel=1e-12)
    s = scaled(value, True).ravel()[order]
    assert found["top_energy"] == pytest.approx((s * inside)[:k].sum() / s[:k].sum(), rel=1e-12)


def test_pointing_game_counts_tied_peaks_and_distance(backend):
    value = np.zeros((H, W), np.float32)
    value[10, 20] = value[0, 0] = value[36, 51] = value[10, 38] = 2.0
    mask = mask_at()  # its right edge is column 34, four away from the last peak
    assert localization_scores(value, mask, scores="pointing_game").values["pointing_game"] == 1 / 4
    for tolerance, expected in ((3.9, 1 / 4), (4.0, 1 / 2), (22.3, 1 / 2), (22.4, 3 / 4), (1e9, 1.0)):
        got = localization_scores(value, mask, scores=["pointing_game"], tolerance=tolerance)
        assert got.values["pointing_game"] == expected, tolerance  # (0, 0) is √500 px away


def test_a_map_equal_to_its_mask_scores_one(backend):
    mask = mask_at()
    found = localization_scores(mask.astype(np.float64), mask, percent=100 * mask.mean()).values
    for name in SCORES:
        assert found[name] == (0.0 if name == "centroid_distance" else 1.0), name


def test_no_value_comes_with_a_reason(backend):
    ramp = np.arange(H * W, dtype=np.float32).reshape(H, W)
    empty = localization_scores(ramp, np.zeros((H, W), bool))
    assert all(np.isnan(empty.values[n]) and REASONS[int(empty.reasons[n])] == "the mask is empty" for n in SCORES)
    full = localization_scores(ramp, np.ones((H, W), np.uint8))
    without = {n for n in SCORES if np.isnan(full.values[n])}
    assert without == {"roc_auc", "boundary_f1"}
    assert {REASONS[int(full.reasons[n])] for n in without} == {"the mask covers the image"}
    flat = localization_scores(np.full((H, W), -3.0), mask_at())
    without = {n for n in SCORES if np.isnan(flat.values[n])}
    assert without == {"energy", "top_energy", "mass_accuracy", "centroid_distance"}
    assert {REASONS[int(flat.reasons[n])] for n in without} == {"the map is flat"}
    prevalence = mask_at().mean()
    assert flat.values["average_precision"] == pytest.approx(prevalence)
    assert flat.values["roc_auc"] == 0.5
    assert flat.values["pointing_game"] == pytest.approx(prevalence)
    assert flat.values["iou"] == flat.values["iou_otsu"] == 0.0


def test_a_subset_is_the_same_as_the_whole(backend):
    maps, mask = cases(), mask_at()
    everything = localization_scores(maps, mask)
    for name in SCORES:
        alone = localization_scores(maps, mask, scores=[name])
        assert list(alone.values) == [name]
        np.testing.assert_array_equal(alone.values[name], everything.values[name])


def test_masks_broadcast_over_methods(backend):
    maps = np.stack([cases(), cases()[::-1]])
    masks = np.stack([mask_at(x=2 + 3 * i) for i in range(maps.shape[1])])
    found = localization_scores(maps, masks).values
    for name in SCORES:
        assert found[name].shape == maps.shape[:2]
        alone = localization_scores(np.ascontiguousarray(maps[1, 4]), masks[4]).values[name]
        np.testing.assert_array_equal(found[name][1, 4], alone)


def test_flips_and_transposes_change_nothing():
    maps, mask = cases(), mask_at(y=3, x=5)
    whole = localization_scores(maps, mask, tolerance=3.0)
    for turn in (lambda a: a[..., ::-1, :], lambda a: a[..., ::-1], lambda a: np.swapaxes(a, -1, -2)):
        turned = localization_scores(np.ascontiguousarray(turn(maps)), np.ascontiguousarray(turn(mask)), tolerance=3.0)
        for name in SCORES:
            if name == "centroid_distance":
                np.testing.assert_allclose(turned.values[name], whole.values[name], rtol=1e-10, atol=1e-10)
            else:
                np.testing.assert_array_equal(turned.values[name], whole.values[name], err_msg=name)
            np.testing.assert_array_equal(turned.reasons[name], whole.reasons[name])


def test_threads_and_implementations_agree(monkeypatch):
    maps = np.concatenate([cases()] * 3)
    masks = np.stack([mask_at(y=i % 20, x=2 * i) for i in range(len(maps))])
    one = localization_scores(maps, masks, num_threads=1)
    many = localization_scores(maps, masks, num_threads=5)
    monkeypatch.setenv("XAIJAX_BACKEND", "numba")
    other = localization_scores(maps, masks)
    for name in SCORES:
        np.testing.assert_array_equal(one.values[name], many.values[name])
        np.testing.assert_allclose(one.values[name], other.values[name], rtol=1e-12, atol=1e-10)
        np.testing.assert_array_equal(one.reasons[name], other.reasons[name])


def test_jit_vmap_and_numpy_agree():
    maps, masks = cases(), np.stack([mask_at(x=3 * i) for i in range(7)])
    masks[2] = False
    plain = localization_scores(maps, masks)
    jitted = jax.jit(lambda a, b: localization_scores(a, b, scores=SCORES))(jnp.asarray(maps), jnp.asarray(masks))
    mapped = jax.vmap(localization_scores)(jnp.asarray(maps), jnp.asarray(masks))
    for name in SCORES:
        for found in (jitted, mapped):
            np.testing.assert_allclose(np.asarray(found.values[name]), plain.values[name], rtol=2e-7)
            np.testing.assert_array_equal(np.asarray(found.reasons[name]), plain.reasons[name])


def test_nested_vmap_broadcasts_either_operand():
    maps, masks = jnp.asarray(cases()), jnp.asarray(np.stack([mask_at(x=9 * i) for i in range(4)]))
    score = lambda a, b: localization_scores(a, b, scores=["iou", "energy"]).values  # noqa: E731
    grid = jax.vmap(jax.vmap(score, (None, 0)), (0, None))(maps, masks)
    turned = jax.vmap(jax.vmap(score, (0, None)), (None, 0))(maps, masks)
    for name in ("iou", "energy"):
        assert grid[name].shape == (7, 4)
        np.testing.assert_array_equal(np.asarray(grid[name]), np.asarray(turned[name]).T)
        alone = localization_scores(np.asarray(maps[5]), np.asarray(masks[3]), scores=[name]).values[name]
        assert float(grid[name][5, 3]) == pytest.approx(float(alone), rel=1e-6)


def test_jax_reports_what_is_not_finite():
    maps = jnp.asarray(cases()).at[1, 0, 0].set(jnp.nan)
    found = localization_scores(maps, jnp.asarray(mask_at()), scores=["iou"])
    np.testing.assert_array_equal(np.isnan(found.values["iou"]), np.arange(7) == 1)
    assert REASONS[int(found.reasons["iou"][1])] == "the map is not finite"


def test_sharded_call_gathers_nothing():
    mesh = jax.make_mesh((1,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    split = jax.sharding.PartitionSpec("batch")
    score = jax.jit(
        jax.shard_map(lambda a, b: localization_scores(a, b).values, mesh=mesh, in_specs=split, out_specs=split)
    )
    maps, masks = jnp.asarray(cases()), jnp.asarray(np.stack([mask_at()] * 7))
    assert "all-gather" not in score.lower(maps, masks).compile().as_text()
    np.testing.assert_allclose(
        np.asarray(score(maps, masks)["iou"]), localization_scores(cases(), mask_at()).values["iou"], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"maps": np.zeros((2, H, W), np.int32)}, TypeError, "maps must be float16, bfloat16, float32 or float64"),
        ({"maps": np.zeros((H, 2 * W), np.float32)[:, ::3]}, ValueError, "masks must be .*like maps"),
        ({"masks": np.zeros((H, W), np.float32)}, TypeError, "masks must be bool or uint8"),
        ({"masks": np.zeros((H, W + 1), bool)}, ValueError, "masks must be .*like maps"),
        ({"masks": np.zeros((3, H, W), bool)}, ValueError, "masks must be .*like maps"),
        ({"scores": ["iou", "F1"]}, ValueError, "scores must be some of .*'F1'"),
        ({"scores": []}, ValueError, "scores must be some of"),
        ({"threshold": 0.0}, ValueError, "threshold must be"),
        ({"percent": 101}, ValueError, "percent must be"),
        ({"tolerance": -1}, ValueError, "tolerance must be"),
        ({"num_threads": 0}, ValueError, "num_threads must be"),
    ],
)
def test_bad_input_is_one_sentence(backend, change, error, message):
    arguments = {"maps": np.zeros((2, H, W), np.float32), "masks": np.zeros((H, W), bool)} | change
    with pytest.raises(error, match=message):
        localization_scores(arguments.pop("maps"), arguments.pop("masks"), **arguments)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_broken_map_is_named(backend, broken):
    maps = np.zeros((2, 3, H, W), np.float32)
    maps[1, 2, 5, 5] = broken
    with pytest.raises(ValueError, match=r"image \[1, 2\] of maps \[2, 3, 37, 52\] holds NaN or infinity"):
        localization_scores(maps, mask_at())
