"""Architectures as `flax.nnx` modules, one family a file; each file registers its own.

To add one: a file that ends in `register(...)`, and its name in the import below.
"""

from xaijax.models.zoo import (  # noqa: F401  (each registers its architectures)
    densenet,
    efficientnet,
    inception,
    inception_resnet,
    mobilenet,
    resnet,
    small_cnn,
    squeezenet,
    vgg,
    vit,
    xception,
)
from xaijax.models.zoo._create import create
from xaijax.models.zoo._entry import Entry, entry, from_module, list_models, register

__all__ = ["Entry", "create", "entry", "from_module", "list_models", "register"]
