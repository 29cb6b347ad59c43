"""What the NumPy faces accept: anything on the CPU that can be read without a copy, and one clear error otherwise."""

import numpy as np
import pytest

from xaijax import kernels
from xaijax.kernels import _arrays

CALLS = {
    "histogram_entropy": lambda a: kernels.histogram_entropy(a),
    "mutual_information": lambda a: kernels.mutual_information(a, a),
    "reveal": lambda a: kernels.reveal(a, np.ones((4, 5), np.uint16), 2),
    "reveal_levels": lambda a: kernels.reveal_levels(a, (0.5,)),
    "top_k_threshold": lambda a: kernels.top_k_threshold(a, 30.0),
    "ebayes_threshold": lambda a: kernels.ebayes_threshold(a),
    "similarity": lambda a: kernels.similarity(a, a, measure="pearson")["pearson"],
    "localization_scores": lambda a: kernels.localization_scores(a, np.eye(5, 3) > 0, scores="iou").values["iou"],
    "rank_regions": lambda a: kernels.rank_regions(a, np.ones((1, 5, 3), bool)).maps,
}


class OnlyDLPack:
    """A tensor of another library: DLPack and nothing else."""

    def __init__(self, array, device=(1, 0)):
        self.array, self.device = array, device

    def __dlpack__(self, **options):
        if self.device[0] != 1:
            raise BufferError("the data is on another device")
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device


class OnlyInterface:
    """An object with NumPy's array interface and nothing else."""

    def __init__(self, array):
        self.array = array
        self.__array_interface__ = array.__array_interface__


@pytest.mark.parametrize("wrap", [OnlyDLPack, OnlyInterface])
def test_other_libraries_are_read_without_a_copy(wrap):
    array = np.arange(60, dtype=np.float32).reshape(4, 5, 3)
    assert np.shares_memory(_arrays.as_numpy(wrap(array), "images"), array)
    for call in CALLS.values():
        np.testing.assert_array_equal(call(wrap(array)), call(array))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_dlpack_of_every_dtype(dtype):
    array = np.arange(60).reshape(4, 5, 3).astype(dtype)
    assert kernels.histogram_entropy(OnlyDLPack(array)) == kernels.histogram_entropy(array)


def test_a_read_only_array_is_fine():
    array = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    array.flags.writeable = False
    assert kernels.histogram_entropy(array) == pytest.approx(np.log2(60))


def test_pytorch_tensors():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    tensor = torch.arange(60, dtype=torch.float32).reshape(4, 5, 3)
    assert np.shares_memory(_arrays.as_numpy(tensor, "images"), tensor.numpy())
    assert kernels.histogram_entropy(tensor) == kernels.histogram_entropy(tensor.numpy())
    with pytest.raises(TypeError, match="needs no gradient"):
        kernels.histogram_entropy(tensor.requires_grad_())
    with pytest.raises(ValueError, match="C-contiguous"):
        kernels.histogram_entropy(torch.zeros(5, 4, 3).transpose(0, 1))


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[:, ::2],
        lambda a: a[::-1],
        lambda a: a.transpose(1, 0, 2),
        lambda a: np.asfortranarray(a),
        lambda a: np.broadcast_to(a[:, :1], a.shape),
    ],
    ids=["step", "reversed", "transposed", "fortran", "broadcast"],
)
def test_other_strides_are_one_clear_error(name, view):
    array = view(np.zeros((4, 6, 3), np.float32))
    with pytest.raises(ValueError, match=r"must be C-contiguous; got shape .* pass numpy\.ascontiguousarray"):
        CALLS[name](array)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_what_is_no_array_is_refused(name):
    with pytest.raises(TypeError, match=r"must be an array \(NumPy, DLPack or array interface\); got list"):
        CALLS[name]([[[1.0]]])
    with pytest.raises(TypeError, match=r"cannot be read without a copy \(the data is on another device\)"):
        CALLS[name](OnlyDLPack(np.zeros((4, 5, 3), np.float32), device=(2, 0)))
    with pytest.raises(TypeError, match="got >f4"):
        CALLS[name](np.zeros((4, 5, 3), ">f4"))
    with pytest.raises(TypeError, match="got complex64"):
        CALLS[name](np.zeros((4, 5, 3), np.complex64))


def test_thread_count_is_checked():
    for bad in (0, -1, 1.5, "2"):
        with pytest.raises(ValueError, match="num_threads must be a positive integer or None"):
            kernels.histogram_entropy(np.zeros((4, 4, 1), np.uint8), num_threads=bad)
