"""Models in JAX: architectures by name, checkpoints without pickle, and the small model that comes with the package.

from xaijax import models
classifier = models.builtin()                       # trained on phantoms, 128x128 grey; models.load("builtin") alike
classifier = models.create("small_cnn", 4, (224, 224, 3), key=0)
models.save(classifier, "run/ckpt"); classifier = models.load("run/ckpt")
classifier = models.load("tuned.keras", classes=["cat", "dog"])   # or .h5, .pth, .safetensors
classifier = models.from_predict(function, input_shape=(224, 224, 3), classes=["cat", "dog"])   # a black box
"""

from xaijax._names import BUILTIN
from xaijax.models._describe import ModelDescription, describe, is_architecture, untrained
from xaijax.models._format import format_of
from xaijax.models._load import BUILTIN_FILE, builtin, is_named, is_unnamed, load
from xaijax.models._notes import Note
from xaijax.models.black_box import from_predict, is_script
from xaijax.models.checkpoint import read_info, save
from xaijax.models.importers import from_arrays, from_keras, from_torch
from xaijax.models.onnx import from_onnx
from xaijax.models.zoo import create, entry, list_models
from xaijax.preprocess import Preprocess

__all__ = [
    "BUILTIN",
    "BUILTIN_FILE",
    "ModelDescription",
    "Note",
    "Preprocess",
    "builtin",
    "create",
    "describe",
    "entry",
    "format_of",
    "from_arrays",
    "from_keras",
    "from_onnx",
    "from_predict",
    "from_torch",
    "is_architecture",
    "is_named",
    "is_script",
    "is_unnamed",
    "list_models",
    "load",
    "read_info",
    "save",
    "untrained",
]
