"""similarity against SciPy and NumPy, in every implementation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from xaijax.kernels import SIMILARITY_MEASURES as MEASURES
from xaijax.kernels import _backend, similarity

H, W = 31, 44


@pytest.fixture(params=["native", "numba"])
def backend(request, monkeypatch):
    if request.param == "native" and _backend._module("xaijax._core") is None:
        pytest.skip("the extension is not built")
    monkeypatch.setenv("XAIJAX_BACKEND", request.param)
    return request.param


def pairs(dtype=np.float64):
    """Noise, ties, sparse and heavy-tailed maps, each with a relative of itself."""
    rng = np.random.default_rng(8)
    noise = rng.normal(size=(H, W))
    a = np.stack([noise, np.round(2 * noise), np.where(noise > 1.5, noise, 0), np.exp(5 * noise), 1e6 + noise])
    b = np.stack([-noise + rng.normal(size=(H, W)), np.round(a[0] + noise[::-1]), a[2] ** 2, noise, 3 - a[4]])
    return a.astype(dtype), b.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_correlations_are_those_of_scipy(backend, dtype):
    a, b = pairs(dtype)
    found = similarity(a, b, measure=("spearman", "pearson"))
    assert found["spearman"].dtype == np.float64
    for i, (x, y) in enumerate(zip(a.astype(np.float64), b.astype(np.float64), strict=True)):
        assert found["spearman"][i] == pytest.approx(spearmanr(x.ravel(), y.ravel()).statistic, abs=1e-12)
        assert found["pearson"][i] == pytest.approx(pearsonr(x.ravel(), y.ravel()).statistic, abs=1e-9)


@pytest.mark.parametrize("percent", [1, 12.5, 60])
def test_topk_iou_is_that_of_sorted_maps(backend, percent):
    a, b = pairs()
    found = similarity(a, b, measure="topk_iou", percent=percent)
    k = int(np.ceil(percent / 100 * H * W))
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        in_a, in_b = x >= np.sort(x, axis=None)[-k], y >= np.sort(y, axis=None)[-k]
        assert found["topk_iou"][i] == (in_a & in_b).sum() / (in_a | in_b).sum()


def test_known_cases(backend):
    a, _ = pairs()
    same = similarity(a[0], 2 * a[0] + 1)
    assert same["spearman"] == same["topk_iou"] == 1.0
    assert same["pearson"] == pytest.approx(1.0, abs=1e-12)
    assert similarity(a[0], np.exp(-a[0]), measure="spearman")["spearman"] == -1.0
    flat = similarity(a[0], np.full((H, W), 4.0))
    assert np.isnan(flat["spearman"])
    assert np.isnan(flat["pearson"])
    assert flat["topk_iou"] == np.ceil(0.1 * H * W) / (H * W)


def test_pairs_broadcast(backend):
    a, b = pairs()
    every = similarity(a[:, None], b)
    for name in MEASURES:
        assert every[name].shape == (5, 5)
        assert every[name][3, 1] == similarity(a[3], b[1], measure=name)[name]


def test_threads_and_flips_change_no_byte():
    a, b = pairs(np.float32)
    one = similarity(a, b, num_threads=1)
    many = similarity(a, b, num_threads=4)
    turned = similarity(*(np.ascontiguousarray(np.swapaxes(m[..., ::-1], -1, -2)) for m in (a, b)))
    for name in MEASURES:
        np.testing.assert_array_equal(one[name], many[name])
        np.testing.assert_array_equal(one[name], turned[name])


def test_jit_vmap_and_numpy_agree():
    a, b = pairs(np.float32)
    plain = similarity(a, b)
    x, y = jnp.asarray(a), jnp.asarray(b)
    for found in (jax.jit(similarity)(x, y), jax.vmap(similarity)(x, y)):
        for name in MEASURES:
            np.testing.assert_allclose(found[name], plain[name], atol=1e-7)
    grid = jax.vmap(jax.vmap(similarity, (None, 0)), (0, None))(x, y)
    np.testing.assert_allclose(grid["spearman"], similarity(a[:, None], b)["spearman"], atol=1e-7)
    assert np.isnan(similarity(x.at[2, 0, 0].set(jnp.nan), y)["pearson"]).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"a": np.zeros((H, W), np.int32)}, TypeError, "a must be float16, bfloat16, float32 or float64"),
        ({"b": np.zeros((H, W), np.float32)}, TypeError, "a and b must have the same dtype"),
        ({"b": np.zeros((H, W + 1))}, ValueError, "b must have the last 2 axes of a"),
        (
            {"a": np.zeros((3, H, W)), "b": np.zeros((2, H, W))},
            ValueError,
            "the leading axes of a and b must broadcast",
        ),
        ({"a": np.full((H, W), np.inf)}, ValueError, "a must be finite"),
        ({"measure": "ssim"}, ValueError, "measure must be some of .*'ssim'"),
        ({"measure": []}, ValueError, "measure must be some of"),
        ({"percent": 0}, ValueError, "percent must be"),
        ({"num_threads": 0}, ValueError, "num_threads must be"),
    ],
)
def test_bad_input_is_one_sentence(backend, change, error, message):
    arguments = {"a": np.zeros((H, W)), "b": np.zeros((H, W))} | change
    with pytest.raises(error, match=message):
        similarity(arguments.pop("a"), arguments.pop("b"), **arguments)
