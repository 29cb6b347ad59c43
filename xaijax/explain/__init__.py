"""Explainers: pure, batched functions over the `Classifier` contract.

Every method is `method(classifier, images, labels, *, options) -> maps`:

* `images` `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range; `labels` `[B]` int, or None for the
  predicted class; `target=` explains something else than the logit of the label.
* maps are `[B, H, W]` float32, raw: signed where the method is signed, at the image's size; `postprocess` is separate.
* one `batch_size` bounds the images (perturbed ones too) in flight, and does not change the result; random methods take
  `key`, and an image's draws depend on the key and its own pixels only.
* compiled once per shape and options; works inside `jit`, `vmap` and `shard_map`. XRAI alone works on the host.

`METHODS` lists them, `explain(name, ...)` calls one by name.
"""

from xaijax.explain import cascade
from xaijax.explain._postprocess import postprocess
from xaijax.explain._registry import METHODS, Method, explain
from xaijax.explain._resize import resize
from xaijax.explain._targets import LogitDifference
from xaijax.explain.attention._rollout import attention_rollout
from xaijax.explain.cams._ablation_cam import ablation_cam
from xaijax.explain.cams._cam import cam
from xaijax.explain.cams._eigen_cam import eigen_cam, eigen_grad_cam
from xaijax.explain.cams._fullgrad import fullgrad, fullgrad_with_gap
from xaijax.explain.cams._grad_cam import grad_cam
from xaijax.explain.cams._grad_cam_pp import grad_cam_pp
from xaijax.explain.cams._hires_cam import hires_cam
from xaijax.explain.cams._layer_cam import layer_cam
from xaijax.explain.cams._score_cam import score_cam
from xaijax.explain.cams._xgrad_cam import xgrad_cam
from xaijax.explain.cascade import Cascade, CascadeRounds, cascade_rounds
from xaijax.explain.controls._controls import center_gaussian, ground_truth, random, sobel
from xaijax.explain.gradients._blur_ig import blur_ig
from xaijax.explain.gradients._expected_gradients import expected_gradients
from xaijax.explain.gradients._gradient import gradient, input_x_gradient
from xaijax.explain.gradients._guided_backprop import guided_backprop
from xaijax.explain.gradients._guided_ig import guided_ig
from xaijax.explain.gradients._integrated_gradients import integrated_gradients, integrated_gradients_with_gap
from xaijax.explain.gradients._smoothgrad import smoothgrad, smoothgrad_ig, smoothgrad_squared, vargrad
from xaijax.explain.perturbation._occlusion import occlusion
from xaijax.explain.perturbation._rise import rise
from xaijax.explain.regions._xrai import xrai, xrai_fast

__all__ = [
    "METHODS",
    "Cascade",
    "CascadeRounds",
    "LogitDifference",
    "Method",
    "ablation_cam",
    "attention_rollout",
    "blur_ig",
    "cam",
    "cascade",
    "cascade_rounds",
    "center_gaussian",
    "eigen_cam",
    "eigen_grad_cam",
    "expected_gradients",
    "explain",
    "fullgrad",
    "fullgrad_with_gap",
    "grad_cam",
    "grad_cam_pp",
    "gradient",
    "ground_truth",
    "guided_backprop",
    "guided_ig",
    "hires_cam",
    "input_x_gradient",
    "integrated_gradients",
    "integrated_gradients_with_gap",
    "layer_cam",
    "occlusion",
    "postprocess",
    "random",
    "resize",
    "rise",
    "score_cam",
    "smoothgrad",
    "smoothgrad_ig",
    "smoothgrad_squared",
    "sobel",
    "vargrad",
    "xgrad_cam",
    "xrai",
    "xrai_fast",
]
