"""A trained cascade in one file: K parameter sets stacked, and what explains with them in the header. Never pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._network.trees import flatten
from xaijax.classifier import Classifier, UnsupportedError
from xaijax.explain.cascade import Cascade
from xaijax.explain.cascade._steps import base_names, check_settings
from xaijax.models import checkpoint

FILE = "cascade.safetensors"
SETTINGS = ("base", "scale", "threshold", "theta", "decay", "seed")


def stack(classifiers: list[Classifier], **settings: Any) -> Cascade:
    """A cascade from the classifiers of its rounds, all of one architecture."""
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(each.params for each in classifiers))
    return Cascade(classifiers[0], params, **settings)


def save(cascade: Cascade, path: str | Path, *, info: Mapping[str, Any] | None = None) -> Path:
    """Write a cascade to a file, whole or not at all.

    Args:
        cascade: of classifiers that `xaijax.models` made.
        path: a file ending in `.safetensors`, or a folder, in which `cascade.safetensors` is written.
        info: JSON values to keep with it.

    Returns:
        The file's path.

    Raises:
        UnsupportedError: for classifiers from elsewhere, whose architecture cannot be named.
    """
    if cascade.classifier.architecture is None:
        raise UnsupportedError("only cascades of classifiers made by xaijax.models can be saved")
    own = {name: getattr(cascade, name) for name in SETTINGS} | {"rounds": cascade.rounds}
    header = {"format": checkpoint.FORMAT} | checkpoint.describe(cascade.classifier)
    header |= {"cascade": json.loads(json.dumps(own)), "info": dict(info or {})}
    tensors = {".".join(key): np.asarray(leaf, np.float32) for key, leaf in flatten(cascade.params)}
    path = Path(path)
    return checkpoint.write(path if path.suffix == ".safetensors" else path / FILE, tensors, header)


def load(path: str | Path) -> Cascade:
    """Read a cascade that `save` or `xaijax cascade` wrote.

    Args:
        path: the file, or the folder that holds `cascade.safetensors`.

    Returns:
        The cascade.

    Raises:
        FileNotFoundError: where there is none.
        ValueError: for a file that holds no cascade, or whose arrays are not those of its architecture.
    """
    file = Path(path).expanduser()
    file = file / FILE if file.is_dir() else file
    if not file.is_file():
        raise FileNotFoundError(f"there is no cascade {file}; give the folder that xaijax cascade wrote")
    header = checkpoint.read_header(file)
    checkpoint.check_whole(file)
    own = header.get("cascade")
    if own is None:
        raise ValueError(f"{file} holds one classifier and no cascade; load it with xaijax.models.load")
    classifier, params = checkpoint.rebuild(file, header, stacked=own["rounds"])
    settings = {name: own[name] for name in SETTINGS} | {"base": base_names(own["base"], own["rounds"])}
    check_settings(own["rounds"], own["threshold"], own["theta"], own["decay"], own["scale"])
    return Cascade(classifier, params, **settings)
