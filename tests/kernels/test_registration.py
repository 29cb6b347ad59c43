"""A kernel is in all tables or in none: the registration in C++, the extension, its stub, and `kernels.__all__`."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from xaijax import kernels

ROOT = Path(__file__).parents[2]
NOT_KERNELS = {"build_info", "reveal_chunks"}  # what the extension is, and calls of `reveal` one after the other


def registered(table):
    """The names in one of the tables of bindings/registry.hpp."""
    path = ROOT / "bindings" / "registry.hpp"
    if not path.exists():
        pytest.skip("the sources are not here")
    lines = re.search(rf"#define {table}\(X\)(.*?)\n\n", path.read_text(), re.DOTALL).group(1)
    return re.findall(r"X\((\w+)\)", lines)


def test_every_kernel_is_registered_and_public(native):
    names = registered("XAIJAX_KERNELS")
    assert names == sorted(set(names))
    assert {f"xaijax_{name}" for name in names} == set(native.ffi_targets())
    functions = {name for name in kernels.__all__ if inspect.isfunction(getattr(kernels, name))}
    assert set(names) == functions - NOT_KERNELS


def test_every_kernel_has_one_file_with_both_faces():
    names = registered("XAIJAX_KERNELS")
    files = {path.stem for path in (ROOT / "bindings").glob("*.cpp")}
    assert files == set(names) | {"module", "build_info"}
    for name in names:
        text = (ROOT / "bindings" / f"{name}.cpp").read_text()
        assert f"void bind_{name}(" in text
        assert f"(ffi_{name}," in text


def test_cuda_faces_are_those_of_kernels():
    names = registered("XAIJAX_CUDA_KERNELS")
    assert set(names) <= set(registered("XAIJAX_KERNELS"))
    handlers = (ROOT / "bindings" / "cuda" / "handlers.cpp").read_text()
    assert names == sorted(re.findall(r"\bcuda_ffi_(\w+),", handlers))


def test_the_stub_has_the_functions_of_the_extension(native):
    stub = ast.parse((Path(kernels.__file__).parents[1] / "_core.pyi").read_text())
    written = {node.name: [a.arg for a in node.args.args] for node in stub.body if isinstance(node, ast.FunctionDef)}
    found = {}
    for name in dir(native):
        if callable(getattr(native, name)) and not name.startswith("_"):
            signature = re.match(rf"{name}\((.*)\) ->", getattr(native, name).__doc__).group(1)
            found[name] = re.findall(r"(\w+): ", signature)
    assert written == found
