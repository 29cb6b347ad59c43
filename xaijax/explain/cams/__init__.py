"""Class activation maps: activations of a layer, weighted and added up over its channels."""

# isort: skip_file
# The order of the imports is the order of `METHODS`: a new method is one line here.
from xaijax.explain.cams._cam import cam as cam
from xaijax.explain.cams._grad_cam import grad_cam as grad_cam
from xaijax.explain.cams._grad_cam_pp import grad_cam_pp as grad_cam_pp
from xaijax.explain.cams._xgrad_cam import xgrad_cam as xgrad_cam
from xaijax.explain.cams._layer_cam import layer_cam as layer_cam
from xaijax.explain.cams._hires_cam import hires_cam as hires_cam
from xaijax.explain.cams._score_cam import score_cam as score_cam
from xaijax.explain.cams._ablation_cam import ablation_cam as ablation_cam
from xaijax.explain.cams._eigen_cam import eigen_cam as eigen_cam, eigen_grad_cam as eigen_grad_cam
from xaijax.explain.cams._fullgrad import fullgrad as fullgrad
from xaijax.explain.cams._finer_cam import finer_cam as finer_cam
from xaijax.explain.cams._smooth_grad_cam_pp import smooth_grad_cam_pp as smooth_grad_cam_pp
from xaijax.explain.cams._recipro_cam import recipro_cam as recipro_cam
from xaijax.explain.cams._guided_grad_cam import guided_grad_cam as guided_grad_cam
from xaijax.explain.cams._tta import tta as tta

__all__ = [name for name in dir() if not name.startswith("_")]
