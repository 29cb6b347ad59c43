"""Finer-CAM: a class activation map of what sets a class apart from the classes that resemble it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from xaijax._errors import InputError
from xaijax._options import Count, NonNegative
from xaijax.classifier import Classifier
from xaijax.explain._method import BatchSize
from xaijax.explain._registry import explainer
from xaijax.explain.cams import _grad_cam, _grad_cam_pp, _hires_cam, _layer_cam, _maps, _xgrad_cam

Base = Literal["grad_cam", "grad_cam_pp", "xgrad_cam", "layer_cam", "hires_cam"]
_FORMULAS: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "grad_cam": _grad_cam._formula,
    "grad_cam_pp": _grad_cam_pp._paper,
    "xgrad_cam": _xgrad_cam._formula,
    "layer_cam": _layer_cam._formula,
    "hires_cam": _hires_cam._formula,
}


@dataclass(frozen=True)
class FinerScore:
    """`Σ_j p_j (z_c - α z_j)/(Σ_j p_j + 1e-9)` over the classes j whose logits are nearest to that of the label c.

    Args:
        alpha: how much of the others is subtracted.
        references: how many others; those that exist where there are fewer, and `z_c` where there is none.
        detach: whether the weights p, the softmax, count as constants.
    """

    alpha: float
    references: int
    detach: bool

    def __call__(self, columns: jax.Array, labels: jax.Array) -> jax.Array:
        own = jnp.take_along_axis(columns, labels[:, None], axis=1)
        count = min(self.references, columns.shape[1] - 1)
        if count == 0:
            return own[:, 0]
        # The label itself is left out by its index: another class may have the same logit.
        is_own = jnp.arange(columns.shape[1])[None, :] == labels[:, None]
        distance = jnp.where(is_own, jnp.inf, jnp.abs(columns - own))
        nearest = jax.lax.top_k(-jax.lax.stop_gradient(distance), count)[1]
        shares = jax.nn.softmax(columns, axis=1)
        if self.detach:
            shares = jax.lax.stop_gradient(shares)
        shares, others = (jnp.take_along_axis(each, nearest, axis=1) for each in (shares, columns))
        return (shares * (own - self.alpha * others)).sum(1) / (shares.sum(1) + 1e-9)


@explainer(family="cam", cost=1, needs={"layer"}, signed=True)
def finer_cam(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    method: Base = "grad_cam",
    alpha: NonNegative = 1.0,
    references: Count = 3,
    detach: bool = False,
    layer: _maps.Layers = None,
    convention: _maps.Convention = "paper",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Finer-CAM: a class activation map of the difference from the most similar classes.

    `S = base map of Σ_j p_j (z_c - α z_j)/(Σ_j p_j + 1e-9)`, z the logits, p their softmax, j the classes with the
    smallest `|z_j - z_c|`. The gradient flows through p.

    Args:
        classifier: a classifier with layers, of classes that exclude each other.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        method: the base map, `"grad_cam"`, `"grad_cam_pp"`, `"xgrad_cam"`, `"layer_cam"` or `"hires_cam"`.
        alpha: how much of the similar classes is subtracted; 0 is the base map.
        references: how many similar classes; fewer where the model has fewer.
        detach: take p as a constant.
        layer: name of a layer, several to fuse, or None for the classifier's default (the last convolutional block).
            Token layers of vision transformers work as they are.
        convention: `"paper"`, or `"pytorch-grad-cam"` (ReLU and min-max at low resolution, then resize).
        batch_size: most images in one pass.

    Returns:
        `[B, H, W]` float32, signed, unit of the logit per position;
        in [0, 1] with several layers or `convention="pytorch-grad-cam"`.

    Raises:
        InputError: for findings and regressions, which exclude no other.

    Differences:
        The authors' code sorts by `|z_j - z_c|` and takes the first as the class itself, which is another class where
        two logits are equal; here the label stays the label. The paper averages the weights of each pair of classes;
        here, as in the code, the score is averaged. ReLU is left to `postprocess`.

    References:
        Zhang et al., "Finer-CAM: Spotting the Difference Reveals Finer Details for Visual Explanation", CVPR 2025.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[4.0, 0.0], [0.0, 4.0]])
        >>> model = Classifier.from_functions(  # the layer is the image itself
        ...     lambda w, x: x, lambda w, a: a.mean((1, 2)) @ w, weights, input_shape=(1, 2, 2)
        ... )
        >>> image = jnp.array([[[[1.0, 0.0], [0.5, 1.0]]]])  # two pixels, two channels
        >>> finer_cam(model, image, 0).round(3).tolist()  # the second channel is evidence for the other class
        [[[2.0, -1.0]]]
    """
    if classifier.output in ("sigmoid", "regression"):
        raise InputError(
            f"finer_cam compares classes that exclude each other; this model's output is {classifier.output}: "
            f"use {method}"
        )
    return _maps.gradient_cam(
        classifier,
        images,
        labels,
        _FORMULAS[method],
        layer=layer,
        target=FinerScore(alpha, references, detach),
        convention=convention,
        batch_size=batch_size,
    )
