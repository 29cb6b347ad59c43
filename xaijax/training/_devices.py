"""Several devices: every batch is divided among them, the parameters are on all of them.

The step is written for the whole batch; XLA divides it and adds up gradients and batch statistics over the devices, so
that the result is that of one device up to the order of additions.
"""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "batch"


def mesh(devices: int | None, batch: int) -> Mesh | None:
    """The devices to divide batches among, or None for one device.

    Args:
        devices: how many; default: the most that are there and divide `batch`.
        batch: images per step.

    Returns:
        A mesh of one axis, or None.

    Raises:
        ValueError: for more devices than there are, or a number that does not divide `batch`.
    """
    here = jax.local_devices()
    if devices is None:
        devices = max(count for count in range(1, len(here) + 1) if batch % count == 0)
    if devices > len(here):
        raise ValueError(f"devices must be at most {len(here)}, which is how many there are; got {devices}")
    if batch % devices:
        raise ValueError(
            f"a batch of {batch} images cannot be divided evenly among {devices} devices; "
            f"use a batch size that is a multiple of {devices}"
        )
    return Mesh(np.array(here[:devices]), (AXIS,)) if devices > 1 else None


def divided(mesh: Mesh | None, batch: Any) -> Any:
    """A batch, or a pytree of them, divided along its first axis."""
    return batch if mesh is None else jax.device_put(batch, NamedSharding(mesh, PartitionSpec(AXIS)))


def everywhere(mesh: Mesh | None, tree: Any) -> Any:
    """A pytree of arrays, whole on each device; inside a compiled function too."""
    if mesh is None:
        return tree
    sharding = NamedSharding(mesh, PartitionSpec())
    return jax.tree.map(
        lambda leaf: (
            jax.lax.with_sharding_constraint(leaf, sharding)
            if isinstance(leaf, jax.core.Tracer)
            else jax.device_put(leaf, sharding)
        ),
        tree,
    )


def first(mesh: Mesh | None, tree: Any) -> Any:
    """Copies on the first device alone."""
    if mesh is None:
        return jax.tree.map(jax.numpy.array, tree)
    return jax.tree.map(lambda leaf: jax.device_put(np.asarray(leaf), mesh.devices.flat[0]), tree)
