"""The configuration and the weights of a Keras model: in a file, or of a live model."""

import contextlib
import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax.models._files import reading, reason
from xaijax.models.importers.keras_graph.model import Config, parse
from xaijax.models.importers.keras_graph.weights import Named, Numbered, Place

EXPECTED = "a readable Keras file"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[Config, Place] | None]:
    """The configuration and weights of a `.keras` or `.h5` file; None where it has weights alone."""
    with contextlib.ExitStack() as stack:
        with reading(path.name, EXPECTED):
            found = _read(path, stack)
        yield found


def _read(path: Path, stack: contextlib.ExitStack) -> tuple[Config, Place] | None:
    import h5py

    if path.suffix.lower() == ".keras":
        with zipfile.ZipFile(path) as archive:
            config = parse(archive.read("config.json"))
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            weights = archive.extract("model.weights.h5", folder)  # HDF5 jumps to and fro, which is slow in an archive
        return config, Numbered(stack.enter_context(h5py.File(weights, "r")), path.name)
    file = stack.enter_context(h5py.File(path, "r"))
    if "model_config" not in file.attrs:
        return None
    return parse(file.attrs["model_config"]), Named(file["model_weights"])


@contextlib.contextmanager
def of_model(model: Any) -> Iterator[tuple[Config, Place]]:
    """The same of a live model, through the files that Keras writes of it."""
    import h5py

    try:
        config = json.loads(model.to_json())
    except Exception as error:  # of any class: a layer's own get_config
        raise InputError(
            f"the model {model.name} cannot be described as JSON ({reason(error)}); use it as a black box with "
            "models.from_predict"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder) / "model.weights.h5")
        model.save_weights(weights)
        with h5py.File(weights, "r") as file:
            yield config, Numbered(file, f"the model {model.name}")
