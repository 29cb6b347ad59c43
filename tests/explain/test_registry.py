"""The registry is the package: every method is in it, and every method keeps the one signature."""

import dataclasses
import inspect
import json
import subprocess
import sys

import jax
import numpy as np
import pytest

from xaijax import explain
from xaijax._errors import InputError
from xaijax._options import Share
from xaijax.classifier import Classifier
from xaijax.explain import METHODS, _registry

FAMILIES = {"cam", "gradient", "perturbation", "region", "control"}
NEEDS = {"layer", "head", "biases", "relu", "attention", "key", "masks", "rescale", "gradient"}


@pytest.mark.parametrize("name", METHODS)
def test_one_signature(name):
    method = METHODS[name]
    public = getattr(explain, name)
    assert method.function is (public.cascade if name == "cascade" else public)  # `explain.cascade` is a package
    parameters = list(inspect.signature(method.function).parameters.values())
    assert [p.name for p in parameters[:3]] == ["classifier", "images", "labels"]
    assert parameters[2].default is None
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[3:])
    assert all(p.default is not p.empty for p in parameters[3:])
    assert set(method.options) == {p.name for p in parameters[3:]}
    assert method.family in FAMILIES
    assert method.needs <= NEEDS
    assert ("key" in method.options) == ("key" in method.needs)
    assert method.postprocess_steps() in ("relu+minmax", "abs+minmax", "minmax")


@pytest.mark.parametrize("name", METHODS)
def test_docstrings_have_formula_shapes_and_every_option(name):
    doc = inspect.getdoc(METHODS[name].function)
    assert METHODS[name].summary.endswith(".")
    assert "`S" in doc
    for section in ("Args:", "Returns:"):
        assert section in doc
    for option in ("classifier", "images", "labels", *METHODS[name].options):
        assert f"    {option}: " in doc, option
    assert "`[B, H, W]` float32" in doc
    if METHODS[name].family not in ("control",):
        assert "References:" in doc


@pytest.mark.parametrize("name", METHODS)
def test_maps_are_float32_of_the_images_size_and_signed_as_said(name, cases):
    maps = cases(name).maps
    assert maps.shape == (3, 16, 16)
    assert maps.dtype == np.float32
    assert np.isfinite(maps).all()
    if not METHODS[name].signed:
        assert maps.min() >= 0
    assert maps.std() > 0


def test_unknown_method_and_option(model, images):
    with pytest.raises(InputError, match=r"^unknown method 'gradcan': did you mean grad_cam "):
        explain.explain("gradcan", model, images)
    with pytest.raises(InputError, match=r"^grad_cam has no option 'steps': choose from batch_size, convention, layer"):
        explain.explain("grad_cam", model, images, steps=3)
    with pytest.raises(InputError, match=r"^smoothgrad has no option 'count': "):
        explain.explain("smoothgrad", model, images, count=3)


def test_check_names_the_images():
    broken = Classifier.from_function(
        lambda p, x: jax.numpy.log(x.mean((1, 2)) - 0.25) @ p, jax.numpy.eye(3), input_shape=(4, 4, 3)
    )
    images = np.full((4, 4, 4, 3), 0.5, np.float32)
    explain.explain("gradient", broken, images, check=True)
    images[[1, 3]] = 0
    with pytest.raises(ValueError, match="NaN or infinity for image 1, 3 of the batch"):
        explain.explain("gradient", broken, images, check=True)
    images[0, 0, 0, 0] = np.inf
    with pytest.raises(ValueError, match="images must be finite; NaN or infinity for image 0"):
        explain.explain("gradient", broken, images, check=True)
    explain.explain("gradient", broken, images)  # not asked: no look, no wait


NAMES = (
    *("gradient", "input_x_gradient", "integrated_gradients", "expected_gradients", "smoothgrad", "smoothgrad_squared"),
    *("vargrad", "smoothgrad_ig", "guided_ig", "blur_ig", "smooth_blur_ig", "smooth_guided_ig", "guided_backprop"),
    "deeplift",
    *("cam", "grad_cam", "grad_cam_pp", "xgrad_cam", "layer_cam", "hires_cam", "score_cam", "ablation_cam"),
    *("eigen_cam", "eigen_grad_cam", "fullgrad", "finer_cam", "smooth_grad_cam_pp", "recipro_cam", "guided_grad_cam"),
    *("tta", "attention_rollout", "gradient_rollout", "generic_attention", "legrad", "cascade", "occlusion", "rise"),
    *("lime", "kernel_shap", "sobol", "hsic", "extremal_perturbation", "xrai", "xrai_fast", "random", "sobel"),
    *("center_gaussian", "ground_truth"),
)


def test_the_methods_and_their_order():
    """The order of listings, reports and tables, whatever is imported first."""
    assert tuple(METHODS) == NAMES
    code = "import xaijax.explain.regions._xrai; from xaijax.explain import METHODS; print(*METHODS)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert tuple(done.stdout.split()) == NAMES


