"""Controls: maps that know nothing about the model. A method that does not beat them explains nothing."""

# isort: skip_file
# The order of the imports is the order of `METHODS`: a new method is one line here.
from xaijax.explain.controls._controls import (
    center_gaussian as center_gaussian,
    ground_truth as ground_truth,
    random as random,
    sobel as sobel,
)

__all__ = [name for name in dir() if not name.startswith("_")]
