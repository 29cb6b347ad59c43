"""Programs that `torch.export.save` wrote, without running code from them.

PyTorch's own reader unpickles some entries and evaluates the sizes of arrays as Python expressions. So what it gets is
a copy: entries that are pickles are left out or refused, sizes and operations are checked against what such a file can
hold, and guards (Python code) are dropped. Files of PyTorch before 2.8 have pickled weights and are refused.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax.models._files import reading, regular_file

EXPECTED = "a readable file of torch.export.save"
PICKLE = "holds pickled entries ({}), and code from a file is never run; save it with torch.export.save of PyTorch 2.8 or newer"
# What a size may be made of: PyTorch's own printing of a symbol and arithmetic with it.
SYMBOL = re.compile(r"[suz]\d+")
WORDS = frozenset(
    "Symbol Integer Add Mul Pow Max Min FloorDiv CeilDiv CleanDiv Mod PythonMod ModularIndexing ToFloat Float Rational "
    "positive integer nonnegative nonzero negative real finite True False Eq Ne Le Lt Ge Gt And Or Not".split()
)
LETTERS = re.compile(r"[\w'(),=*+/<>&|~ .-]*")
TARGETS = re.compile(
    r"torch\.ops\.(aten|prims)\.\w+\.\w+|torch\.sym_\w+|math\.(ceil|floor|trunc)"
    r"|_operator\.(add|sub|mul|truediv|floordiv|mod|neg|pow|getitem|eq|ne|le|lt|ge|gt|and_|or_|not_)"
)


def load(path: str | Path) -> Any:
    """An exported program; PyTorch is needed.

    Raises:
        FileNotFoundError: where there is no such file.
        InputError: for a file that is none, or that holds code.
    """
    import torch

    place = regular_file(path)
    with reading(place.name, EXPECTED):
        copy = _copy(place)
        return torch.export.load(copy)


def _copy(place: Path) -> io.BytesIO:
    """The file without what could run."""
    made = io.BytesIO()
    with zipfile.ZipFile(place) as given, zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as kept:
        names = given.namelist()
        roots = {name.partition("/")[0] for name in names}
        inner = {name.partition("/")[2] for name in names}
        if len(roots) != 1 or "archive_version" not in inner or "models/model.json" not in inner:
            raise InputError(f"{place.name} is not {EXPECTED}: it has no models/model.json of PyTorch 2.8 or newer")
        unsafe = sorted(name for name in inner if _is_unsafe(name))
        if unsafe:
            raise InputError(f"{place.name} {PICKLE.format(', '.join(unsafe[:3]))}")
        for name in names:
            short = name.partition("/")[2]
            data = given.read(name)
            if short.startswith("data/sample_inputs/"):
                data = b""  # pickled, and not needed
            elif short.startswith("models/"):
                data = _checked_model(place.name, data)
            elif short.endswith("_config.json"):
                pickled = [key for key, entry in json.loads(data)["config"].items() if entry.get("use_pickle")]
                if pickled:
                    raise InputError(f"{place.name} {PICKLE.format(', '.join(pickled[:3]))}")
            kept.writestr(name, data)
    made.seek(0)
    return made


def _is_unsafe(name: str) -> bool:
    """Entries with compiled code, pickled objects, or weights in the old format, which is a pickle."""
    base = name.rpartition("/")[2]
    if name.startswith("data/aotinductor/") or base.startswith(("custom_obj", "opaque_obj")):
        return True
    return name.startswith(("data/weights/", "data/constants/")) and name.endswith(".pt")


def _checked_model(file: str, data: bytes) -> bytes:
    """The graph's description, its guards dropped; refuses sizes and operations that are none."""
    model = json.loads(data)
    model["guards_code"] = []
    for key, value in _entries(model):
        if key == "expr_str" and not _is_size(value):
            raise InputError(
                f"{file} has a size that is no arithmetic, and code from a file is never run: {value[:60]!r}"
            )
        if key == "target" and isinstance(value, str) and _is_called(value) and not TARGETS.fullmatch(value):
            raise InputError(
                f"{file} has an operation that is none of PyTorch's core, {value[:60]!r}; use the model as a black box "
                "with models.from_predict"
            )
    return json.dumps(model).encode()


def _is_called(target: str) -> bool:
    """Targets with a dot before them name functions; those of signatures name parameters ("layer1.0.weight")."""
    return target.startswith(("torch", "_operator", "math", "#", "operator", "builtins"))


def _is_size(text: Any) -> bool:
    if not isinstance(text, str) or not LETTERS.fullmatch(text) or re.search(r"[^\d]\.|\.[^\d]|__", text):
        return False
    return all(word in WORDS or SYMBOL.fullmatch(word) for word in re.findall(r"[A-Za-z_]\w*", text))


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """All entries of nested JSON."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _entries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _entries(inner)
