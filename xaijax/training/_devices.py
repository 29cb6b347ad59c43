"""Several devices: every batch is divided among them, the parameters are on all of them.

The step is written for the whole batch; XLA divides it and adds up gradients and batch statistics over the devices, so
that the result is that of one device up to the order of additions. The devices may belong to several processes, on
several hosts, that `jax.distributed` has joined: each then takes its own rows of every batch.
"""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from xaijax.training import _processes as processes

AXIS = "batch"


def mesh(devices: int | None, batch: int) -> Mesh | None:
    """The devices to divide batches among, or None for one device.

    Args:
        devices: how many, of all processes together; default: the most that are there and divide `batch`.
        batch: images per step.

    Returns:
        A mesh of one axis, or None. Every process has as many of its devices, in the order of the processes.

    Raises:
        ValueError: for more devices than there are, a number that does not divide `batch`, or processes that cannot
            have the same number of them.
    """
    found = _by_process()
    many, each = len(found), min(map(len, found))
    if any(len(own) != each for own in found):
        counts = ", ".join(f"{len(own)} (process {number})" for number, own in enumerate(found))
        raise ValueError(f"every process must have the same number of devices; got {counts}")
    if devices is None:
        fitting = [count for count in range(1, each + 1) if batch % (count * many) == 0]
        devices = many * max(fitting, default=1)
    if devices > many * each:
        raise ValueError(f"devices must be at most {many * each}, which is how many there are; got {devices}")
    if devices % many:
        raise ValueError(f"devices must be a multiple of {many}, the number of processes; got {devices}")
    if batch % devices:
        raise ValueError(
            f"a batch of {batch} images cannot be divided evenly among {devices} devices; "
            f"use a batch size that is a multiple of {devices}"
        )
    chosen = [device for own in found for device in own[: devices // many]]
    return Mesh(np.array(chosen), (AXIS,)) if devices > 1 else None


def _by_process() -> list[list[Any]]:
    """The devices of each process, in the order of the processes and of their numbers."""
    if processes.count() == 1:
        return [jax.local_devices()]
    found: list[list[Any]] = [[] for _ in range(processes.count())]
    for device in sorted(jax.devices(), key=lambda one: one.id):
        found[device.process_index].append(device)
    return found


def own_rows(batch: int) -> slice:
    """The rows of a batch that the devices of this process take."""
    size = batch // processes.count()
    return slice(processes.index() * size, (processes.index() + 1) * size)


def divided(mesh: Mesh | None, rows: Any) -> Any:
    """A batch, or a pytree of them, divided along its first axis.

    Args:
        mesh: the devices.
        rows: of the batch those of this process, `own_rows`; all where there is one process.
    """
    if mesh is None:
        return rows
    sharding = NamedSharding(mesh, PartitionSpec(AXIS))
    if processes.count() == 1:
        return jax.device_put(rows, sharding)
    return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(sharding, np.asarray(leaf)), rows)


def everywhere(mesh: Mesh | None, tree: Any) -> Any:
    """A pytree of arrays, whole on each device; inside a compiled function too. Every process must have the same."""
    if mesh is None:
        return tree
    sharding = NamedSharding(mesh, PartitionSpec())

    def placed(leaf: Any) -> Any:
        if isinstance(leaf, jax.core.Tracer):
            return jax.lax.with_sharding_constraint(leaf, sharding)
        if processes.count() == 1:
            return jax.device_put(leaf, sharding)
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
            return leaf  # it is on all devices already
        whole = np.asarray(leaf)
        return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])

    return jax.tree.map(placed, tree)


def first(mesh: Mesh | None, tree: Any) -> Any:
    """Copies on the first device of this process alone."""
    if mesh is None:
        return jax.tree.map(jax.numpy.array, tree)
    return jax.tree.map(lambda leaf: jax.device_put(np.asarray(leaf.addressable_data(0)), mesh.local_devices[0]), tree)
