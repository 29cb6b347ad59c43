"""Perturbation methods: the score of images with parts covered or masked; they need no gradient."""

# isort: skip_file
# The order of the imports is the order of `METHODS`: a new method is one line here.
from xaijax.explain.perturbation._occlusion import occlusion as occlusion
from xaijax.explain.perturbation._rise import rise as rise

__all__ = [name for name in dir() if not name.startswith("_")]
