"""xaijax: compiled metrics for visual explanations, with models and explainers in JAX.

Sub-packages are imported on first use, so that `import xaijax.kernels` costs NumPy alone:

* `xaijax.kernels`: compiled kernels for NumPy arrays, CPU tensors of other libraries, and JAX.
* `xaijax.classifier`: the contract between models and everything else.
* `xaijax.models`, `xaijax.explain`, `xaijax.metrics`, `xaijax.data`: what their names say.
* `xaijax.bundle`: maps made by any library, as files that `xaijax bench --maps` scores.
* `xaijax.report`: the report of a benchmark from scores and arrays that you have.
* `xaijax.training`: the training loop; `xaijax.plot`: figures from arrays.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xaijax.bench.from_scores import report as report

__version__ = "0.2.0"

_SUBMODULES = ("bundle", "classifier", "data", "explain", "kernels", "metrics", "models", "plot", "training")

_FUNCTIONS = {"report": "xaijax.bench.from_scores"}

__all__ = ["__version__", "report", *_SUBMODULES]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"xaijax.{name}")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    raise AttributeError(f"module 'xaijax' has no attribute {name!r}")