def test_what_the_package_exports():
    others = {
        "METHODS",
        "Method",
        "LogitDifference",
        "Cascade",
        "CascadeRounds",
        "cascade_rounds",
        "describe",
        "MethodDescription",
        "OptionDescription",
        "explain",
    }
    others |= {
        "methods",
        "postprocess",
        "resize",
        "refusals",
        "uncertainty",
        "Uncertain",
        "completeness",
        "usable_layers",
        "Usable",
        "Complete",
    }
    assert set(explain.__all__) == {*NAMES, *others}
    assert explain.__all__ == sorted(explain.__all__)
    assert explain.cascade.thresholds.parse("top_k:5") == ("top_k", 5.0)


def test_a_method_is_one_decorated_function(monkeypatch, model, images):
    """Nothing but the function is written: the table, its options, its maps and the listing follow."""
    monkeypatch.setattr(_registry, "_METHODS", {})
    before = tuple(METHODS)

    def brightness(
        classifier: Classifier, images: jax.Array, labels: jax.Array | None = None, *, power: Share = 1.0
    ) -> jax.Array:
        """The image itself."""
        return images.mean(-1) ** power

    made = _registry.explainer(family="control", cost=0, signed=True)(brightness)
    (entry,) = _registry._METHODS.values()
    assert (entry.name, entry.function, entry.summary) == ("brightness", made, "The image itself.")
    assert (entry.family, entry.cost, entry.needs, entry.signed, entry.host) == ("control", 0, set(), True, False)
    assert (dict(entry.options), dict(entry.kinds)) == ({"power": 1.0}, {"power": Share})
    np.testing.assert_allclose(entry.maps(model, images, None, power=0.5), images.mean(-1) ** 0.5, rtol=1e-5)
    with pytest.raises(InputError, match=r"^brightness\.power is 2; it must be a number from 0 to 1$"):
        made(model, images, power=2)
    with pytest.raises(ValueError, match="there is a method 'brightness' already, in "):
        _registry.explainer(family="cam", cost=1)(brightness)
    assert tuple(METHODS) == before


def test_methods_are_chosen_by_their_metadata():
    assert explain.methods() == NAMES
    assert explain.methods(needs="masks") == ("ground_truth",)
    assert explain.methods(without="masks") == NAMES[:-1]
    assert explain.methods(family="control", without="masks") == ("random", "sobel", "center_gaussian")
    assert set(explain.methods(needs="key")) == {name for name in NAMES if "key" in METHODS[name].options}
    assert {name for name, method in METHODS.items() if method.host} == {"xrai", "xrai_fast"}
    assert explain.methods(family="region") == ("xrai", "xrai_fast")
    assert explain.methods(family="none") == ()


@pytest.mark.parametrize(
    "name", ["gradient", "integrated_gradients", "rise", "grad_cam", "xrai", "random", "score_cam"]
)
def test_maps_of_a_run_are_those_of_the_function(name, cases):
    """One call for the batch where one pass makes the maps, else one for each image; the key is that of the seed."""
    case = cases(name)
    method = METHODS[name]
    options = {option: value for option, value in case.options.items() if option != "key"}
    made = method.maps(case.classifier, case.images, case.labels, seed=1, batch_size=8, **options)
    assert made.dtype == np.float32
    assert isinstance(made, np.ndarray)
    np.testing.assert_allclose(made, case.maps, atol=2e-4 * np.abs(case.maps).max())
    assert method.single_pass == (name in ("gradient", "grad_cam", "random"))
    if "key" in method.options:
        other = method.maps(case.classifier, case.images, case.labels, seed=2, **options)
        assert not np.allclose(other, made)
        same = method.maps(case.classifier, case.images, case.labels, seed=2, **options, key=jax.random.key(1))
        np.testing.assert_allclose(same, made, atol=1e-5 * np.abs(made).max())


def test_a_method_says_which_classifiers_it_can_explain(model):
    plain = Classifier.from_function(lambda p, x: x.mean((1, 2)) @ p, jax.numpy.eye(3), input_shape=(8, 8, 3))
    allowed = {name for name in NAMES if METHODS[name].allowed_by(plain)}
    assert allowed == {name for name in NAMES if not METHODS[name].needs - {"key", "rescale", "gradient"}}
    for name in set(NAMES) - allowed:
        reason = METHODS[name].refusal(plain)
        assert reason
        assert "\n" not in reason
    assert "plain function" in METHODS["grad_cam"].refusal(plain)
    refused = {name for name in NAMES if not METHODS[name].allowed_by(model)}
    assert refused == {*explain.methods(needs="attention"), "ground_truth"}


@pytest.mark.parametrize("name", METHODS)
def test_a_description_says_everything(name):
    (about,) = explain.describe(name.upper().replace("_", "-"))
    assert about.name == name
    assert about.formula.startswith("`S")
    assert all((about.family, about.summary, about.postprocess, about.differences, about.reference))
    assert [option.name for option in about.options] == list(METHODS[name].options)
    assert all(option.default and option.allowed and option.summary for option in about.options)
    assert json.loads(json.dumps(dataclasses.asdict(about)))["cost"] == about.cost


def test_descriptions_of_all_of_a_family_and_of_none():
    assert [about.name for about in explain.describe()] == list(NAMES)
    assert [about.name for about in explain.describe("Region")] == ["xrai", "xrai_fast"]
    assert [about.name for about in explain.describe("gradient")] == ["gradient"]  # the method, not its family
    with pytest.raises(InputError, match="unknown method 'sobbel': did you mean sobel"):
        explain.describe("sobbel")
