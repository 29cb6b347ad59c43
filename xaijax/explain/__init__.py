"""Explainers: pure, batched functions over the `Classifier` contract.

Every method is `method(classifier, images, labels, *, options) -> maps`:

* `images` `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range; `labels` `[B]` int, or None for the
  predicted class; `target=` explains another score than the logit of the label.
* maps are `[B, H, W]` float32, raw: signed where the method is signed, at the image's size; `postprocess` is separate.
* one `batch_size` bounds the images (perturbed ones too) in flight, and does not change the result; random methods take
  `key` (a key, or a seed; seed 0 by default), and an image's draws depend on the key and its own pixels only.
* compiled once per shape and options; works inside `jit`, `vmap` and `shard_map`. XRAI works on the host.

`METHODS` lists them, `methods(...)` selects names, `describe(...)` describes them, `explain(name, ...)` calls one.
A new method is one file in the package of its family, and one import line in that package's `__init__`.
"""

# isort: skip_file
# The order of the families is that of `METHODS`.
from xaijax.explain.gradients import *  # noqa: F403
from xaijax.explain.cams import *  # noqa: F403
from xaijax.explain.attention import *  # noqa: F403
from xaijax.explain import cascade as cascade
from xaijax.explain.cascade import Cascade as Cascade, CascadeRounds as CascadeRounds, cascade_rounds as cascade_rounds
from xaijax.explain.perturbation import *  # noqa: F403
from xaijax.explain.regions import *  # noqa: F403
from xaijax.explain.controls import *  # noqa: F403
from xaijax.explain._describe import (
    MethodDescription as MethodDescription,
    OptionDescription as OptionDescription,
    describe as describe,
)
from xaijax.explain._postprocess import postprocess as postprocess
from xaijax.explain._registry import METHODS as METHODS, Method as Method, explain as explain, methods as methods
from xaijax.explain._registry import refusals as refusals
from xaijax.explain._resize import resize as resize
from xaijax.explain._targets import LogitDifference as LogitDifference
from xaijax.explain._completeness import Complete as Complete, completeness as completeness
from xaijax.explain._which_layers import Usable as Usable, usable_layers as usable_layers
from xaijax.explain._uncertainty import Uncertain as Uncertain, uncertainty as uncertainty

_PACKAGES = {"attention", "cams", "controls", "gradients", "perturbation", "regions"}
__all__ = [name for name in dir() if not name.startswith("_") and name not in _PACKAGES]
