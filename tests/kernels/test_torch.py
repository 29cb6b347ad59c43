"""PyTorch's tensors: read in place on the CPU, tensors given back; torch itself is never imported.

Every test runs with torch where it is installed, and with a double that has the few things the kernels use, so that
the way of a tensor through them is tested everywhere.
"""

import sys
import types

import ml_dtypes
import numpy as np
import pytest

from xaijax import kernels
from xaijax.kernels import _arrays

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (2, 6, 7, 3)).astype(np.uint8)
MAPS = RNG.normal(size=(2, 6, 7)).astype(np.float32)
MASKS = RNG.random((2, 6, 7)) > 0.5
LEVELS = RNG.integers(0, 4, (2, 6, 7)).astype(np.uint16)
SETS = RNG.random((3, 6, 7)) > 0.5


class Tensor:
    """As much of torch.Tensor as the kernels use."""

    def __init__(self, array, dtype=None, device="cpu", requires_grad=False, layout="torch.strided"):
        self.array = array
        self.dtype = dtype or f"torch.{array.dtype.name}"
        self.device = types.SimpleNamespace(type=device)
        self.requires_grad, self.layout = requires_grad, layout
        self.shape, self.ndim = array.shape, array.ndim

    def numpy(self):
        if self.layout != "torch.strided" or self.dtype == "torch.bfloat16":
            raise TypeError(f"can't convert {self.dtype}")
        return self.array

    def view(self, dtype):
        return Tensor(self.array.view(dtype.removeprefix("torch.")))

    def to(self, dtype):
        name = dtype.removeprefix("torch.")
        if name == "bfloat16":
            return Tensor(self.array.astype(ml_dtypes.bfloat16).view(np.int16), dtype)
        return Tensor(self.array != 0 if name == "bool" else self.array.astype(name))

    def detach(self):
        return Tensor(self.array)

    def __getitem__(self, key):
        return Tensor(self.array[key], self.dtype)

    def __index__(self):
        return self.array.__index__()


def double():
    module = types.ModuleType("torch")
    module.Tensor, module.strided = Tensor, "torch.strided"
    for name in ("bool", "uint8", "int16", "float16", "bfloat16", "float32"):
        setattr(module, name, f"torch.{name}")

    def from_numpy(array):
        assert array.flags.writeable
        return Tensor(array)

    module.from_numpy = from_numpy
    return module


@pytest.fixture(params=["double", pytest.param("torch", marks=pytest.mark.parity)])
def torch(request, monkeypatch):
    if request.param == "torch":
        import torch

        yield torch
    else:
        module = double()
        monkeypatch.setitem(sys.modules, "torch", module)
        yield module


