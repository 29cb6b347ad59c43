"""Paths for workers, whose working directory may be another one."""

from pathlib import Path
from typing import Any

PLACES = ("data", "model", "weights", "labels", "maps", "split_file")


def absolute(values: dict[str, Any]) -> dict[str, Any]:
    """The options of a run as JSON values, with absolute paths for those that name files here.

    Example:
        >>> absolute({"data": "phantoms", "model": ["builtin"], "seed": 0})
        {'data': 'phantoms', 'model': ['builtin'], 'seed': 0}
    """
    return {name: _placed(value) if name in PLACES else value for name, value in values.items()}


def _placed(value: Any) -> Any:
    if isinstance(value, list):
        return [_placed(one) for one in value]
    if not isinstance(value, str) or "://" in value:
        return value
    folder, _, pattern = value.rpartition("/")
    if set(pattern) & set("{*?[") and Path(folder or ".").expanduser().is_dir():  # shards: data/{000..127}.tar
        return f"{Path(folder or '.').expanduser().absolute()}/{pattern}"
    file, colon, name = value.rpartition(":")
    if colon and Path(file).expanduser().is_file():  # script.py:function
        return f"{Path(file).expanduser().absolute()}:{name}"
    path = Path(value).expanduser()
    return str(path.absolute()) if path.exists() else value
