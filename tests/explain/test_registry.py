"""The registry is the package: every method is in it, and every method keeps the one signature."""

import inspect

import jax
import numpy as np
import pytest

from xaijax import explain
from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.explain import METHODS

FAMILIES = {"cam", "gradient", "perturbation", "region", "control"}
NEEDS = {"layer", "head", "biases", "relu", "attention", "key", "masks"}


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
        lambda p, x: jax.numpy.log(x.mean((1, 2))) @ p, jax.numpy.eye(3), input_shape=(4, 4, 3)
    )
    images = np.full((4, 4, 4, 3), 0.5, np.float32)
    explain.explain("gradient", broken, images, check=True)
    images[[1, 3]] = -1
    with pytest.raises(ValueError, match="NaN or infinity for image 1, 3 of the batch"):
        explain.explain("gradient", broken, images, check=True)
    images[0, 0, 0, 0] = np.inf
    with pytest.raises(ValueError, match="images must be finite; NaN or infinity for image 0"):
        explain.explain("gradient", broken, images, check=True)
    explain.explain("gradient", broken, images)  # not asked: no look, no wait
