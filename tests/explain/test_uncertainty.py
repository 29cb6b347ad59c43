"""Standard errors of maps: their definition, their coverage by simulation with a fixed number of draws, tolerances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from xaijax import explain, models
from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.explain import uncertainty
from xaijax.explain.perturbation._rise import rise_mask

SHAPE = (6, 6, 2)
IMAGE = np.random.default_rng(0).random((1, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def curved():
    """Products of pixels: neither gradients nor scores are linear in the image."""
    rng = np.random.default_rng(1)
    params = {
        "a": jnp.asarray(rng.normal(size=(72, 60)) / 4, jnp.float32),
        "b": jnp.asarray(rng.normal(size=(60, 3)), jnp.float32),
    }

    def logits(p, x):
        hidden = x.reshape(x.shape[0], -1) @ p["a"]
        return (hidden**2 + jnp.sin(2 * hidden)) @ p["b"]

    return Classifier.from_function(logits, params, input_shape=SHAPE)


TWELVE = np.arange(36).reshape(6, 6) // 3 == np.arange(12)[:, None, None]  # regions
CASES = {
    "rise": ({"count": 200, "grid": 3, "target": "logit"}, {"count": 20_000}, 120),
    "smoothgrad": ({"draws": 100, "std": 0.3, "reduce": "sum"}, {"draws": 10_000}, 60),
    "kernel_shap": ({"count": 300, "regions": TWELVE}, {"count": 2**12 - 2}, 100),
}


@pytest.mark.parametrize("name", CASES)
def test_intervals_of_95_percent_contain_the_converged_map(name, curved):
    options, many, repetitions = CASES[name]
    converged = np.asarray(explain.explain(name, curved, IMAGE, 1, key=10**6, batch_size=2000, **{**options, **many}))[
        0
    ]
    inside = []
    for key in range(repetitions):
        found = uncertainty(name, curved, IMAGE, 1, key=key, batch_size=2000, **options)
        assert (found.standard_errors > 0).all()
        inside.append(np.abs(found.maps[0] - converged) <= 1.96 * found.standard_errors[0])
    assert 0.93 <= np.mean(inside) <= 0.97


def test_intervals_of_sobol_contain_the_converged_map(curved):
    """Eight replicates: Student's t with seven degrees of freedom."""
    options = {"regions": 2, "design": 64, "batch_size": 2000, "enlargement": "nearest"}
    sure = uncertainty("sobol", curved, IMAGE, 1, key=10**6, replicates=300, **options)
    factor, inside = stats.t.ppf(0.975, 7), []
    for key in range(100):
        found = uncertainty("sobol", curved, IMAGE, 1, key=key, **options)
        assert found.draws.tolist() == [8]
        inside.append(np.abs(found.maps - sure.maps) <= factor * found.standard_errors)
    assert 0.93 <= np.mean(inside) <= 0.97


def test_rise_is_the_mean_of_its_masks_and_the_error_that_of_a_mean(curved):
    found = uncertainty("rise", curved, IMAGE, 1, count=50, grid=3, key=4, target="logit", batch_size=8)
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.key(4), jnp.arange(50))
    masks = np.asarray(jax.vmap(lambda k: rise_mask(k, SHAPE[:2], 3, 0.5))(keys), np.float64)
    scores = np.asarray(curved.logits(curved.params, jnp.asarray(IMAGE * masks[..., None], jnp.float32)))[:, 1]
    each = scores[:, None, None] * masks / 0.5
    np.testing.assert_allclose(found.maps[0], each.mean(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.standard_errors[0], each.std(0, ddof=1) / np.sqrt(50), rtol=1e-3)
    plain = explain.rise(curved, IMAGE, 1, count=50, grid=3, key=4, target="logit")
    np.testing.assert_allclose(found.maps, plain, rtol=1e-4, atol=1e-4)
    assert found.draws.tolist() == [50]


@pytest.mark.parametrize("statistic", ["mean", "square"])
@pytest.mark.parametrize("reduce", ["sum", "abs_sum", "abs_max", "none"])
def test_smoothgrad_is_the_method_with_the_error_of_its_draws(reduce, statistic, curved):
    """Errors against the draws themselves, each the map of SmoothGrad with one draw of noise that is given."""
    options = {"std": 0.2, "reduce": reduce, "statistic": statistic, "method": "input_x_gradient"}
    found = uncertainty("smoothgrad", curved, IMAGE, 1, draws=40, key=3, batch_size=7, **options)
    plain = np.asarray(explain.smoothgrad(curved, IMAGE, 1, draws=40, key=3, **options))
    np.testing.assert_allclose(found.maps, plain, rtol=1e-4, atol=1e-5)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4000, *SHAPE)).astype(np.float32)
    single = options | {"reduce": "none"}
    one = jax.jit(jax.vmap(lambda e: explain.smoothgrad(curved, IMAGE, 1, noise=e[None], **single)[0]))
    each = np.asarray(one(noise))
    mean = each.mean(0)
    if reduce in ("sum", "none"):
        parts = each.sum(-1) if reduce == "sum" else each
    elif reduce == "abs_sum":
        parts = (each * np.sign(mean)).sum(-1)
    else:
        parts = np.take_along_axis(each, np.abs(mean).argmax(-1)[None, ..., None], axis=-1)[..., 0]
    ratio = found.standard_errors[0] / (parts.std(0) / np.sqrt(40))
    assert np.median(ratio) == pytest.approx(1, abs=0.1)


REPLICATED = {
    "expected_gradients": {"draws": 6},
    "smoothgrad_squared": {"draws": 5},
    "lime": {"count": 60, "regions": 3},
    "hsic": {"count": 40, "regions": 2},
}


