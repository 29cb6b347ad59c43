"""Checkpoints of a training, one for each epoch: what the next epoch depends on, by Orbax.

`checkpoints/EPOCH` holds the parameters, the optimiser's state and the record of the epochs so far. Random numbers are
drawn from the seed and the epoch, so they need no state. Orbax writes a checkpoint under another name and renames it
when it is whole; only the last `keep` are kept.
"""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import jax

from xaijax._errors import InputError

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

        manager = self._opened()
        args = ocp.args.Composite(state=ocp.args.StandardSave(state), record=ocp.args.JsonSave(record))
        manager.save(epoch, args=args, force=True)
        manager.wait_until_finished()

    def latest(self) -> int | None:
        """The last epoch that was written whole, or None."""
        return self._opened().latest_step() if self.folder.is_dir() else None

    def load(self, epoch: int, like: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
        """Read what `save` wrote.

        Args:
            epoch: one that is there.
            like: gives a pytree of the same shapes, on the devices where the arrays are wanted.

        Returns:
            The pytree and the record.

        Raises:
            InputError: for a checkpoint that cannot be read or has other arrays.
        """
        import orbax.checkpoint as ocp

        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), like())
        args = ocp.args.Composite(state=ocp.args.StandardRestore(shapes), record=ocp.args.JsonRestore())
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

            options = ocp.CheckpointManagerOptions(
                max_to_keep=self._keep, enable_async_checkpointing=False, cleanup_tmp_directories=True
            )
            self._manager = ocp.CheckpointManager(self.folder, options=options)
        return self._manager
