"""The one table of methods that the command line, the bench and the profiler share.

Adding a method is one file with its function and one line here.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from xaijax.classifier import Classifier, to_float
from xaijax.explain import _method
from xaijax.explain.attention._rollout import attention_rollout
from xaijax.explain.cams._ablation_cam import ablation_cam
from xaijax.explain.cams._cam import cam
from xaijax.explain.cams._eigen_cam import eigen_cam, eigen_grad_cam
from xaijax.explain.cams._fullgrad import fullgrad
from xaijax.explain.cams._grad_cam import grad_cam
from xaijax.explain.cams._grad_cam_pp import grad_cam_pp
from xaijax.explain.cams._hires_cam import hires_cam
from xaijax.explain.cams._layer_cam import layer_cam
from xaijax.explain.cams._score_cam import score_cam
from xaijax.explain.cams._xgrad_cam import xgrad_cam
from xaijax.explain.cascade import cascade
from xaijax.explain.controls._controls import center_gaussian, ground_truth, random, sobel
from xaijax.explain.gradients._blur_ig import blur_ig
from xaijax.explain.gradients._expected_gradients import expected_gradients
from xaijax.explain.gradients._gradient import gradient, input_x_gradient
from xaijax.explain.gradients._guided_backprop import guided_backprop
from xaijax.explain.gradients._guided_ig import guided_ig
from xaijax.explain.gradients._integrated_gradients import integrated_gradients
from xaijax.explain.gradients._smoothgrad import smoothgrad, smoothgrad_ig, smoothgrad_squared, vargrad
from xaijax.explain.perturbation._occlusion import occlusion
from xaijax.explain.perturbation._rise import rise
from xaijax.explain.regions._xrai import xrai, xrai_fast


@dataclass(frozen=True)
class Method:
    """A method, and what a caller must know to use it.

    Attributes:
        name: the name on the command line, that of the function.
        function: `(classifier, images, labels, *, options) -> maps [B, H, W]`.
        family: `"cam"`, `"gradient"`, `"perturbation"`, `"region"` or `"control"`.
        needs: any of `"layer"` (a classifier with layers), `"head"`, `"biases"`, `"relu"`, `"attention"` (what the
            classifier must give), `"key"`, `"masks"` (options that must be given).
        signed: whether raw maps can be negative with default options, as evidence against the class.
        cost: model passes per image with default options and a 224 x 224 image, in forward passes (a backward pass
            through the whole model counts 2); NaN where it depends on the layer's channels.
        options: keyword options and their defaults.
        summary: one line.

    Example:
        >>> METHODS["grad_cam"].family, METHODS["grad_cam"].cost, METHODS["grad_cam"].postprocess_steps()
        ('cam', 1, 'relu+minmax')
    """

    name: str
    function: Callable[..., Any]
    family: str
    needs: frozenset[str]
    signed: bool
    cost: float
    options: Mapping[str, Any] = field(compare=False)
    summary: str

    def postprocess_steps(self) -> str:
        """The usual steps for `postprocess`: `"abs+minmax"` for signed gradient maps, `"relu+minmax"` for other signed
        maps, where negative is evidence against the class, `"minmax"` for the rest."""
        if not self.signed:
            return "minmax"
        return "abs+minmax" if self.family == "gradient" else "relu+minmax"


def _method_of(function: Callable[..., Any], family: str, cost: float, *needs: str, signed: bool = False) -> Method:
    parameters = inspect.signature(function).parameters.values()
    options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    summary = (function.__doc__ or "").strip().splitlines()[0]
    name = function.__name__
    return Method(name, function, family, frozenset(needs), signed, cost, MappingProxyType(options), summary)


_ALL = (
    _method_of(gradient, "gradient", 3),
    _method_of(input_x_gradient, "gradient", 3, signed=True),
    _method_of(integrated_gradients, "gradient", 151, signed=True),
    _method_of(expected_gradients, "gradient", 151, "key", signed=True),
    _method_of(smoothgrad, "gradient", 76, "key"),
    _method_of(smoothgrad_squared, "gradient", 76, "key"),
    _method_of(vargrad, "gradient", 76, "key"),
    _method_of(smoothgrad_ig, "gradient", 3751, "key", signed=True),
    _method_of(guided_ig, "gradient", 600, signed=True),
    _method_of(blur_ig, "gradient", 301, signed=True),
    _method_of(guided_backprop, "gradient", 3, "relu"),
    _method_of(cam, "cam", 1, "layer", "head", signed=True),
    _method_of(grad_cam, "cam", 1, "layer", signed=True),
    _method_of(grad_cam_pp, "cam", 1, "layer", signed=True),
    _method_of(xgrad_cam, "cam", 1, "layer", signed=True),
    _method_of(layer_cam, "cam", 1, "layer", signed=True),
    _method_of(hires_cam, "cam", 1, "layer", signed=True),
    _method_of(score_cam, "cam", math.nan, "layer", signed=True),
    _method_of(ablation_cam, "cam", math.nan, "layer", signed=True),
    _method_of(eigen_cam, "cam", 1, "layer", signed=True),
    _method_of(eigen_grad_cam, "cam", 1, "layer", signed=True),
    _method_of(fullgrad, "cam", 3, "biases"),
    _method_of(attention_rollout, "cam", 1, "attention"),
    _method_of(cascade, "cam", 3, "layer"),
    _method_of(occlusion, "perturbation", 44101, signed=True),
    _method_of(rise, "perturbation", 4000, "key"),
    _method_of(xrai, "region", 601, signed=True),
    _method_of(xrai_fast, "region", 601, signed=True),
    _method_of(random, "control", 0, "key"),
    _method_of(sobel, "control", 0),
    _method_of(center_gaussian, "control", 0),
    _method_of(ground_truth, "control", 0, "masks"),
)

METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _ALL})


def explain(
    name: str, classifier: Classifier, images: Any, labels: Any = None, *, check: bool = False, **options: Any
) -> jax.Array:
    """Maps of a method by its name.

    `METHODS[name].function(classifier, images, labels, **options)`, and with `check=True` a look at the numbers.

    Args:
        name: one of `METHODS`.
        classifier: a classifier that has what `METHODS[name].needs` says.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        check: run the model once more and look for NaN and infinity in images, logits and maps (waits for the device).
        **options: the method's own; see `METHODS[name].options`.

    Returns:
        `[B, H, W]` float32, raw: signed where the method is signed.

    Raises:
        ValueError: for an unknown name, and with `check=True` for numbers that are not finite, naming the images.
        TypeError: for an option the method does not have.

    Example:
        >>> import jax, numpy as np
        >>> from xaijax.classifier import Classifier
        >>> params = jax.numpy.eye(3)
        >>> model = Classifier.from_function(lambda w, x: x.mean((1, 2)) @ w, params, input_shape=(8, 8, 3))
        >>> explain("gradient", model, np.zeros((2, 8, 8, 3), np.uint8)).shape
        (2, 8, 8)
    """
    if name not in METHODS:
        raise ValueError(f"there is no method {name!r}; the methods are {', '.join(METHODS)}")
    method = METHODS[name]
    if not check:
        return method.function(classifier, images, labels, **options)
    unit = to_float(_method.check_batch(classifier, images, labels)[0])
    _check_finite("images", unit)
    _check_finite("logits", jax.jit(lambda c, x: c.logits(c.params, x))(classifier, unit))
    maps = method.function(classifier, images, labels, **options)
    _check_finite(f"maps of {name}", maps)
    return maps


def _check_finite(what: str, values: Any) -> None:
    values = np.asarray(values)
    bad = np.flatnonzero(~np.isfinite(values.reshape(values.shape[0], -1)).all(1))
    if bad.size:
        named = ", ".join(map(str, bad[:10])) + (" ..." if bad.size > 10 else "")
        raise ValueError(
            f"{what} must be finite; NaN or infinity for image {named} of the batch ({bad.size} of {values.shape[0]})"
        )
