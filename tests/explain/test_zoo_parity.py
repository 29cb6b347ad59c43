"""Parity with the named packages on architectures of the zoo, converted from torchvision with random weights.

tests/parity/explain_zoo.py makes the peers' maps; the weights and images of both sides come from zoo_recipe. The maps
of one model and one batch are made in one program, which XLA compiles once and which shares the passes.
"""

import functools
import importlib
import importlib.util
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import explain, models
from xaijax.classifier import Classifier
from xaijax.explain.cams import _maps as _cam
from xaijax.explain.cams._eigen_cam import first_projection

DATA = Path(__file__).parent / "data"
_spec = importlib.util.spec_from_file_location("zoo_recipe", Path(__file__).parents[1] / "parity" / "zoo_recipe.py")
recipe = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recipe)

QUICK_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
PGC = "pytorch-grad-cam"
LAYERS = {"resnet34": ("stage4", "stage2"), "vgg16": ("block5", "block3")}
WEIGHTED = ("grad_cam", "grad_cam_pp", "xgrad_cam", "layer_cam", "hires_cam")
EIGEN = ("eigen_cam", "eigen_grad_cam")


@functools.cache
def stored(name):
    with np.load(DATA / f"zoo_{name}.npz") as file:
        return dict(file)


@functools.lru_cache(maxsize=1)
def converted(reference, architecture, side):
    entries = json.loads(stored(reference)["entries"].tobytes())
    weights = {name: recipe.weight(name, tuple(shape), True) for name, shape in entries.items()}
    return models.from_torch(weights, architecture, input_shape=(side, side, 3), preprocess="identity")


@functools.cache
def cheap_maps(name):
    """`{method:layer: [2, H, W]}` of all methods that need one backward pass, and the eigen maps of the other sign."""
    reference = stored(f"{name}_cam")
    side = int(reference["side"])
    classifier, images = converted(f"{name}_cam", name, side), recipe.scenes(2, side)
    np.testing.assert_allclose(classifier.logits(classifier.params, images), reference["logits"], rtol=2e-4, atol=1e-4)

    def run(classifier, x, y):
        found = {"fullgrad:all": explain.fullgrad(classifier, x, y, convention=PGC)}
        for layer in LAYERS[name]:
            for method in WEIGHTED + EIGEN:
                found[f"{method}:{layer}"] = getattr(explain, method)(classifier, x, y, layer=layer, convention=PGC)
            A, g = (values[layer] for values in _cam.activations_and_gradients(classifier, x, y, (layer,), "logit"))
            for method, values in zip(EIGEN, (A, g * A), strict=True):
                flat = values.reshape(*values.shape[:1], -1, values.shape[-1])
                low = -first_projection(flat, center=True).reshape(values.shape[:3])
                found[f"other {method}:{layer}"] = _cam.finish([low], (side, side), PGC)
        for method in WEIGHTED:
            found[f"{method}:both"] = getattr(explain, method)(classifier, x, y, layer=LAYERS[name], convention=PGC)
        return found

    compiled = jax.jit(run, compiler_options=QUICK_COMPILE)
    return {key: np.asarray(v)[:, 1::3, 1::3] for key, v in compiled(classifier, images, reference["labels"]).items()}


def cases(cheap):
    """Parameters of the tests: (model, method:layer) of the methods that are cheap, or of the others."""
    found = []
    for name in LAYERS:
        for key in sorted(stored(f"{name}_cam")):
            method = key.split(":")[0]
            if ":" in key and (method in (*WEIGHTED, *EIGEN, "fullgrad")) == cheap:
                slow = name == "vgg16" or key == "ablation_cam:stage2"  # 20 seconds and more
                found.append(pytest.param(name, key, marks=[pytest.mark.slow] if slow else []))
    return found


@pytest.mark.parametrize(("name", "key"), cases(cheap=True))
def test_pytorch_grad_cam(name, key):
    expected, got = stored(f"{name}_cam")[key], cheap_maps(name)[key]
    if key.startswith(EIGEN):  # the peer takes the sign that its linear algebra library gives
        wrong = np.abs(got - expected).max((1, 2)) > 1e-3
        got = np.where(wrong[:, None, None], cheap_maps(name)[f"other {key}"], got)
    assert np.abs(got - expected).max() < 1e-3
    assert expected.std((1, 2)).min() > 0.05  # random weights give maps that show something,
    assert np.abs(expected[0] - expected[1]).max() > 0.05  # and not the same for both images


