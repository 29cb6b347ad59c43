"""Every operation of the table against what PyTorch gave, values and gradients, however the axes lie in memory.

`tests/parity/torch_operations.py` made the file.
"""

import itertools
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from xaijax.models.importers.torch_graph.graph import Dtype, mapped
from xaijax.models.importers.torch_graph.laid import Laid, inverse
from xaijax.models.importers.torch_graph.operations import TABLE

with np.load(Path(__file__).parent / "data" / "graphs_of_torch" / "torch_operations.npz") as _file:
    ARRAYS = {name: _file[name] for name in _file.files}
CASES = json.loads(ARRAYS.pop("cases").tobytes())
WITHOUT = {"getitem", "empty"}  # picks one of several results; gives memory that nobody has written


def value(item, arrays, arrangement):
    """An argument: arrays from `arrays` in turn, their axes as `arrangement` says."""
    if isinstance(item, list):
        return [value(one, arrays, arrangement) for one in item]
    if not isinstance(item, dict):
        return item
    if "dtype" in item:
        return np.dtype(Dtype(item["dtype"]).name)
    if "float" in item:
        return float(item["float"])
    array = next(arrays)
    order = arrangement(array.ndim)
    return Laid.arranged_as(array.transpose(order), order)


def keys(item):
    """The arrays of an argument."""
    if isinstance(item, list):
        return list(itertools.chain.from_iterable(map(keys, item)))
    return [item["array"]] if isinstance(item, dict) and "array" in item else []


def straight(ndim):
    return tuple(range(ndim))


def turned(ndim):
    """Channels last, as models run."""
    return straight(ndim) if ndim < 3 else (0, *range(2, ndim), 1)


def reversed_(ndim):
    return inverse(tuple(range(ndim))[::-1])


def run(case, arrays, arrangement):
    given = iter(arrays)
    result = TABLE[case["op"]](**{key: value(item, given, arrangement) for key, item in case["inputs"].items()})
    return [one.logical() for one in (result if isinstance(result, tuple | list) else [result])]


def everything(case, arrays):
    """Results in three orders of axes, and the gradients in the order of models."""
    results = [run(case, arrays, arrangement) for arrangement in (straight, turned, reversed_)]
    if "gradients" not in case:
        return results, ()
    floats = [index for index, array in enumerate(arrays) if array.dtype.kind == "f"]

    def mixed(*values):
        given = list(arrays)
        for index, one in zip(floats, values, strict=True):
            given[index] = one
        return (run(case, given, turned)[0] * ARRAYS[case["mixture"]["array"]]).sum()

    return results, jax.grad(mixed, argnums=tuple(range(len(floats))))(*(arrays[index] for index in floats))


@pytest.fixture(scope="module")
def computed():
    """What every case gives, or raises, from one compiled program: compiling each by itself takes minutes."""
    raised = {}
    inputs = [
        [ARRAYS[key] for key in itertools.chain.from_iterable(keys(item) for item in case["inputs"].values())]
        for case in CASES
    ]

    def program(inputs):
        found = {}
        for number, (case, arrays) in enumerate(zip(CASES, inputs, strict=True)):
            try:
                found[number] = everything(case, arrays)
            except Exception as error:
                raised[number] = error
        return found

    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        compiled = jax.jit(program, compiler_options={"xla_backend_optimization_level": 0})
        return jax.tree.map(np.asarray, compiled(inputs)), raised


def test_every_operation_has_a_case():
    assert set(TABLE) - {case["op"] for case in CASES} == WITHOUT


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{i}-{case['op']}" for i, case in enumerate(CASES)])
def test_operation_is_pytorchs(number, computed):
    found, raised = computed
    if number in raised:
        raise raised[number]
    case = CASES[number]
    results, gradients = found[number]
    for one_order in results:
        for one, output in zip(one_order, case["outputs"], strict=False):
            wanted = ARRAYS[output["array"]]
            assert one.shape == wanted.shape
            assert one.dtype.kind == wanted.dtype.kind
            np.testing.assert_allclose(one, wanted, rtol=1e-12, atol=1e-12)
    # PyTorch's own hard sigmoid multiplies by 1/6 in float32.
    tolerance = 1e-7 if case["op"] == "hardsigmoid" else 1e-12
    for one, gradient in zip(gradients, case.get("gradients", ()), strict=True):
        if gradient is not None:
            np.testing.assert_allclose(one, ARRAYS[gradient["array"]], rtol=tolerance, atol=tolerance)


def test_an_unknown_axis_order_changes_nothing():
    x = np.arange(24.0).reshape(2, 3, 4)
    laid = Laid.arranged_as(x.transpose(2, 0, 1), (2, 0, 1))
    assert laid.shape == x.shape
    assert (np.asarray(laid.logical()) == x).all()
    assert mapped([1, [2]], lambda one: one + 1) == [2, [3]]
