"""Perturbation methods: the score of images with parts covered, masked or blurred; the last one needs gradients."""

# isort: skip_file
# The order of the imports is the order of `METHODS`: a new method is one line here.
from xaijax.explain.perturbation._occlusion import occlusion as occlusion
from xaijax.explain.perturbation._rise import rise as rise
from xaijax.explain.perturbation._lime import lime as lime
from xaijax.explain.perturbation._kernel_shap import kernel_shap as kernel_shap
from xaijax.explain.perturbation._sobol import sobol as sobol
from xaijax.explain.perturbation._hsic import hsic as hsic
from xaijax.explain.perturbation._extremal_perturbation import extremal_perturbation as extremal_perturbation

__all__ = [name for name in dir() if not name.startswith("_")]