@pytest.mark.parametrize(("name", "key"), cases(cheap=False))
def test_pytorch_grad_cam_of_one_pass_per_channel(name, key):
    reference = stored(f"{name}_cam")
    method, layer = key.split(":")
    side = int(reference["side"])
    run = jax.jit(
        functools.partial(getattr(explain, method), layer=layer, convention=PGC), compiler_options=QUICK_COMPILE
    )
    got = run(converted(f"{name}_cam", name, side), recipe.scenes(2, side), reference["labels"])
    assert np.abs(np.asarray(got)[:, 1::3, 1::3] - reference[key]).max() < 1e-3
    assert reference[key].std((1, 2)).min() > 0.05


def relative(got, expected):
    """Largest error as a share of the largest value."""
    return float(np.abs(np.asarray(got, np.float64) - expected).max() / np.abs(expected).max())


SMALL = 64


def analytic(which):
    """The function of `zoo_recipe.analytic_gradients`, with a second class that is nothing."""

    def logits(w, x):
        value = {
            0: lambda: (w * x).sum((1, 2, 3)),
            1: lambda: (w * x**2).sum((1, 2, 3)),
            2: lambda: (w * jnp.sin(3 * x)).sum((1, 2, 3)) + x.mean((1, 2, 3)) ** 2,
        }[which]()
        return jnp.stack([value, jnp.zeros_like(value)], 1)

    shape = (24, 24, 3)
    return Classifier.from_function(logits, jnp.asarray(recipe.analytic_weights(shape)[which]), input_shape=shape)


@functools.cache
def setting(name):
    """Classifier, image `[1, H, W, C]` and class of one case of paths()."""
    if name == "resnet34":
        return converted("paths", name, SMALL), recipe.scenes(1, SMALL), stored("paths")["label"][None]
    return analytic(recipe.ANALYTIC.index(name)), recipe.scenes(1, 24), np.array([0])


def path_method(name, method, noise):
    """`(classifier, images, labels) -> maps` for one entry of the stored file."""
    kind, *numbers = method.split(":")
    if kind == "ig":
        return functools.partial(explain.integrated_gradients, rule="pair")
    if kind == "blur_ig":
        return functools.partial(explain.blur_ig, max_sigma=8.0, steps=20)
    if kind == "guided_ig":
        fraction, max_dist, steps = float(numbers[0]), float(numbers[1]), int(numbers[2])
        return functools.partial(explain.guided_ig, fraction=fraction, max_dist=max_dist, steps=steps)
    return functools.partial(explain.smoothgrad, noise=noise, statistic=numbers[0], reduce="sum")


@functools.cache
def path_maps(name, methods):
    """`{method: [H, W]}` of one image, in one program."""
    classifier, image, label = setting(name)
    noise = recipe.stream(f"draws {name}").normal(size=(6, *image.shape[1:])).astype(np.float32)
    made = {method: path_method(name, method, noise) for method in methods}
    compiled = jax.jit(
        lambda classifier, x, y: {method: make(classifier, x, y) for method, make in made.items()},
        compiler_options=QUICK_COMPILE,
    )
    return {method: np.asarray(found)[0] for method, found in compiled(classifier, image, label).items()}


def test_analytic_gradients_are_those_of_the_function():
    """The peer was given these gradients: they must be those that JAX finds."""
    x = recipe.scenes(1, 24)
    for which, name in enumerate(recipe.ANALYTIC):
        got = explain.gradient(analytic(which), x, 0, reduce="none")
        np.testing.assert_allclose(got, recipe.analytic_gradients(x, which), rtol=1e-4, atol=1e-5, err_msg=name)


PAIR = tuple(
    key.partition(":")[2] for key in sorted(stored("paths")) if key.startswith("linear:") and "xrai" not in key
)
# Path methods on a deep network of ReLUs; the default run has the small network of test_parity.
NETWORK = ("ig", "blur_ig", "smoothgrad:square", "smoothgrad:mean")
CASES = [
    *((name, method) for name in recipe.ANALYTIC for method in PAIR),
    *(pytest.param("resnet34", method, marks=pytest.mark.slow) for method in NETWORK),
]


@pytest.mark.parametrize(("name", "method"), CASES)
def test_pair(name, method):
    expected = stored("paths")[f"{name}:{method}"]
    got = path_maps(name, PAIR if name in recipe.ANALYTIC else (method,))[method]
    assert relative(got, expected) < 1e-4
    assert expected.std() > 0.02 * np.abs(expected).max()


