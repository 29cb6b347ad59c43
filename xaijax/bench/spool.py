"""Numbers that are collected by key: in memory, or in files of the run folder once they are many."""

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax._files import TEMPORARY

KEPT = 64 << 20
"""Bytes of values in memory, from which on they are kept in files."""


class Spool:
    """Blocks of numbers by key, one after the other; in memory, or in files once they are many.

    Args:
        folder: where files may be made; None: all stays in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._made: Path | None = None
        self._blocks: dict[Any, list[NDArray[Any]]] = {}
        self._filed: set[Any] = set()  # keys that have a file
        self._kept = 0
        self.models = 0

    def add(self, key: Any, block: NDArray[Any]) -> None:
        self._blocks.setdefault(key, []).append(block.reshape(-1))
        self._kept += block.nbytes
        if self._kept > KEPT and self._folder is not None:
            self._flush()

    def read(self, key: Any, kind: Any) -> NDArray[Any]:
        """All numbers of a key."""
        blocks = self._blocks.get(key, [])
        if key in self._filed:
            blocks = [np.fromfile(self._file(key), kind), *blocks]
        return np.concatenate(blocks) if blocks else np.zeros(0, kind)

    def _flush(self) -> None:
        if self._made is None:
            # A killed process leaves it behind; a run that is resumed removes what begins like this.
            self._made = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=self._folder))
            weakref.finalize(self, shutil.rmtree, self._made, ignore_errors=True)
        for key, blocks in self._blocks.items():
            with self._file(key).open("ab") as file:
                for block in blocks:
                    block.tofile(file)
            self._filed.add(key)
        self._blocks.clear()
        self._kept = 0

    def _file(self, key: Any) -> Path:
        assert self._made is not None
        return self._made / "-".join(map(str, key))
