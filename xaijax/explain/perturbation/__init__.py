"""Perturbation methods: the score of images with parts covered or masked; they need no gradient."""

# isort: skip_file
# The order of the imports is the order of `METHODS`: a new method is one line here.
from xaijax.explain.perturbation._occlusion import occlusion as occlusion
from xaijax.explain.perturbation._rise import rise as rise
from xaijax.explain.perturbation._lime import lime as lime
from xaijax.explain.perturbation._kernel_shap import kernel_shap as kernel_shap
from xaijax.explain.perturbation._sobol import sobol as sobol
from xaijax.explain.perturbation._hsic import hsic as hsic

__all__ = [name for name in dir() if not name.startswith("_")]
