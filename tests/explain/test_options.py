"""Options are checked by their annotations before any work: values, names, and what stays allowed."""

import math
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import _options, explain
from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.explain import METHODS

SHAPE = (6, 6, 2)
WORDS = ("abc", "", "None", "1")
NUMBERS = (0, -1, -0.5, 1.5, 10**12, math.nan, math.inf, True, 1j)
OTHERS = (None, [], {}, object(), b"1", np.nan, np.bool_(True), [1, "a"])


@pytest.fixture(scope="module")
def untouched():
    """A model that is traced to be made, and must not be from then on."""
    made = []

    def features(params, x):
        assert not made, "the model was traced"
        return x

    model = Classifier.from_functions(features, lambda p, a: a.mean((1, 2)) @ p, jnp.eye(2), input_shape=SHAPE)
    made.append(model)
    return model


def refuses(classifier, name, option, value):
    with pytest.raises(InputError, match=rf"^{name}\.{option}( is |: )[^\n]+$") as caught:
        METHODS[name].function(classifier, np.zeros((1, *SHAPE), np.float32), 0, **{option: value})
    assert not getattr(caught.value, "__notes__", None)  # JAX adds one to what is raised while it traces


@pytest.mark.parametrize("name", METHODS)
def test_values_that_are_not_allowed_are_one_sentence_before_any_work(untouched, name):
    """Every option with values of every kind."""
    for option, kind in METHODS[name].kinds.items():
        refused = 0
        for value in (*WORDS, *NUMBERS, *OTHERS):
            try:
                _options.check(kind, value, option)
            except InputError:
                refuses(untouched, name, option, value)
                refused += 1
        assert refused >= 3 or kind is typing.Any


REFUSED = [
    ("rise", "count", 1.5),
    ("rise", "count", 10**12),
    ("rise", "count", "many"),
    ("rise", "probability", 0),
    ("rise", "key", "abc"),
    ("rise", "key", -1),
    ("integrated_gradients", "steps", 10**12),
    ("integrated_gradients", "rule", "gaus"),
    ("integrated_gradients", "baseline", "blak"),
    ("integrated_gradients", "baseline", math.nan),
    ("integrated_gradients", "baseline", ("black", "blak")),
    ("smoothgrad", "std", -1),
    ("smoothgrad", "std", math.nan),
    ("smoothgrad", "std", math.inf),
    ("smoothgrad", "noise", "abc"),
    ("smoothgrad", "noise", 0.5),
    ("smoothgrad", "draws", True),
    ("smoothgrad", "method", "gaus"),
    ("guided_ig", "fraction", 0),
    ("guided_ig", "max_dist", 1.1),
    ("blur_ig", "max_sigma", 1e9),
    ("occlusion", "window", 2.5),
    ("grad_cam", "layer", 3),
    ("grad_cam", "layer", ("a", 3)),
    ("grad_cam", "convention", "paper "),
    ("grad_cam", "target", 3),
    ("score_cam", "max_channels", 0),
    ("xrai", "dilation", -1),
    ("center_gaussian", "sigma", 0),
    ("cascade", "base", "xyz"),
    ("cascade", "base", ("cam", "cascade")),
    ("cascade", "base", "ground_truth"),
    ("cascade", "threshold", "top_k:0"),
    ("cascade", "theta", -1),
    ("cascade", "options", "layer"),
    ("ground_truth", "masks", "abc"),
]


@pytest.mark.parametrize(("name", "option", "value"), REFUSED)
def test_these_are_among_them(untouched, name, option, value):
    refuses(untouched, name, option, value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("smoothgrad.noise=abc", "smoothgrad.noise=abc; it must be an array (from Python) or none"),
        ("rise.count=1.5", "rise.count=1.5; it must be a whole number from 1 to 1000000"),
        ("IG.steps=5", "unknown method or metric family 'IG'"),
        ("integrated_gradients.steps=1000000000000", "it must be a whole number from 1 to 1000000 or none"),
        ("smoothgrad.std=-1", "smoothgrad.std=-1; it must be a number of at least 0 or an array (from Python)"),
        ("integrated_gradients.rule=gaus", "it must be gauss_legendre, left, right, middle, trapezoid or pair"),
        ("smoothgrad.count=5", "smoothgrad has no option 'count': choose from"),
        ("smoothgrad.method=cam", "smoothgrad.method=cam: unknown base method 'cam': choose from"),
        ("cascade.base=grad_can", "cascade.base=grad_can: unknown base method 'grad_can': did you mean grad_cam"),
        ("cascade.threshold=topk", "cascade.threshold=topk: the threshold must be none, top_k:PERCENT"),
        ("sobel.sigma=1", "sobel has no option 'sigma': it has none"),
    ],
)
def test_texts_of_the_command_line_are_checked_by_the_same_annotations(text, sentence):
    with pytest.raises(InputError) as caught:
        _options.from_texts([text], {name: method.kinds for name, method in METHODS.items()})
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_texts_give_the_values_that_python_takes():
    texts = [
        *("RISE.count=500", "rise.key=7", "Grad-CAM.layer=block2,block3", "integrated_gradients.baseline=black,0.5"),
        *("smoothgrad.method=Guided Backprop", "cascade.base=Grad-CAM,XGrad-CAM,CAM", "cascade.threshold=top_k:20"),
        *("guided_ig.baseline=0.5", "integrated_gradients.steps=none", "gradient.target=probability"),
    ]
    assert _options.from_texts(texts, {name: method.kinds for name, method in METHODS.items()}) == {
        "rise": {"count": 500, "key": 7},
        "grad_cam": {"layer": ("block2", "block3")},
        "integrated_gradients": {"baseline": ("black", 0.5), "steps": None},
        "smoothgrad": {"method": "guided_backprop"},
        "cascade": {"base": ("grad_cam", "xgrad_cam", "cam"), "threshold": "top_k:20"},
        "guided_ig": {"baseline": 0.5},
        "gradient": {"target": "probability"},
    }


