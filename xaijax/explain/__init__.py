"""Explainers: pure, batched functions over the `Classifier` contract.

Every method is `method(classifier, images, labels, *, options) -> maps`:

* `images` `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range; `labels` `[B]` int, or None for the
  predicted class; `target=` explains something else than the logit of the label.
* maps are `[B, H, W]` float32, raw: signed where the method is signed, at the image's size; `postprocess` is separate.
* one `batch_size` bounds the images (perturbed ones too) in flight, and does not change the result; random methods take
  `key`, and an image's draws depend on the key and its own pixels only.
* compiled once per shape and options; works inside `jit`, `vmap` and `shard_map`. XRAI alone segments on the host.

`METHODS` lists them, `explain(name, ...)` calls one by name.
"""

from xaijax.explain.controls import center_gaussian, ground_truth, random, sobel
from xaijax.explain.grad_cam import grad_cam
from xaijax.explain.grad_cam_pp import grad_cam_pp
from xaijax.explain.gradient import gradient, input_x_gradient
from xaijax.explain.hires_cam import hires_cam
from xaijax.explain.integrated_gradients import integrated_gradients, integrated_gradients_with_gap
from xaijax.explain.layer_cam import layer_cam
from xaijax.explain.postprocess import postprocess
from xaijax.explain.registry import METHODS, Method, explain
from xaijax.explain.resize import resize
from xaijax.explain.targets import LogitDifference
from xaijax.explain.xgrad_cam import xgrad_cam

__all__ = [
    "METHODS",
    "LogitDifference",
    "Method",
    "center_gaussian",
    "explain",
    "grad_cam",
    "grad_cam_pp",
    "gradient",
    "ground_truth",
    "hires_cam",
    "input_x_gradient",
    "integrated_gradients",
    "integrated_gradients_with_gap",
    "layer_cam",
    "postprocess",
    "random",
    "resize",
    "sobel",
    "xgrad_cam",
]
