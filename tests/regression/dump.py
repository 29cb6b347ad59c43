"""Writes one table of results, in the environment that is to be looked at: `python dump.py TABLE FOLDER [--quick]`.

A table is a set of named results of three kinds: arrays (compared bit by bit), texts (compared as they are) and notes
(wording that may change: differences are listed, and count only where asked for). The folder gets `arrays.npz`,
`texts.json`, `notes.json`, and `failures.json` with what the dump could not do; `done` is written last.

Every part runs in a fresh scratch folder as its working directory, so that all paths in results are relative.
"""

import argparse
import contextlib
import importlib
import json
import os
import shutil
import sys
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

MODULES = (
    *("dump_kernels", "dump_readers", "dump_methods", "dump_metrics", "dump_models"),
    *("dump_training", "dump_cascade", "dump_bench", "dump_errors"),
)
TABLES_OF = "TABLES"  # each module: {name of a table: function that fills a Dump}
ARRAYS, TEXTS, NOTES, FAILURES, DONE = "arrays.npz", "texts.json", "notes.json", "failures.json", "done"


class Dump:
    """Collects the results of one table.

    Args:
        scratch: folder for files that the dump writes; the working directory while it runs.
        quick: whether to keep to the smallest sizes.
        source: the sources that the installed package was built of, where they are there.
    """

    def __init__(self, scratch: Path, *, quick: bool = False, source: Path | None = None) -> None:
        self.scratch = scratch
        self.quick = quick
        self.source = source
        self.arrays: dict[str, np.ndarray] = {}
        self.texts: dict[str, str] = {}
        self.notes: dict[str, str] = {}
        self.failures: dict[str, str] = {}

    def array(self, name: str, value: Any) -> None:
        """Keeps an array of numbers or booleans."""
        found = np.asarray(value)
        if found.dtype.hasobject or found.dtype.kind in "US":
            raise TypeError(f"{name} is no array of numbers but of {found.dtype}")
        self._new(name)
        self.arrays[name] = found

    def text(self, name: str, value: Any) -> None:
        """Keeps a text that must not change; what is no text is kept as JSON."""
        self._new(name)
        self.texts[name] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)

    def note(self, name: str, value: str) -> None:
        """Keeps a text whose wording may change."""
        self.notes[name] = " ".join(value.split())

    def tree(self, name: str, value: Any) -> None:
        """Keeps what is in dictionaries, named tuples, tuples and lists, down to arrays, numbers and texts."""
        if hasattr(value, "_asdict"):
            value = value._asdict()
        if isinstance(value, Mapping):
            for key, inner in value.items():
                self.tree(f"{name}/{key}", inner)
            self.text(f"{name}/keys", list(map(str, value)))
        elif isinstance(value, list | tuple):
            for number, inner in enumerate(value):
                self.tree(f"{name}/{number}", inner)
        elif value is None or isinstance(value, str):
            self.text(name, value)
        else:
            self.array(name, value)

    @contextlib.contextmanager
    def piece(
        self, name: str, *, refusal: type[BaseException] | tuple[type[BaseException], ...] = ()
    ) -> Iterator[None]:
        """One piece of the table: an error in it is a failure of this piece alone.

        Args:
            name: of the piece.
            refusal: errors that are an answer: their type, or the built-in one from which it is made, is kept as a
                text, their sentence as a note.
        """
        try:
            yield
        except refusal as error:
            kind = next(one for one in type(error).__mro__ if one.__module__ == "builtins")
            self.text(f"{name}/refused", kind.__name__)
            self.note(f"{name}/refused", str(error))
        except Exception as error:
            self.fail(name, error)

    def fail(self, name: str, error: Exception) -> None:
        """Notes that a piece failed; the last line says why."""
        self.failures[name] = f"{traceback.format_exc()}\n{type(error).__name__}: {' '.join(str(error).split())}"

    def _new(self, name: str) -> None:
        if name in self.arrays or name in self.texts:
            raise ValueError(f"the result {name} was given twice")

    def write(self, folder: Path) -> None:
        """Writes everything; `done` last."""
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / ARRAYS, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in self.arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(
                        file, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False
                    )
        for name, found in ((TEXTS, self.texts), (NOTES, self.notes), (FAILURES, self.failures)):
            (folder / name).write_text(json.dumps(found, indent=1, ensure_ascii=False), "utf-8")
        (folder / DONE).write_text("")


def tables() -> dict[str, Callable[[Dump], None]]:
    """All tables by name, `group` or `group/part`, in the order in which they are dumped."""
    found: dict[str, Callable[[Dump], None]] = {}
    for module in MODULES:
        found |= getattr(importlib.import_module(module), TABLES_OF)
    return found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help="the smallest sizes")
    parser.add_argument("--under", type=Path, help="refuse an xaijax that is not installed below this folder")
    parser.add_argument("--source", type=Path, help="the sources that the installed package was built of")
    args = parser.parse_args()
    source = None if args.source is None else args.source.resolve()
    folder = args.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    os.chdir(scratch)
    import xaijax

    if args.under is not None and not Path(xaijax.__file__).resolve().is_relative_to(args.under.resolve()):
        raise SystemExit(f"xaijax comes from {xaijax.__file__}, not from {args.under}")
    function = tables()[args.table]
    dump = Dump(scratch, quick=args.quick, source=source)
    try:
        function(dump)
    except Exception as error:
        dump.fail("the whole table", error)
    dump.write(folder)
    os.chdir(folder)
    shutil.rmtree(scratch, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
