"""A Python file of the user's own, run because its name was given; it may import the files in its folder."""

import hashlib
import importlib.util
import inspect
import itertools
import modulefinder
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from xaijax._errors import InputError

_number = itertools.count()


def run(path: Path) -> tuple[ModuleType, str]:
    """Runs a Python file once, as `python FILE` would: what is in its folder can be imported.

    The folder stays first on `sys.path`, as functions may import when they are called.

    Args:
        path: of the file.

    Returns:
        The module; and a digest of the file and of the files in its folder that it imports, by which a run that is
        resumed notices that one of them changed.

    Raises:
        InputError: for a file that fails, or whose imports are loaded from another folder already.
    """
    source = path.read_bytes()
    folder = str(path.resolve().parent)
    digest = hashlib.sha256(source)
    for name, file in _imports(path, folder).items():
        loaded = getattr(sys.modules.get(name), "__file__", None)
        if loaded is not None and Path(loaded).resolve() != file:
            raise InputError(
                f"{path} imports {name}, and another {name} is loaded already ({loaded}): rename {file.name} in "
                "the folder of the script"
            )
        digest.update(name.encode() + file.read_bytes())
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(f"xaijax_script_{next(_number)}", path)
    assert spec is not None  # the file ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise InputError(f"{path} fails when it is run: {type(error).__name__}: {error}") from error
    return module, digest.hexdigest()[:16]


def stated(function: Any, module: ModuleType, names: Iterable[str]) -> dict[str, Any]:
    """What a file says of its model: attributes of the function, then variables of the file, of these names."""
    found: dict[str, Any] = {}
    for name in names:
        # What a class calls so are its own matters.
        for holder in (module,) if inspect.isclass(function) else (function, module):
            value = getattr(holder, name, None)
            if value is not None and not callable(value) and name not in found:
                found[name] = value
    return found


def _imports(path: Path, folder: str) -> dict[str, Path]:
    """The modules in its folder that a file imports, and those that they import; nothing is run."""
    # xaijax is not the user's, though a script may lie next to its source.
    finder = modulefinder.ModuleFinder(path=[folder], excludes=["xaijax"])
    try:
        finder.run_script(str(path))
    except (SyntaxError, ValueError, OSError):  # said when it is run
        return {}
    modules: dict[str, Any] = dict(sorted(finder.modules.items()))
    return {
        name: Path(found.__file__).resolve()
        for name, found in modules.items()
        if name != "__main__" and found.__file__  # a folder without __init__.py has none
    }
