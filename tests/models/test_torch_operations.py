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

with np.load(Path(__file__).parent / "data" / "torch_operations.npz") as _file:
    ARRAYS = {name: _file[name] for name in _file.files}
CASES = json.loads(ARRAYS.pop("cases").tobytes())
WITHOUT = {"getitem", "empty"}  # picks one of several results; gives memory that nobody has written


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


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


def run(case, arrays, arrangement):
    given = iter(arrays)
    result = TABLE[case["op"]](**{key: value(item, given, arrangement) for key, item in case["inputs"].items()})
    return list(result) if isinstance(result, tuple | list) else [result]


def straight(ndim):
    return tuple(range(ndim))


def turned(ndim):
    """Channels last, as models run."""
    return straight(ndim) if ndim < 3 else (0, *range(2, ndim), 1)


def reversed_(ndim):
    return inverse(tuple(range(ndim))[::-1])


def test_every_operation_has_a_case():
    assert set(TABLE) - {case["op"] for case in CASES} == WITHOUT


@pytest.mark.parametrize("arrangement", [straight, turned, reversed_])
@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{i}-{case['op']}" for i, case in enumerate(CASES)])
def test_operation_is_pytorchs(number, arrangement):
    case = CASES[number]
    names = list(itertools.chain.from_iterable(keys(item) for item in case["inputs"].values()))
    arrays = [ARRAYS[name] for name in names]
    found = run(case, arrays, arrangement)
    for one, output in zip(found, case["outputs"], strict=False):
        wanted = ARRAYS[output["array"]]
        assert one.shape == wanted.shape
        np.testing.assert_allclose(np.asarray(one.logical()), wanted, rtol=1e-12, atol=1e-12)
        assert np.asarray(one.logical()).dtype.kind == wanted.dtype.kind
    if "gradients" not in case:
        return
    floats = [index for index, array in enumerate(arrays) if array.dtype.kind == "f"]
    mixture = ARRAYS[case["mixture"]["array"]]

    def mixed(*values):
        given = list(arrays)
        for index, one in zip(floats, values, strict=True):
            given[index] = one
        return (run(case, given, arrangement)[0].logical() * mixture).sum()

    gradients = jax.grad(mixed, argnums=tuple(range(len(floats))))(*(arrays[index] for index in floats))
    for found_gradient, gradient in zip(gradients, case["gradients"], strict=True):
        if gradient is not None:
            wanted = ARRAYS[gradient["array"]]
            # PyTorch's own hard sigmoid multiplies by 1/6 in float32.
            tolerance = 1e-7 if case["op"] == "hardsigmoid" else 1e-12
            np.testing.assert_allclose(np.asarray(found_gradient), wanted, rtol=tolerance, atol=tolerance)


def test_an_unknown_axis_order_changes_nothing():
    x = np.arange(24.0).reshape(2, 3, 4)
    laid = Laid.arranged_as(x.transpose(2, 0, 1), (2, 0, 1))
    assert laid.shape == x.shape
    assert (np.asarray(laid.logical()) == x).all()
    assert mapped([1, [2]], lambda one: one + 1) == [2, [3]]
