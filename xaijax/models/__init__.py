"""Models in JAX: architectures by name, checkpoints without pickle, and the small model that comes with the package.

from xaijax import models
classifier = models.builtin()                       # trained on phantoms, 128x128 grey
classifier = models.create("small_cnn", 4, (224, 224, 3), key=0)
models.save(classifier, "run/ckpt"); classifier = models.load("run/ckpt")
classifier = models.load("tuned.keras", classes=["cat", "dog"])   # or .h5, .pth, .safetensors
"""

from pathlib import Path

from xaijax.classifier import Classifier
from xaijax.models.checkpoint import read_info, save
from xaijax.models.importers.keras_weights import from_keras
from xaijax.models.importers.torch_weights import from_torch
from xaijax.models.opening import load
from xaijax.models.zoo.registry import create, entry, list_models
from xaijax.preprocess import Preprocess

__all__ = [
    "BUILTIN",
    "Preprocess",
    "builtin",
    "create",
    "entry",
    "from_keras",
    "from_torch",
    "list_models",
    "load",
    "read_info",
    "save",
]

BUILTIN = Path(__file__).parent / "weights" / "small_cnn_phantoms.safetensors"


def builtin() -> Classifier:
    """The small CNN trained on the brain MRI phantoms; `weights/README.md` has the command that made it.

    Returns:
        A classifier of 128x128 grey images: glioma, meningioma, pituitary.

    Raises:
        FileNotFoundError: where the package was installed without its weights.
    """
    return load(BUILTIN)
