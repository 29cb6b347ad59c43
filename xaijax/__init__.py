"""xaijax: compiled metrics for visual explanations, with models and explainers in JAX.

Sub-packages are imported on first use, so that `import xaijax.kernels` costs NumPy alone:

* `xaijax.kernels`: compiled kernels for NumPy arrays, CPU tensors of other libraries, and JAX.
* `xaijax.classifier`: the contract between models and everything else.
* `xaijax.models`, `xaijax.explain`, `xaijax.metrics`, `xaijax.data`: what their names say.
* `xaijax.bundle`: maps made by any library, as files that `xaijax bench --maps` scores.
* `xaijax.training`: the training loop; `xaijax.plot`: figures from arrays.
"""

import importlib
from types import ModuleType

__version__ = "0.1.0"

_SUBMODULES = ("bundle", "classifier", "data", "explain", "kernels", "metrics", "models", "plot", "training")

__all__ = ["__version__", *_SUBMODULES]


def __getattr__(name: str) -> ModuleType:
    if name in _SUBMODULES:
        return importlib.import_module(f"xaijax.{name}")
    raise AttributeError(f"module 'xaijax' has no attribute {name!r}")