@pytest.mark.parametrize("name", METHODS)
def test_defaults_are_allowed_and_have_a_text_that_is_read_again(name):
    method = METHODS[name]
    assert method.kinds.keys() == method.options.keys()
    for option, default in method.options.items():
        assert _options.check(method.kinds[option], default, option) == default
        if default is not None or type(None) in typing.get_args(method.kinds[option]):
            read = _options.read(method.kinds[option], _options.to_text(default))
            assert read in (default, (default,))  # one name of several


@pytest.fixture(scope="module")
def tiny():
    return Classifier.from_functions(
        lambda p, x: jax.nn.relu(x - 0.2), lambda p, a: a.mean((1, 2)) @ p, jnp.eye(2) + 0.5, input_shape=SHAPE
    )


@pytest.fixture(scope="module")
def two():
    return np.random.default_rng(0).random((2, *SHAPE)).astype(np.float32)


def test_numbers_of_numpy_and_whole_numbers_are_what_they_were(tiny, two):
    def same(name, one, other):
        assert np.array_equal(
            METHODS[name].function(tiny, two, 0, **one), METHODS[name].function(tiny, two, 0, **other)
        )

    same("smoothgrad", {"draws": 3, "std": 1}, {"draws": np.int64(3), "std": np.float64(1.0)})
    same("integrated_gradients", {"steps": 3, "baseline": [0, "white"]}, {"steps": 3, "baseline": (0.0, "white")})
    same("grad_cam", {"batch_size": 10**9, "layer": ["features"]}, {"batch_size": np.int32(2)})
    same("guided_ig", {"steps": 3, "fraction": 1, "max_dist": 0}, {"steps": 3, "fraction": 1.0, "max_dist": 0.0})
    same("cascade", {"theta": 1, "decay": 0, "base": ["cam"]}, {"theta": 1.0, "decay": 0.0, "base": "cam"})
    same("center_gaussian", {"sigma": 1}, {"sigma": np.float32(1)})
    same("rise", {"count": 4, "probability": 1}, {"count": 4, "probability": 1.0, "key": 0})


def test_options_that_are_arrays_may_be_traced(tiny, two):
    run = jax.jit(lambda std, key: explain.smoothgrad(tiny, two, 0, draws=3, std=std, key=key))
    expected = explain.smoothgrad(tiny, two, 0, draws=3, std=0.3, key=5)
    np.testing.assert_allclose(run(jnp.float32(0.3), jax.random.key(5)), expected, rtol=1e-5)
    by_baseline = jax.vmap(lambda b: explain.integrated_gradients(tiny, two, 0, steps=3, baseline=b))
    expected = explain.integrated_gradients(tiny, two, 0, steps=3, baseline=0.25)
    made = by_baseline(jnp.full((1, 1, 1, 1, 1), 0.25))[0]
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-6)
    inside = jax.jit(lambda x: explain.rise(tiny, x, 0, count=3))(two)  # without a key: that of seed 0
    np.testing.assert_allclose(inside, explain.rise(tiny, two, 0, count=3, key=jax.random.key(0)), rtol=1e-5)


def test_another_seed_is_not_another_program(two):
    traces = []

    def logits(params, x):
        traces.append(x.shape)
        return x.mean((1, 2)) @ params

    model = Classifier.from_function(logits, jnp.eye(2), input_shape=SHAPE)
    maps = [explain.rise(model, two, 0, count=3, key=seed) for seed in range(3)]
    before = len(traces)
    maps += [explain.rise(model, two, 0, count=3, key=key) for key in (9, jax.random.key(10), None)]
    assert len(traces) == before
    assert np.array_equal(maps[0], maps[-1])
    assert not np.array_equal(maps[0], maps[1])


def test_names_of_methods_are_matched_in_options_too(tiny, two):
    expected = explain.smoothgrad(tiny, two, 0, draws=2, method="input_x_gradient")
    assert np.array_equal(explain.smoothgrad(tiny, two, 0, draws=2, method="Input x Gradient"), expected)
    expected = explain.cascade.cascade(tiny, two, 0, base="grad_cam_pp", rounds=2)
    assert np.array_equal(explain.cascade.cascade(tiny, two, 0, base="Grad-CAM++", rounds=2), expected)
    assert np.array_equal(
        explain.explain("CASCADE", tiny, two, 0, base=("GradCAM++", "grad-cam-pp"), rounds=2), expected
    )


def test_blur_and_noise_that_do_not_fit_are_one_sentence(tiny, two):
    with pytest.raises(InputError, match="too much memory with 100000 steps up to max_sigma=5000; use fewer steps"):
        explain.blur_ig(tiny, two, 0, steps=100_000, max_sigma=5000)
    with pytest.raises(InputError, match=r"noise must be \[draws, 6, 6, 2\]; got \(0, 6, 6, 2\)"):
        explain.smoothgrad(tiny, two, 0, noise=np.zeros((0, *SHAPE), np.float32))