@pytest.mark.parametrize("name", REPLICATED)
def test_replicates_are_maps_of_other_keys(name, curved):
    """The mean and the standard error of independent maps, which another seed moves by as much."""
    options = REPLICATED[name] | {"batch_size": 500}
    found = uncertainty(name, curved, IMAGE, 1, key=3, replicates=9, **options)
    keys = [jax.random.fold_in(jax.random.key(3), number) for number in range(9)]
    each = np.stack([np.asarray(explain.explain(name, curved, IMAGE, 1, key=key, **options)) for key in keys])
    np.testing.assert_allclose(found.maps, each.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.standard_errors, each.std(0, ddof=1) / 3, rtol=1e-4, atol=1e-7)
    assert found.draws.tolist() == [9]
    other = uncertainty(name, curved, IMAGE, 1, key=4, replicates=9, **options)
    apart = (other.maps - found.maps) / np.hypot(found.standard_errors, other.standard_errors)
    assert 0.3 < np.sqrt((apart**2).mean()) < 3


def test_kernel_shap_that_enumerates_has_no_error(curved):
    found = uncertainty("kernel_shap", curved, IMAGE, 1, regions=3)
    np.testing.assert_allclose(found.maps, explain.kernel_shap(curved, IMAGE, 1, regions=3), rtol=1e-5, atol=1e-6)
    assert not found.standard_errors.any()
    assert found.draws.tolist() == [2**9 - 2]
    with pytest.raises(InputError, match="a standard error needs two pairs of drawn coalitions or more; got 1"):
        uncertainty("kernel_shap", curved, IMAGE, 1, regions=4, count=2)


@pytest.mark.parametrize("name", ["rise", "smoothgrad"])
def test_a_tolerance_draws_as_much_as_each_image_needs(name, curved):
    images = np.concatenate([IMAGE, IMAGE * np.float32(0.2)])
    options = {"rise": {"grid": 3, "target": "logit"}, "smoothgrad": {"reduce": "sum"}}[name]
    first = uncertainty(name, curved, images, 1, tolerance=1e9, **options)
    assert first.draws.tolist() == [32, 32]  # a batch, and at least 30
    aim = float(first.standard_errors[0].mean()) / 4
    found = uncertainty(name, curved, images, 1, tolerance=aim, **options)
    errors = found.standard_errors.mean((1, 2))
    assert (errors <= aim).all()
    assert 16 * 32 / 2 < found.draws[0] < 16 * 32 * 2
    assert found.draws[1] < found.draws[0]
    fixed = uncertainty(
        name, curved, images[:1], 1, **{"count" if name == "rise" else "draws": int(found.draws[0])}, **options
    )
    np.testing.assert_allclose(found.maps[:1], fixed.maps, rtol=1e-4, atol=1e-4)
    cut = uncertainty(name, curved, images[:1], 1, tolerance=aim, max_draws=100, **options)
    assert cut.draws.tolist() == [96]
    assert cut.standard_errors.mean() > aim
    few = uncertainty(name, curved, images[:1], 1, tolerance=aim, max_draws=30, batch_size=4, **options)
    assert few.draws.tolist() == [30]


def test_black_boxes_and_predicted_classes(curved):
    params = jax.tree.map(np.asarray, curved.params)

    def predict(x):
        hidden = x.reshape(len(x), -1) @ params["a"]
        return (hidden**2 + np.sin(2 * hidden)) @ params["b"]

    box = models.from_predict(predict, input_shape=SHAPE, classes=["a", "b", "c"], logits=True)
    for name, options in {
        "rise": {"count": 40, "grid": 3},
        "kernel_shap": {"count": 60, "regions": 3},
        "sobol": {"design": 4, "regions": 2},
    }.items():
        pair = [uncertainty(name, model, IMAGE, key=2, **options) for model in (box, curved)]
        np.testing.assert_allclose(pair[0].maps, pair[1].maps, atol=2e-4 * np.abs(pair[1].maps).max())
        scale = pair[1].standard_errors.max()
        assert scale > 0
        np.testing.assert_allclose(pair[0].standard_errors, pair[1].standard_errors, atol=2e-3 * scale)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        (
            "gradient",
            {},
            "gradient has no standard errors, since it draws nothing; choose from ",
        ),
        ("Rise", {"tolerance": 0}, "tolerance is 0; it must be a number above 0"),
        ("rise", {"tolerance": 1, "max_draws": 20}, "max_draws is 20; it must be at least 30"),
        ("random", {}, "random has no standard errors"),
        ("vargrad", {"tolerance": 1}, "tolerance is for rise and smoothgrad; vargrad takes the number"),
        ("smooth_blur_ig", {"noise": np.zeros((2, *SHAPE))}, "of smooth_blur_ig are for noise from a key"),
        ("rise", {"count": 1}, "a standard error needs two draws or more; rise.count is 1"),
        ("rise", {"draws": 1}, "rise has no option 'draws'"),
        ("sobol", {"tolerance": 1}, "tolerance is for rise and smoothgrad"),
        ("sobol", {"replicates": 7}, "replicates is 7; it must be at least 8"),
        ("smoothgrad", {"statistic": "variance"}, "standard errors of smoothgrad are for statistic mean or square"),
    ],
)
def test_what_does_not_fit_is_one_sentence(name, options, words, curved):
    with pytest.raises(InputError, match=words) as caught:
        uncertainty(name, curved, IMAGE, 1, **options)
    assert "\n" not in str(caught.value)
