"""A new kernel that is missing from a list of kernels fails here.

Each table is read where it stands and compared with `kernels.__all__`. What a table leaves out on purpose is said next
to it, with the reason; a reason that no longer holds fails too.
"""

import ast
import importlib
import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

from xaijax import kernels
from xaijax.kernels import _backend, _numba
from xaijax.profiling import formulas, kernel_cases

ROOT = Path(__file__).parents[2]
KERNELS = {name for name in kernels.__all__ if inspect.isfunction(getattr(kernels, name))} - {"build_info"}
CHUNKS = {"reveal_chunks": "it is reveal, piece by piece, and has no kernel of its own"}
NO_THREADS = {"random_mask": "one mask, no threads"}


def of_tests(file, table):
    """The kernels in a table of a test module whose keys are `kernel` or `kernel, what of it`."""
    spec = importlib.util.spec_from_file_location(f"table_of_{file}", Path(__file__).with_name(f"{file}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {title.split(",")[0] for title in getattr(module, table)}


def mentioned(path, after=""):
    """The kernels that a file calls after some text of it."""
    text = (ROOT / path).read_text().partition(after)[2] if after else (ROOT / path).read_text()
    return set(re.findall(r"\bkernels\.([a-z_]+)", text)) & KERNELS


def of_stub():
    tree = ast.parse((ROOT / "xaijax" / "_core.pyi").read_text())
    private = {"build_info", "ffi_targets", "ebayes_function"}
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} - private


def of_numba():
    found = set()
    for module in pkgutil.iter_modules(_numba.__path__):
        found |= set(vars(importlib.import_module(f"{_numba.__name__}.{module.name}")))
    return found & KERNELS


def of_ffi_calls():
    """Kernels that the Python faces call through XLA FFI."""
    text = "".join(path.read_text() for path in (ROOT / "xaijax" / "kernels").glob("_*.py"))
    return set(re.findall(r'_ffi\.call\(\s*"([a-z_]+)"', text))


def of_docs():
    text = (ROOT / "docs" / "kernels.md").read_text()
    table = text[text.index("| kernel |") :].split("\n\n")[0]
    return {name for row in table.splitlines()[2:] for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])} & KERNELS


# table -> (the kernels in it, what it leaves out and why)
TABLES = {
    "docs/kernels.md": (of_docs, {}),
    "refusals of every argument": (lambda: of_tests("test_refusals", "CALLS"), {}),
    "arrays of any strides": (lambda: of_tests("test_arrays", "EVERY_ARRAY"), {}),
    "arrays of other libraries": (
        lambda: of_tests("test_arrays", "CALLS"),
        {**CHUNKS, "random_mask": "it takes no array but a seed"},
    ),
    "tensors": (lambda: of_tests("test_torch", "CALLS"), {}),
    "threads": (lambda: of_tests("test_threads", "CALLS"), {**CHUNKS, **NO_THREADS}),
    "sizes": (
        lambda: of_tests("test_sizes", "CALLS"),
        {**CHUNKS, "random_mask": "its limit is 2^32 pixels, and has its own test"},
    ),
    "transformations": (lambda: of_tests("test_jax_transformations", "KERNELS"), CHUNKS),
    "shard_map": (lambda: mentioned("tests/kernels/test_jax_transformations.py", "def test_shard_map"), CHUNKS),
    "types of the extension": (of_stub, CHUNKS),
    "numba": (of_numba, CHUNKS),
    "calls through XLA FFI": (of_ffi_calls, CHUNKS),
    "profiled": (lambda: {case.target for case in kernel_cases.cases()}, {**CHUNKS, **NO_THREADS}),
    "counted work": (lambda: set(formulas._OPERATIONS), CHUNKS),
    "benchmarked": (
        lambda: mentioned("benchmarks/kernel_cases.py"),
        {**CHUNKS, "similarity": "no peer of it is timed"},
    ),
}


@pytest.mark.parametrize("table", TABLES)
def test_no_kernel_is_forgotten(table):
    read, left_out = TABLES[table]
    found = read()
    assert found | set(left_out) == KERNELS, f"{table}: missing {KERNELS - found - set(left_out)}"
    assert not found & set(left_out), f"{table}: has what it is said to leave out"


def test_the_extension_has_every_kernel(native):
    assert KERNELS - set(CHUNKS) <= set(dir(native))
    assert {name.removeprefix("xaijax_") for name in native.ffi_targets()} == KERNELS - set(CHUNKS)


def test_cuda_has_kernels_only():
    module = _backend._module("xaijax._cuda")
    if module is None:
        pytest.skip("the CUDA module is not built")
    assert {name.removeprefix("xaijax_") for name in module.ffi_targets()} <= KERNELS


def test_every_module_of_the_package_is_private():
    """So that a function never hides a module of its name."""
    assert all(module.name.startswith("_") for module in pkgutil.iter_modules(kernels.__path__))
    assert set(kernels.__all__) <= set(vars(kernels))
    public = {name for name, value in vars(kernels).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert public == set(kernels.__all__)
