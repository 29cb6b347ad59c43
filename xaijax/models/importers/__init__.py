"""Weights of other libraries as classifiers, from their files or objects; no code from a file runs.

Which architectures they fill is a query on the registry: each architecture names its `Source`s
(`xaijax.models.zoo._weights`), tables of rules for the names of one library.
"""

from xaijax.models.importers.arrays import from_arrays
from xaijax.models.importers.keras_models import from_keras
from xaijax.models.importers.torch_models import from_torch

__all__ = ["from_arrays", "from_keras", "from_torch"]