def captum_rule(rule):
    return functools.partial(explain.integrated_gradients, rule=rule, steps=12)


def captum_map(rule):
    """Captum's trapezoid weights sum to (n - 1)/n."""
    return stored("paths")[f"captum:ig:{rule}"] * (12 / 11 if rule == "trapezoid" else 1)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["left", "right", "middle", "trapezoid"])
def test_captum_rules(rule):
    classifier, image, label = setting("resnet34")
    run = jax.jit(captum_rule(rule), compiler_options=QUICK_COMPILE)
    assert relative(run(classifier, image, label)[0], captum_map(rule)) < 1e-4


# Both sides in float64: no rounding of ours between the rule and its map. In float32 these three differ on a deep
# network of ReLUs, and only there: a value that is zero but for rounding changes the gradient of a whole path point
# (one of Gauss-Legendre's twelve: 5e-4 of the largest value), and Guided IG moves the pixels in the order of their
# gradients, so that one such change alters all of the path that follows: it differs as a whole.
DOUBLE = ("captum:gauss_legendre", "guided_ig:0.25:0.02:40", "guided_ig:0.5:1.0:25")


@pytest.mark.slow
@pytest.mark.parametrize("method", DOUBLE)
def test_in_double_precision(method):
    classifier, image, label = setting("resnet34")
    captum = method.startswith("captum")
    rule = method.partition(":")[2]
    chosen = captum_rule(rule) if captum else path_method("resnet34", method, None)
    expected = captum_map(rule) if captum else stored("paths")[f"resnet34:{method}"]
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        wide = classifier.with_params(jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), classifier.params))
        # Without the wrapper that makes every image float32.
        plain = functools.partial(chosen.func.__wrapped__, **chosen.keywords)
        run = jax.jit(plain, compiler_options=QUICK_COMPILE)
        got = np.asarray(run(wide, jnp.asarray(image, jnp.float64), jnp.asarray(label)))[0]
    assert relative(got, expected) < 1e-6


def check_regions(got, name, algorithm, bound):
    """The map is constant on a region, so equal maps on the peer's regions and as many values are equal ranks."""
    expected, ranks = (stored("paths")[f"{name}:xrai:{algorithm}{end}"] for end in ("", ":ranks"))
    assert relative(got, expected) < bound
    values = [np.unique(got[ranks == rank]) for rank in range(1, ranks.max() + 1)]
    assert all(len(own) == 1 for own in values)
    covered = np.concatenate(values[:-1] if len(values) > 1 else values)
    assert (np.diff(covered) <= 0).all()  # the last region, of uncovered pixels, has the last rank whatever its mean


XRAI = {"full": explain.xrai, "fast": explain.xrai_fast}


@pytest.mark.parametrize("name", [*recipe.ANALYTIC, pytest.param("resnet34", marks=pytest.mark.slow)])
@pytest.mark.parametrize("algorithm", XRAI)
def test_pair_xrai(name, algorithm):
    classifier, image, label = setting(name)
    got = np.asarray(XRAI[algorithm](classifier, image, label, steps=20))[0]
    # A path point whose ReLUs turn with rounding moves the means of a deep network; the next test has no such rounding.
    check_regions(got, name, algorithm, bound=2e-3 if name == "resnet34" else 1e-4)


@pytest.mark.slow
def test_pair_xrai_in_double_precision():
    classifier, image, label = setting("resnet34")
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        wide = classifier.with_params(jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), classifier.params))
        base = importlib.import_module("xaijax.explain.xrai")._base_attribution.__wrapped__
        run = jax.jit(functools.partial(base, steps=20), compiler_options=QUICK_COMPILE)
        attribution = np.asarray(run(wide, jnp.asarray(image, jnp.float64), jnp.asarray(label)))
    for algorithm, method in XRAI.items():
        got = np.asarray(method(classifier, image, label, attribution=attribution))[0]
        check_regions(got, "resnet34", algorithm, bound=1e-6)


@pytest.mark.parametrize("name", ["resnet34_cam", "vgg16_cam", "paths"])
def test_the_files_say_what_made_them(name):
    made_by = str(stored(name)["made_by"])
    for words in ("python tests/parity/explain_zoo.py", "'grad-cam': '1.5.7'", "'captum': '0.9.0'", "'saliency': '0.2"):
        assert words in made_by
