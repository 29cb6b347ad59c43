"""What a training writes down after each epoch to go on from there: arrays as safetensors, the rest as JSON.

The file is written whole and renamed, and holds everything that the next epoch depends on: parameters, the
optimiser's state and the epoch. Random numbers are drawn from the seed and the epoch, so they need no state.
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import safe_open

from xaijax.models import checkpoint

FILE = "state.safetensors"


def save(folder: Path, trees: Any, record: dict[str, Any]) -> None:
    """Write the arrays of any pytree, and JSON values, to the folder's state file."""
    arrays = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(trees)}
    checkpoint.write(folder / FILE, arrays, {"format": checkpoint.FORMAT, "record": record})


def load(folder: Path, like: Any) -> tuple[Any, dict[str, Any]]:
    """Read what `save` wrote into a pytree like `like`.

    Raises:
        ValueError: for arrays that do not fit, all listed.
    """
    file = folder / FILE
    record = checkpoint.read_header(file)["record"]
    leaves, treedef = jax.tree_util.tree_flatten_with_path(like)
    expected = {jax.tree_util.keystr(path): jnp.shape(leaf) for path, leaf in leaves}
    with safe_open(file, framework="numpy") as tensors:
        found = {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
        checkpoint.check_tensors(expected, found, str(file), "this training")
        arrays = [jnp.asarray(tensors.get_tensor(name)) for name in expected]
    return jax.tree.unflatten(treedef, arrays), record
