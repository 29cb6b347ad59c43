"""Checkpoints of a training, one for each epoch: what the next epoch depends on, by Orbax.

`checkpoints/EPOCH` holds the parameters, the optimiser's state and the record of the epochs so far. Random numbers are
drawn from the seed and the epoch, so they need no state. Orbax writes a checkpoint under another name and renames it
when it is whole; only the last `keep` are kept. Of several processes the first one alone writes and reads the folder,
and sends what it read to the others.
"""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np

from xaijax._errors import InputError
from xaijax.training import _processes as processes

FOLDER = "checkpoints"


class Checkpoints:
    """The checkpoints of one training; a context manager. Nothing is written before the first `save`.

    Args:
        out: the folder of the training.
        keep: how many to keep.
    """

    def __init__(self, out: Path, keep: int = 1) -> None:
        self.folder = (out / FOLDER).absolute()
        self._keep = keep
        self._manager: Any = None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._manager is not None:
            self._manager.close()

    def save(self, epoch: int, state: Any, record: dict[str, Any]) -> None:
        """Write the arrays of any pytree, and JSON values; done when it returns."""
        import orbax.checkpoint as ocp

        if processes.count() > 1:
            if not processes.is_first():
                return
            state = jax.tree.map(np.asarray, state)  # Orbax would have all processes write
        manager = self._opened()
        args = ocp.args.Composite(state=ocp.args.StandardSave(state), record=ocp.args.JsonSave(record))
        manager.save(epoch, args=args, force=True)
        manager.wait_until_finished()

    def latest(self) -> int | None:
        """The last epoch that was written whole, or None."""
        return processes.from_first(lambda: self._opened().latest_step() if self.folder.is_dir() else None)

    def load(self, epoch: int, like: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
        """Read what `save` wrote.

        Args:
            epoch: one that is there.
            like: gives a pytree of the same shapes, on the devices where the arrays are wanted.

        Returns:
            The pytree and the record; of several processes NumPy arrays.

        Raises:
            InputError: for a checkpoint that cannot be read or has other arrays.
        """
        if processes.count() == 1:
            return self._read(epoch, _shapes(like()))
        state = like()
        record: dict[str, Any] = {}
        with processes.together():
            if processes.is_first():
                state, record = self._read(epoch, jax.tree.map(np.asarray, state))
        return processes.arrays_of_first(state), processes.from_first(lambda: record)

    def _read(self, epoch: int, like: Any) -> tuple[Any, dict[str, Any]]:
        import orbax.checkpoint as ocp

        args = ocp.args.Composite(state=ocp.args.StandardRestore(like), record=ocp.args.JsonRestore())
        try:
            found = self._opened().restore(epoch, args=args)
        except (ValueError, KeyError, OSError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise InputError(
                f"the checkpoint of epoch {epoch} in {self.folder} cannot be read ({reason}); "
                "start the training again in another folder"
            ) from error
        return found["state"], found["record"]

    def _opened(self) -> Any:
        """Orbax's manager, made when it is first needed: it makes the folder, and clears half-written checkpoints."""
        if self._manager is None:
            import orbax.checkpoint as ocp  # half a second of imports

            alone: dict[str, Any] = {}
            if processes.count() > 1:
                self.folder.mkdir(exist_ok=True)
                first = ocp.options.MultiprocessingOptions(active_processes={0}, barrier_sync_key_prefix="first")
                alone = {"create": False, "multiprocessing_options": first}
            options = ocp.CheckpointManagerOptions(
                max_to_keep=self._keep, enable_async_checkpointing=False, cleanup_tmp_directories=True, **alone
            )
            self._manager = ocp.CheckpointManager(self.folder, options=options)
        return self._manager


def _shapes(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), tree)
