"""Thresholds against NumPy, published EbayesThresh numbers, quadrature and SciPy, in every implementation."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from xaijax.kernels import EBAYES_REASONS as REASONS
from xaijax.kernels import _backend, ebayes_threshold, top_k_threshold
from xaijax.kernels._numba import threshold as reference

ORACLE = json.loads((Path(__file__).parent / "data" / "ebayes.json").read_text())
LAPLACE, CAUCHY = 0, 1


@pytest.fixture(params=["native", "numba"])
def backend(request, monkeypatch):
    if request.param == "native" and _backend._module("xaijax._core") is None:
        pytest.skip("the extension is not built")
    monkeypatch.setenv("XAIJAX_BACKEND", request.param)
    return request.param


def function(backend, name, x, prior=LAPLACE, a=0.5, w=0.5):
    """A function of the model at each x, from either implementation."""
    x = np.atleast_1d(np.asarray(x, np.float64))
    if backend == "native":
        return _backend.core().ebayes_function(name, x, prior, a, w)
    size = np.abs(x)
    if name == "beta":
        return reference.beta(x, prior, a)
    if name == "mean":
        return np.copysign(reference.posterior_mean(size, w, prior, a), x)
    if name == "median":
        return np.copysign(reference.posterior_median(size, w, prior, a), x)
    if name == "threshold_from_weight":
        return np.array([reference.threshold_from_weight(v, prior, a) for v in x])
    return np.array([1 / reference.inverse_weight(v, prior, a) for v in x])


def spiky(shape=(3, 40, 60), dtype=np.float64, seed=0):
    """Noise of standard deviation 0.7 with a strong region."""
    maps = np.random.default_rng(seed).normal(scale=0.7, size=shape)
    maps[..., 10:20, 20:35] += 3.0
    return maps.astype(dtype)


# top-k


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("percent", [0.01, 10, 33.3, 100])
def test_top_k_is_a_comparison_with_the_sorted_map(backend, dtype, percent):
    rng = np.random.default_rng(1)
    maps = np.stack([rng.normal(size=(30, 41)), rng.integers(-2, 3, (30, 41)), np.full((30, 41), -1.0)]).astype(dtype)
    out = top_k_threshold(maps, percent)
    assert out.dtype == dtype
    k = max(1, int(np.ceil(percent / 100 * 30 * 41 - 1e-9)))
    for map_, kept in zip(maps, out, strict=True):
        np.testing.assert_array_equal(kept, np.where(map_ >= np.sort(map_, axis=None)[-k], map_, 0))


def test_top_k_in_jax_threads_and_flips():
    maps = spiky((2, 3, 40, 60), np.float32)
    plain = top_k_threshold(maps, 12.5, num_threads=1)
    np.testing.assert_array_equal(top_k_threshold(maps, 12.5, num_threads=4), plain)
    np.testing.assert_array_equal(jax.jit(lambda m: top_k_threshold(m, 12.5))(jnp.asarray(maps)), plain)
    nested = jax.vmap(jax.vmap(lambda m: top_k_threshold(m, 12.5)))(jnp.asarray(maps))
    np.testing.assert_array_equal(nested, plain)
    turned = top_k_threshold(np.ascontiguousarray(np.swapaxes(maps[..., ::-1], -1, -2)), 12.5)
    np.testing.assert_array_equal(turned, np.swapaxes(plain[..., ::-1], -1, -2))


def test_top_k_refuses_bad_input(backend):
    maps = spiky((2, 5, 40, 60))
    for percent in (0, -1, 100.1, np.nan):
        with pytest.raises(ValueError, match="percent must be above 0 and at most 100"):
            top_k_threshold(maps, percent)
    with pytest.raises(TypeError, match="maps must be float16, bfloat16, float32 or float64"):
        top_k_threshold(maps.astype(np.int64), 10)
    with pytest.raises(ValueError, match=r"maps must be \[\.\.\., H, W\]; got shape \(60,\)"):
        top_k_threshold(maps[0, 0, 0], 10)
    maps[1, 3, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"map \[1, 3\] of maps \[2, 5, 40, 60\] holds NaN"):
        top_k_threshold(maps, 10)


# empirical Bayes: the functions of the model


def test_published_numbers(backend):
    published, x = ORACLE["published"], ORACLE["x_small"]
    np.testing.assert_allclose(function(backend, "beta", x), published["beta_laplace"], rtol=1e-12)
    np.testing.assert_allclose(function(backend, "mean", x), published["postmean_w05"], atol=1e-12)
    np.testing.assert_allclose(function(backend, "median", x), published["postmed_w05"], atol=1e-12)
    for w, t in published["tfromw"].items():
        assert function(backend, "threshold_from_weight", float(w)) == pytest.approx(t, abs=1e-8)
    for t, w in published["wfromt"].items():
        assert function(backend, "weight_from_threshold", float(t)) == pytest.approx(w, rel=1e-10)


def test_numbers_by_quadrature(backend):
    for case, rows in ORACLE["quadrature"].items():
        name, w = case.split("_w")
        prior = ["laplace", "cauchy"].index(name)
        for x, row in rows.items():
            got = [function(backend, f, float(x), prior, 0.5, float(w)) for f in ("beta", "mean", "median")]
            assert got[0] == pytest.approx(row["beta"], rel=1e-10)
            assert got[1] == pytest.approx(row["postmean"], abs=1e-10)
            assert got[2] == pytest.approx(row["postmed"], abs=1e-10)
    for w, t in ORACLE["cauchy"]["tfromw"].items():
        assert function(backend, "threshold_from_weight", float(w), CAUCHY) == pytest.approx(t, abs=1e-8)
    for t, w in ORACLE["cauchy"]["wfromt"].items():
        assert function(backend, "weight_from_threshold", float(t), CAUCHY) == pytest.approx(w, rel=1e-9)


def test_bayes_factor_threshold():
    for w, t in ORACLE["laplace_bayes_factor"].items():
        assert function("native", "bayes_factor_threshold", float(w)) == pytest.approx(t, abs=1e-9)


@pytest.mark.parametrize("prior", [LAPLACE, CAUCHY])
@pytest.mark.parametrize(("a", "w", "x"), [(0.5, 0.3, 2.7), (1.3, 0.02, 4.2), (0.1, 0.9, 1.1)])
def test_posterior_is_that_of_the_definition(prior, a, w, x):
    """The marginal, the mean and the median by integrating prior times likelihood."""

    def slab(u):
        if prior == LAPLACE:
            return a / 2 * np.exp(-a * abs(u))
        return (1 - abs(u) * norm.sf(abs(u)) / norm.pdf(u)) / np.sqrt(2 * np.pi)

    def integral(f, low=-15.0):
        return quad(lambda u: f(u) * slab(u) * norm.pdf(x - u), low, 20.0, points=[0.0, x], epsabs=1e-13, limit=400)[0]

    g = integral(lambda u: 1.0)
    total = w * g + (1 - w) * norm.pdf(x)
    assert function("native", "beta", x, prior, a) == pytest.approx(g / norm.pdf(x) - 1, rel=1e-9)
    assert function("native", "mean", x, prior, a, w) == pytest.approx(w * integral(lambda u: u) / total, rel=1e-8)
    median = float(function("native", "median", x, prior, a, w)[0])
    above = w * integral(lambda u: 1.0, median) / total
    if median > 0:
        assert above == pytest.approx(0.5, abs=1e-9)
    else:
        assert w * integral(lambda u: 1.0, 0.0) / total <= 0.5


def marginal_by_mpmath(x, w, a):
    """Beta and the posterior mean under the Laplace slab, in the digits at work."""
    x, w, a = (mpmath.mpf(value) for value in (x, w, a))
    phi = mpmath.npdf(x)
    right = a / 2 * mpmath.exp(a * a / 2 - a * x) * mpmath.ncdf(x - a)
    left = a / 2 * mpmath.exp(a * a / 2 + a * x) * mpmath.ncdf(-x - a)
    g = right + left
    return g / phi - 1, w * (right * (x - a) + left * (x + a)) / ((1 - w) * phi + w * g)


@pytest.mark.parametrize("a", [1e-6, 1e-3, 0.5, 3.0, 20.0])
@pytest.mark.parametrize("w", [1e-9, 0.1, 1.0])
def test_small_values_and_extreme_slabs_keep_their_digits(backend, a, w):
    sizes = [1e-200, 1e-30, 1e-13, 1e-8, 1e-3, 0.05, 0.11, 0.13, 0.6, 2.0, 5.0]
    with mpmath.workdps(700):
        expected = [marginal_by_mpmath(x, w, a) for x in sizes]
    np.testing.assert_allclose(function(backend, "mean", sizes, LAPLACE, a, w), [float(m) for _, m in expected], 1e-9)
    betas = function(backend, "beta", sizes, LAPLACE, a)
    np.testing.assert_allclose(betas, [float(b) for b, _ in expected], rtol=1e-9)


@pytest.mark.parametrize("a", [1e-6, 1e-3, 20.0])
def test_thresholds_of_extreme_slabs_keep_their_digits(backend, a):
    for t in (0.5, 2.0, 4.0):
        with mpmath.workdps(60):
            m = lambda z: mpmath.ncdf(-z) / mpmath.npdf(z)  # noqa: E731
            exact = 1 / (mpmath.mpf(a) / 2 * (m(a - mpmath.mpf(t)) - m(t + mpmath.mpf(a))) + 1)
        weight = float(function(backend, "weight_from_threshold", t, LAPLACE, a)[0])
        assert 1 / weight - 1 == pytest.approx(float(1 / exact - 1), rel=1e-9)
        assert function(backend, "threshold_from_weight", weight, LAPLACE, a) == pytest.approx(t, rel=1e-9)


@pytest.mark.parametrize("prior", ["laplace", "cauchy"])
def test_the_mean_of_tiny_pixels_is_their_share(backend, prior):
    """Next to zero the posterior mean is proportional to the value; for the quasi-Cauchy the factor is w/(4 - 2 w)."""
    base = np.random.default_rng(0).normal(size=(20, 20))
    tiny = [1e-200, 1e-60, 1e-15, 1e-9, 1e-6]
    base.reshape(-1)[:5] = tiny
    found = ebayes_threshold(base, prior=prior, sd=1.0, rule="mean", details=True)
    got, w = found.maps.reshape(-1)[:5], float(found.weights)
    if prior == "laplace":
        with mpmath.workdps(700):
            expected = [float(marginal_by_mpmath(x, w, 0.5)[1]) for x in tiny]
    else:
        expected = [x * w / (4 - 2 * w) for x in tiny]
    np.testing.assert_allclose(got, expected, rtol=1e-8)


# empirical Bayes: maps


@pytest.mark.parametrize("name", ["test1", "test2"])
def test_published_posterior_medians(backend, name):
    x = np.array(ORACLE[name]["x"]).reshape(10, 10)
    np.testing.assert_allclose(ebayes_threshold(x, sd=1.0).ravel(), ORACLE[name]["median"], atol=1e-8)


def test_quasi_cauchy_medians(backend):
    found = ebayes_threshold(np.array(ORACLE["test1"]["x"]).reshape(10, 10), sd=1.0, prior="cauchy", details=True)
    expected = ORACLE["cauchy"]["test1"]
    assert found.weights == pytest.approx(expected["w"], rel=1e-8)
    np.testing.assert_allclose(found.maps.ravel(), expected["postmed"], atol=1e-8)


def test_published_estimates(backend):
    x, published = np.array(ORACLE["x_seed123"]).reshape(4, 25), ORACLE["published"]
    fixed = ebayes_threshold(x, sd=1.0, details=True)
    assert fixed.weights == pytest.approx(published["wfromx_seed123"], abs=1e-8)
    assert fixed.thresholds == pytest.approx(published["tfromx_seed123"], abs=1e-8)
    both = ebayes_threshold(x, sd=1.0, a=None, details=True)
    assert both.scales == published["wandafromx_seed123"]["a"]
    assert both.weights == pytest.approx(published["wandafromx_seed123"]["w"], abs=1e-6)  # R's optimiser stops there
    cauchy = ebayes_threshold(x, sd=1.0, prior="cauchy", details=True)
    assert cauchy.weights == pytest.approx(ORACLE["cauchy"]["wfromx_seed123"], abs=1e-8)


@pytest.mark.parametrize("prior", ["laplace", "cauchy"])
@pytest.mark.parametrize("rule", ["median", "mean", "hard", "soft"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_native_is_the_reference(monkeypatch, prior, rule, dtype):
    maps = spiky(dtype=dtype)
    maps[0, 0, 0], maps[0, 0, 1], maps[0, 0, 2] = 40 * 0.7, -40 * 0.7, 1e4
    ours = ebayes_threshold(maps, prior=prior, rule=rule, details=True)
    monkeypatch.setenv("XAIJAX_BACKEND", "numba")
    theirs = ebayes_threshold(maps, prior=prior, rule=rule, details=True)
    assert ours.maps.dtype == dtype
    np.testing.assert_allclose(ours.maps, theirs.maps, rtol=1e-8 if dtype == np.float64 else 1e-6, atol=1e-8)
    for estimate in ("weights", "scales", "sds", "thresholds"):
        np.testing.assert_allclose(getattr(ours, estimate), getattr(theirs, estimate), rtol=1e-9)


def test_scale_is_estimated_as_the_reference_does(monkeypatch):
    rng = np.random.default_rng(4)
    map_ = rng.normal(size=(30, 40)) + np.where(rng.random((30, 40)) < 0.2, rng.laplace(scale=2.5, size=(30, 40)), 0)
    ours = ebayes_threshold(map_, sd=1.0, a=None, details=True)
    assert 0.2 < ours.scales < 0.8  # 1/2.5 was planted
    monkeypatch.setenv("XAIJAX_BACKEND", "numba")
    theirs = ebayes_threshold(map_, sd=1.0, a=None, details=True)
    assert ours.scales == pytest.approx(theirs.scales, rel=1e-5)
    np.testing.assert_allclose(ours.maps, theirs.maps, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 250.0])
def test_the_unit_of_the_map_does_not_matter(backend, scale):
    maps = spiky()
    base = ebayes_threshold(maps, details=True)
    other = ebayes_threshold(maps * scale, details=True)
    np.testing.assert_allclose(other.maps, base.maps * scale, rtol=1e-9, atol=1e-10 * scale)
    np.testing.assert_allclose(other.weights, base.weights, rtol=1e-9)
    np.testing.assert_allclose(base.sds, 1.4826 * np.median(np.abs(maps), axis=(-2, -1)), rtol=1e-14)


def test_a_map_without_spread_comes_back_unchanged(backend):
    maps = np.maximum(spiky(), 1.0) - 1.0
    found = ebayes_threshold(maps, details=True)
    np.testing.assert_array_equal(found.maps, maps)
    assert [REASONS[r] for r in found.reasons] == [REASONS[1]] * 3
    assert np.isnan(found.weights).all()
    given = ebayes_threshold(maps, sd=0.5, details=True)
    assert not given.reasons.any()
    assert np.isfinite(given.maps).all()


def test_far_values_stay_finite(backend):
    map_ = np.linspace(-40.0, 40.0, 1600).reshape(40, 40)
    for prior in ("laplace", "cauchy"):
        for rule in ("median", "mean"):
            out = ebayes_threshold(map_, sd=1.0, prior=prior, rule=rule)
            assert np.isfinite(out).all()
            assert np.all(np.abs(out) <= np.abs(map_))
            assert out[-1, -1] == pytest.approx(39.5 if prior == "laplace" else 40 - 2 / 40, abs=1e-6)


def test_threads_flips_and_jax_agree():
    maps = spiky((2, 3, 40, 60), np.float32)
    plain = ebayes_threshold(maps, details=True, num_threads=1)
    for other in (
        ebayes_threshold(maps, details=True, num_threads=4),
        jax.jit(lambda m: ebayes_threshold(m, details=True))(jnp.asarray(maps)),
        jax.vmap(jax.vmap(lambda m: ebayes_threshold(m, details=True)))(jnp.asarray(maps)),
    ):
        np.testing.assert_array_equal(other.maps, plain.maps)
        np.testing.assert_allclose(other.weights, plain.weights, rtol=1e-6)
        np.testing.assert_array_equal(other.reasons, plain.reasons)
    turned = ebayes_threshold(np.ascontiguousarray(np.swapaxes(maps[..., ::-1], -1, -2)))
    np.testing.assert_array_equal(turned, np.swapaxes(plain.maps[..., ::-1], -1, -2))


def test_jax_reports_what_is_not_finite():
    maps = jnp.asarray(spiky(dtype=np.float32)).at[1, 2, 3].set(jnp.inf)
    found = ebayes_threshold(maps, details=True)
    assert [REASONS[r] for r in np.asarray(found.reasons)] == ["", "the map is not finite", ""]
    assert np.isnan(found.maps[1]).all()
    assert np.isnan(top_k_threshold(jnp.full((4, 4), jnp.nan), 10)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prior": "normal"}, "prior must be one of laplace, cauchy"),
        ({"rule": "firm"}, "rule must be one of"),
        ({"a": 0.0}, "a must be from 1e-6 to 20"),
        ({"a": 21}, "a must be from 1e-6 to 20"),
        ({"sd": 0.0}, "sd must be positive"),
        ({"num_threads": 0}, "num_threads must be"),
    ],
)
def test_ebayes_refuses_bad_options(backend, options, message):
    with pytest.raises(ValueError, match=message):
        ebayes_threshold(spiky(), **options)


def test_ebayes_names_a_broken_map(backend):
    maps = spiky()
    maps[2, 5, 5] = np.inf
    with pytest.raises(ValueError, match=r"map \[2\] of maps \[3, 40, 60\] holds NaN or infinity"):
        ebayes_threshold(maps)
