"""Models in JAX: architectures by name, checkpoints without pickle, and the small model that comes with the package.

from xaijax import models
classifier = models.builtin()                       # trained on phantoms, 128x128 grey; models.load("builtin") alike
classifier = models.create("small_cnn", 4, (224, 224, 3), key=0)
models.save(classifier, "run/ckpt"); classifier = models.load("run/ckpt")
classifier = models.load("tuned.keras", classes=["cat", "dog"])   # or .h5, .pth, .safetensors
classifier = models.from_predict(function, input_shape=(224, 224, 3), classes=["cat", "dog"])   # a black box
"""

from xaijax.models._describe import ModelDescription, describe
from xaijax.models._load import builtin, load
from xaijax.models._notes import Note
from xaijax.models.black_box import from_predict
from xaijax.models.checkpoint import read_info, save
from xaijax.models.importers import from_arrays, from_keras, from_torch
from xaijax.models.onnx import from_onnx
from xaijax.models.zoo import create, list_models
from xaijax.preprocess import Preprocess

__all__ = [
    "ModelDescription",
    "Note",
    "Preprocess",
    "builtin",
    "create",
    "describe",
    "from_arrays",
    "from_keras",
    "from_onnx",
    "from_predict",
    "from_torch",
    "list_models",
    "load",
    "read_info",
    "save",
]