def array_of(tensor):
    """The values of a tensor; bfloat16 as NumPy's."""
    if str(tensor.dtype) == "torch.bfloat16":
        return tensor.view(sys.modules["torch"].int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


CALLS = {
    "histogram_entropy": (kernels.histogram_entropy, [IMAGES]),
    "mutual_information": (kernels.mutual_information, [IMAGES, IMAGES[0]]),
    "reveal": (lambda x, v: kernels.reveal(x, v, 4), [IMAGES, LEVELS]),
    "reveal, image": (lambda x, v, b: kernels.reveal(x, v, 4, b), [IMAGES, LEVELS, IMAGES[0]]),
    "reveal_chunks": (lambda x, v: [s for *_, s in kernels.reveal_chunks(x, v, 4, max_bytes=300)], [IMAGES, LEVELS]),
    "reveal_levels": (lambda m, a: kernels.reveal_levels(m, (0.2, 0.6), a), [MAPS, MASKS]),
    "random_mask": (lambda seed: kernels.random_mask((6, 7), 0.4, seed), [np.array(5)]),
    "top_k_threshold": (lambda m: kernels.top_k_threshold(m, 30.0), [MAPS]),
    "ebayes_threshold": (lambda m: kernels.ebayes_threshold(m, details=True), [MAPS]),
    "similarity": (kernels.similarity, [MAPS, MAPS[0]]),
    "localization_scores": (kernels.localization_scores, [MAPS, MASKS[0]]),
    "rank_regions": (kernels.rank_regions, [MAPS, SETS]),
}


def leaves(found):
    if isinstance(found, dict):
        return [leaf for value in found.values() for leaf in leaves(value)]
    if isinstance(found, tuple | list):
        return [leaf for value in found for leaf in leaves(value)]
    return [found]


@pytest.mark.parametrize("name", sorted(CALLS))
def test_tensors_in_tensors_out(torch, name):
    kernel, arrays = CALLS[name]
    found = leaves(kernel(*(torch.from_numpy(array.copy()) for array in arrays)))
    expected = leaves(kernel(*arrays))
    assert len(found) == len(expected)
    for tensor, array in zip(found, expected, strict=True):
        assert isinstance(tensor, torch.Tensor)
        assert tensor.numpy().dtype == array.dtype
        np.testing.assert_array_equal(tensor.numpy(), array)


@pytest.mark.parametrize("name", [name for name, (_, arrays) in CALLS.items() if len(arrays) > 1])
def test_one_tensor_among_arrays_is_enough(torch, name):
    kernel, (first, *rest) = CALLS[name]
    assert all(isinstance(leaf, torch.Tensor) for leaf in leaves(kernel(first, *map(torch.from_numpy, rest))))


def test_tensors_are_read_in_place(torch):
    array = RNG.normal(size=(4, 5, 3)).astype(np.float32)
    home, (view,) = _arrays.read(images=torch.from_numpy(array))
    assert np.shares_memory(home.ready(view), array)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_floats(torch, dtype):
    half = MAPS.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    tensor = torch.from_numpy(half.astype(np.float32)).to(getattr(torch, dtype))
    np.testing.assert_array_equal(array_of(tensor), half)
    kept = kernels.top_k_threshold(tensor, 30.0)
    assert kept.dtype == getattr(torch, dtype)
    np.testing.assert_array_equal(array_of(kept), kernels.top_k_threshold(half, 30.0))
    np.testing.assert_array_equal(kernels.reveal_levels(tensor, 5).numpy(), kernels.reveal_levels(half, 5))
    images = kernels.reveal(tensor[..., None], LEVELS, 3, "mean")
    np.testing.assert_array_equal(array_of(images), kernels.reveal(half[..., None], LEVELS, 3, "mean"))


def test_bools(torch):
    images = IMAGES > 128
    found = kernels.reveal(torch.from_numpy(images), LEVELS, 3)
    assert found.dtype == torch.bool
    np.testing.assert_array_equal(found.numpy(), kernels.reveal(images, LEVELS, 3))


def test_views(torch):
    array = RNG.normal(size=(5, 4, 3)).astype(np.float32)
    turned = torch.from_numpy(array[::2])
    np.testing.assert_array_equal(
        kernels.histogram_entropy(turned).numpy(), kernels.histogram_entropy(array[::2].copy())
    )


def test_next_to_a_jax_array_the_result_is_jax(torch):
    import jax
    import jax.numpy as jnp

    found = kernels.localization_scores(torch.from_numpy(MAPS), jnp.asarray(MASKS))
    assert all(isinstance(leaf, jax.Array) for leaf in leaves(found))


def test_a_tensor_with_a_gradient_is_refused():
    torch = double()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", torch)
        for tensor, says in (
            (Tensor(MAPS, requires_grad=True), "maps must be a tensor that needs no gradient.*: pass maps.detach"),
            (Tensor(MAPS, device="cuda"), "maps must be on the CPU; got a tensor on .*cuda.*: pass maps.cpu"),
            (Tensor(MAPS, layout="torch.sparse_coo"), "maps must be a dense tensor .* layout torch.sparse_coo"),
        ):
            with pytest.raises(TypeError, match=says):
                kernels.top_k_threshold(tensor, 10.0)


@pytest.mark.parity
def test_pytorch_tensors():
    """What the double cannot show: torch's own refusals."""
    import torch

    tensor = torch.arange(60, dtype=torch.float32).reshape(4, 5, 3)
    assert kernels.histogram_entropy(tensor) == kernels.histogram_entropy(tensor.numpy())
    with pytest.raises(TypeError, match="needs no gradient"):
        kernels.histogram_entropy(tensor.clone().requires_grad_())
    swapped = tensor.transpose(0, 1)
    assert kernels.histogram_entropy(swapped) == kernels.histogram_entropy(swapped.contiguous())
    with pytest.raises(TypeError, match="images must be a dense tensor that NumPy can read in place"):
        kernels.histogram_entropy(tensor.to_sparse())
    with pytest.raises(TypeError, match="images must be on the CPU; got a tensor on meta"):
        kernels.histogram_entropy(tensor.to("meta"))
    with pytest.raises(TypeError, match="images must be a dense tensor that NumPy can read in place"):
        torch.vmap(kernels.histogram_entropy)(tensor[None])
    with pytest.raises(TypeError, match=r"images must be .*; got complex64"):
        kernels.histogram_entropy(tensor.to(torch.complex64))
    assert kernels.top_k_threshold(tensor[..., 0], torch.tensor(30)).shape == (4, 5)
