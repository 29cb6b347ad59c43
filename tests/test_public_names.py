"""The public names and their parameters are those of tests/public_names.txt, so that a change is made on purpose.

`python tests/test_public_names.py` writes the list again; the change belongs into CHANGELOG.md.
"""

import importlib
import inspect
from pathlib import Path

LIST = Path(__file__).with_name("public_names.txt")
PACKAGES = (
    "xaijax",
    "xaijax.bundle",
    "xaijax.classifier",
    "xaijax.data",
    "xaijax.explain",
    "xaijax.kernels",
    "xaijax.metrics",
    "xaijax.metrics.calibration",
    "xaijax.metrics.statistics",
    "xaijax.models",
    "xaijax.plot",
    "xaijax.training",
)


def call(function):
    """`(a, b=, *, c=)`: names, order, kinds and which have a default."""
    shown, keyword = [], False
    for one in inspect.signature(function).parameters.values():
        if one.kind is one.KEYWORD_ONLY and not keyword:
            shown.append("*")
            keyword = True
        if one.kind is one.VAR_POSITIONAL:
            keyword = True
        stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        shown.append(f"{stars}{one.name}{'' if one.default is one.empty else '='}")
    return f"({', '.join(shown)})"


def members(kind):
    """Public attributes of a class of our own: fields and methods."""
    for name in sorted({name for one in kind.__mro__ if one.__module__.startswith("xaijax") for name in vars(one)}):
        value = inspect.getattr_static(kind, name)
        if name.startswith("_"):
            continue
        inner = getattr(value, "__func__", value)
        yield f"{name}{call(inner)}" if inspect.isfunction(inner) else name


def names():
    """One line for each public name, and for each member of a public class."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in sorted(module.__all__):
            value = getattr(module, name)
            full = f"{package}.{name}"
            if inspect.ismodule(value):
                continue
            if inspect.isclass(value):
                yield full
                fields = getattr(value, "__dataclass_fields__", getattr(value, "_fields", ()))
                known = {*fields} - {one for one in fields if one.startswith("_")}
                listed = {line.partition("(")[0]: line for line in members(value)} | {one: one for one in known}
                yield from (f"{full}.{line}" for _, line in sorted(listed.items()))
            elif inspect.isroutine(value):
                yield f"{full}{call(value)}"
            else:
                yield full


def test_public_names_change_on_purpose():
    kept = LIST.read_text("utf-8").splitlines()
    now = list(names())
    gone, new = sorted(set(kept) - set(now)), sorted(set(now) - set(kept))
    assert not gone, f"gone or changed: {gone}; new: {new}; see the docstring of this file"
    assert not new, f"new: {new}; see the docstring of this file"


def test_every_public_name_is_documented():
    for package in PACKAGES:
        module = importlib.import_module(package)
        assert inspect.getdoc(module), package
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isroutine(value) or (inspect.isclass(value) and value.__module__.startswith("xaijax")):
                assert inspect.getdoc(value), f"{package}.{name}"


if __name__ == "__main__":
    LIST.write_text("\n".join(names()) + "\n", "utf-8")
