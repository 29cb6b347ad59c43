"""Arrays in HDF5 files, with the face of `xaijax.data._arrays.Archive`. Needs `xaijax[medical]`.

The arrays are the data sets at the top of a file, or of the pairs of files that PatchCamelyon (PCam) publishes:
`camelyonpatch_level_2_split_train_x.h5` and `..._y.h5`. Rows are read when they are used. Links to other files, data
that lie in other files and Python objects other than text are refused.
"""

import re
import threading
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError

SUFFIXES = (".h5", ".hdf5")
_PCAM = re.compile(r"camelyonpatch_level_2_split_(?P<side>train|valid|test)_(?P<kind>[xy])\.h5")


def pcam_files(folder: Path) -> dict[str, Path]:
    """Files of PCam in a folder, by the names of their arrays: `train_x`, `train_y` ..."""
    forms = ((_PCAM.fullmatch(path.name), path) for path in sorted(folder.iterdir()))
    return {f"{form['side']}_{form['kind']}": path for form, path in forms if form and path.is_file()}


class Hdf5:
    """The arrays of a file, or of a folder of PCam.

    Raises:
        InputError: for a file that is not HDF5 or is damaged, or where h5py is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import h5py
        except ImportError:
            raise InputError("HDF5 files need h5py: pip install 'xaijax[medical]'") from None
        self.path = path
        self._lock = threading.Lock()
        self._h5py: Any = h5py
        self._text: dict[str, np.ndarray] = {}
        self._sets: dict[str, Any] = {}
        self.headers: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        if path.is_dir():
            for name, file in pcam_files(path).items():
                self._list(file, {name[-1]: name})
        else:
            self._list(path, None)

    def _list(self, path: Path, names: dict[str, str] | None) -> None:
        """Takes the data sets of a file, all or those that are named, under their new names."""
        try:
            file = self._h5py.File(path, "r")
            for name in file:
                if not isinstance(file.get(name, getlink=True), self._h5py.HardLink):
                    continue
                one = file[name]
                if isinstance(one, self._h5py.Dataset) and (names is None or name in names):
                    self._take(names[name] if names else name, one)
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            words = " ".join(str(error).split())
            raise InputError(f"{path} is not an HDF5 file, or it is damaged ({words}); write it again") from None

    def _take(self, name: str, one: Any) -> None:
        if one.is_virtual or one.external:
            raise InputError(f"{self.path}: array {name} lies in other files; write its values into this one")
        dtype = one.dtype
        if self._h5py.check_string_dtype(dtype) is not None:
            dtype = np.dtype("U1")
        elif dtype.hasobject or dtype.fields:
            return  # no array of numbers; it is not among the images and labels
        shape = tuple(int(side) for side in one.shape or ())
        # PCam stores its labels as [N, 1, 1, 1].
        while len(shape) > 2 and shape[-1] == 1 and name.endswith(("_y", "labels", "label")):
            shape = shape[:-1]
        self.headers[name] = shape, dtype
        self._sets[name] = one

    def array(self, name: str) -> Any:
        """An array: rows are read from the file where they are taken.

        Raises:
            OSError, ValueError: with the reason, for damaged bytes.
        """
        one = self._sets[name]
        shape, dtype = self.headers[name]
        if dtype.kind == "U":
            with self._lock:
                if name not in self._text:
                    self._text[name] = np.array(one.asstr()[...], dtype=str)
                return self._text[name]
        return one if one.shape == shape else np.asarray(one[...]).reshape(shape)
