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

FOLDER = "checkpoints"


class Checkpoints:
    """The checkpoints of one training; a context manager.

    Args:
        out: the folder of the training.
        keep: how many to keep.
    """

    def __init__(self, out: Path, keep: int = 1) -> None:
        import orbax.checkpoint as ocp  # half a second of imports that only this command needs

        self._ocp = ocp
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep, enable_async_checkpointing=False, cleanup_tmp_directories=True
        )
        self._manager = ocp.CheckpointManager((out / FOLDER).absolute(), options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._manager.close()

    def save(self, epoch: int, state: Any, record: dict[str, Any]) -> None:
        """Write the arrays of any pytree, and JSON values; done when it returns."""
        args = self._ocp.args
        self._manager.save(
            epoch, args=args.Composite(state=args.StandardSave(state), record=args.JsonSave(record)), force=True
        )
        self._manager.wait_until_finished()

    def latest(self) -> int | None:
        """The last epoch that was written whole, or None."""
        return self._manager.latest_step()

    def load(self, epoch: int, like: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
        """Read what `save` wrote.

        Args:
            epoch: one that is there.
            like: gives a pytree of the same shapes, on the devices where the arrays are wanted.

        Returns:
            The pytree and the record.

        Raises:
            ValueError: for a checkpoint that cannot be read or has other arrays.
        """
        args = self._ocp.args
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), like())
        try:
            found = self._manager.restore(
                epoch, args=args.Composite(state=args.StandardRestore(shapes), record=args.JsonRestore())
            )
        except (ValueError, KeyError, OSError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(
                f"the checkpoint of epoch {epoch} in {self._manager.directory} cannot be read ({reason}); "
                "train anew in another folder"
            ) from error
        return found["state"], found["record"]


def exist(out: Path) -> bool:
    """Whether a training left checkpoints in its folder."""
    return (out / FOLDER).is_dir()
