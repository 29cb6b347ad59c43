"""What the kernels take: arrays of any library on the CPU, with any strides, in the dtypes that have a meaning.

What they refuse is in test_refusals.py; PyTorch's tensors are in test_torch.py.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
import ml_dtypes
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
    home, (view,) = _arrays.read(images=wrap(array))
    assert np.shares_memory(home.ready(view), array)
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


VIEWS = {
    "step": lambda a: a[:, ::2],
    "reversed": lambda a: a[::-1],
    "channels reversed": lambda a: a[..., ::-1],
    "transposed": lambda a: a.transpose(1, 0, 2),
    "fortran": lambda a: np.asfortranarray(a),
    "broadcast": lambda a: np.broadcast_to(a[:, :1], a.shape),
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "read only": lambda a: np.lib.stride_tricks.as_strided(a, writeable=False),
    "matrix of one channel": lambda a: np.ma.masked_array(a, mask=False),
}

RNG = np.random.default_rng(0)
IMAGES = {
    dtype: RNG.integers(0, 200, (2, 4, 5, 3)).astype(dtype) for dtype in ("uint8", "uint16", "float32", "float64")
}
MAPS = RNG.normal(size=(2, 4, 5)).astype(np.float32)
MASKS = RNG.random((2, 4, 5)) > 0.5
LEVELS = RNG.integers(0, 4, (2, 4, 5)).astype(np.uint16)
SETS = RNG.random((2, 6, 4, 5)) > 0.5

# Kernel of all the arrays it takes, and arrays for them.
EVERY_ARRAY = {
    "histogram_entropy": (kernels.histogram_entropy, [IMAGES["uint8"]]),
    "mutual_information": (kernels.mutual_information, [IMAGES["uint16"], IMAGES["uint16"][:, ::-1]]),
    "reveal": (lambda *arrays: kernels.reveal(*arrays[:2], 4, arrays[2]), [IMAGES["uint8"], LEVELS, IMAGES["uint8"]]),
    "reveal_chunks": (
        lambda *arrays: [stack for *_, stack in kernels.reveal_chunks(*arrays[:2], 4, arrays[2], max_bytes=200)],
        [IMAGES["float64"], LEVELS, IMAGES["float64"][:1]],
    ),
    "reveal_levels": (lambda maps, always: kernels.reveal_levels(maps, (0.2, 0.6), always), [MAPS, MASKS]),
    "random_mask": (lambda seed: kernels.random_mask((4, 5), 0.3, seed), [np.array(3, np.uint32)]),
    "top_k_threshold": (lambda maps: kernels.top_k_threshold(maps, 30.0), [MAPS]),
    "ebayes_threshold": (kernels.ebayes_threshold, [MAPS]),
    "similarity": (kernels.similarity, [MAPS, MAPS[::-1]]),
    "localization_scores": (kernels.localization_scores, [MAPS, MASKS]),
    "rank_regions": (lambda maps, sets: kernels.rank_regions(maps, sets, min_pixels=1), [MAPS, SETS]),
}


def assert_same(found, expected):
    """Equal trees of arrays: dtypes, shapes and values, NaN equal to NaN."""
    found, expected = jax.tree.leaves(found), jax.tree.leaves(expected)
    for one, other in zip(found, expected, strict=True):
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize("view", VIEWS)
def test_other_strides_are_copied(name, view):
    """They were refused; a caller who flips channels or transposes a map need not know why."""
    array = RNG.normal(size=(4, 5, 3)).astype(np.float32)
    if view == "transposed":
        array = array.transpose(1, 0, 2).copy()
    if view == "step":
        array = np.repeat(array, 2, axis=1)
    if view == "channels reversed" and name in ("localization_scores", "rank_regions"):
        array = array[..., :3]
    assert_same(CALLS[name](VIEWS[view](array)), CALLS[name](np.array(VIEWS[view](array), np.float32)))


@pytest.mark.parametrize("name", sorted(set(EVERY_ARRAY) - {"random_mask"}))
def test_every_array_argument_may_be_a_view(name):
    kernel, arrays = EVERY_ARRAY[name]
    expected = kernel(*(np.array(array) for array in arrays))
    turned = [array[tuple([slice(None, None, -1)] * array.ndim)].copy() for array in arrays]
    assert_same(kernel(*(array[tuple([slice(None, None, -1)] * array.ndim)] for array in turned)), expected)
    assert_same(kernel(*(np.asfortranarray(array) for array in arrays)), expected)
    assert_same(kernel(*(array.astype(array.dtype.newbyteorder()) for array in arrays)), expected)
    # Copies are made of what the kernels read, never written to what the caller holds.
    for array, turn in zip(arrays, turned, strict=True):
        np.testing.assert_array_equal(array, turn[tuple([slice(None, None, -1)] * array.ndim)])


def test_contiguous_arrays_are_read_in_place():
    for array in (*IMAGES.values(), MAPS, MASKS, LEVELS):
        home, (view,) = _arrays.read(images=array)
        assert home.ready(view) is array or np.shares_memory(home.ready(view), array)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_what_is_no_array_is_refused(name):
    with pytest.raises(
        TypeError, match=r"must be an array \(NumPy, JAX, PyTorch, DLPack or array interface\); got a list"
    ):
        CALLS[name]([[[1.0]]])
    with pytest.raises(
        TypeError, match=r"must be on the CPU; got an OnlyDLPack on another device \(DLPack's number 2\)"
    ):
        CALLS[name](OnlyDLPack(np.zeros((4, 5, 3), np.float32), device=(2, 0)))
    with pytest.raises(TypeError, match="got void32"):
        CALLS[name](np.zeros((4, 5, 3), [("a", "f4")]))
    with pytest.raises(TypeError, match="got complex64"):
        CALLS[name](np.zeros((4, 5, 3), np.complex64))


def test_thread_count_is_checked():
    for bad in (0, -1, 1.5, "2", True):
        with pytest.raises(ValueError, match="num_threads must be a positive integer or None"):
            kernels.histogram_entropy(np.zeros((4, 4, 1), np.uint8), num_threads=bad)
        with pytest.raises(ValueError, match="num_threads must be a positive integer or None"):
            kernels.histogram_entropy(jnp.zeros((4, 4, 1), jnp.uint8), num_threads=bad)
    for good in (None, 1, np.int64(2), np.uint8(3), 10**30):
        assert kernels.histogram_entropy(np.zeros((4, 4, 1), np.uint8), num_threads=good) == 0.0


class TestHalfFloats:
    """Computed in float32; a result that has the dtype of the images or maps is rounded to it."""

    KERNELS: ClassVar = {
        "histogram_entropy": (kernels.histogram_entropy, 3, False),
        "mutual_information": (lambda x: kernels.mutual_information(x, x), 3, False),
        "reveal_levels": (lambda m: kernels.reveal_levels(m, (0.2, 0.6)), 2, False),
        "top_k_threshold": (lambda m: kernels.top_k_threshold(m, 30.0), 2, True),
        "ebayes_threshold": (kernels.ebayes_threshold, 2, True),
        "similarity": (lambda m: kernels.similarity(m, m[::-1]), 2, False),
        "localization_scores": (lambda m: kernels.localization_scores(m, MASKS), 2, False),
        "rank_regions": (lambda m: kernels.rank_regions(m, SETS, min_pixels=1), 2, False),
        **{
            f"reveal, {fill}": (lambda x, fill=fill: kernels.reveal(x, LEVELS, 4, fill), 3, True)
            for fill in ("linear", "mean", "blur", "nearest", "noisy_linear", 0.1, (0.1, 0.2, 0.3))
        },
    }

    @pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
    @pytest.mark.parametrize("name", sorted(KERNELS))
    def test_equal_to_float32(self, name, dtype):
        kernel, axes, rounded = self.KERNELS[name]
        half = RNG.normal(size=(2, 4, 5, 3)[: axes + 1]).astype(dtype)
        if "0.1" in name:  # the colour is rounded first, as for every dtype
            kernel = lambda x: kernels.reveal(  # noqa: E731
                x, LEVELS, 4, np.float32(dtype(0.1)) if "(" not in name else [float(dtype(v)) for v in (0.1, 0.2, 0.3)]
            )
        expected = kernel(half.astype(np.float32))
        expected = expected.astype(dtype) if rounded else expected
        found = self.KERNELS[name][0](half)
        assert_same(found, expected)
        assert_same(
            self.KERNELS[name][0](half.astype(half.dtype.newbyteorder()) if dtype is np.float16 else half), expected
        )
        in_jit = jax.jit(self.KERNELS[name][0])(jnp.asarray(half))
        for one, other in zip(jax.tree.leaves(in_jit), jax.tree.leaves(expected), strict=True):
            assert one.dtype == (np.float32 if other.dtype == np.float64 else other.dtype)
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other).astype(one.dtype))

    @pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
    def test_known_pixels_keep_their_value_and_fills_have_the_dtype(self, dtype):
        images, background = (RNG.normal(size=(2, 4, 5, 3)).astype(dtype) for _ in range(2))
        found = kernels.reveal(images, LEVELS, 4, background)
        for level in range(4):
            known = (level >= LEVELS)[..., None]
            np.testing.assert_array_equal(found[:, level], np.where(known, images, background))
        with pytest.raises(TypeError, match=f"fill must be {np.dtype(dtype).name}; got float32"):
            kernels.reveal(images, LEVELS, 4, background.astype(np.float32))
        stacks = [stack for *_, stack in kernels.reveal_chunks(images, LEVELS, 4, background, max_bytes=1000)]
        assert {stack.dtype for stack in stacks} == {np.dtype(dtype)}
        assert np.concatenate([stack.reshape(-1) for stack in stacks]).size == found.size

    def test_two_dtypes_are_refused(self):
        half = MAPS.astype(np.float16)
        with pytest.raises(TypeError, match="a and b must have the same dtype; got float16 and float32"):
            kernels.similarity(half, MAPS)

    def test_noise_beyond_the_range_is_infinity(self):
        images = np.full((8, 8, 1), 65000, np.float16)
        found = kernels.reveal(images, np.ones((8, 8), np.uint16), 1, "noisy_linear", noise=1e5)
        assert np.isinf(found).any()
        assert found.dtype == np.float16


class TestBools:
    IMAGES = RNG.random((2, 8, 9, 3)) > 0.4
    LEVELS = RNG.integers(0, 4, (8, 9)).astype(np.uint16)

    def test_images_are_0_and_1(self):
        ones = self.IMAGES.astype(np.uint8)
        for run in (lambda f: f, jax.jit):
            assert_same(run(kernels.histogram_entropy)(self.IMAGES), run(kernels.histogram_entropy)(ones))
            both = run(kernels.mutual_information)
            assert_same(both(self.IMAGES, self.IMAGES[::-1]), both(ones, ones[::-1]))
        with pytest.raises(TypeError, match="images and references must have the same dtype; got bool and uint8"):
            kernels.mutual_information(self.IMAGES, ones)

    @pytest.mark.parametrize("fill", ["linear", "mean", "blur", "nearest", True, 0, [1, 0, 1], "image"])
    def test_reveal_gives_bools(self, fill):
        behind = (self.IMAGES[::-1], self.IMAGES[::-1].astype(np.uint8)) if fill == "image" else (fill, fill)
        behind = (behind[0], int(fill)) if fill is True else behind
        found = kernels.reveal(self.IMAGES, self.LEVELS, 4, behind[0])
        expected = kernels.reveal(self.IMAGES.astype(np.uint8), self.LEVELS, 4, behind[1])
        assert found.dtype == np.bool_
        assert expected.max() <= 1
        np.testing.assert_array_equal(found, expected != 0)
        in_jit = jax.jit(lambda x: kernels.reveal(x, self.LEVELS, 4, behind[0]))(self.IMAGES)
        assert in_jit.dtype == np.bool_
        np.testing.assert_array_equal(in_jit, found)

    def test_noise_is_a_share_of_the_largest_value(self):
        """Which is 1: the same draws as for floats, rounded and kept within 0 and 1."""
        plain = kernels.reveal(self.IMAGES.astype(np.float64), self.LEVELS, 2, "noisy_linear", noise=0.5)
        found = kernels.reveal(self.IMAGES, self.LEVELS, 2, "noisy_linear", noise=0.5)
        np.testing.assert_array_equal(found, np.rint(plain) >= 1)

    def test_a_colour_beyond_1_is_refused(self):
        with pytest.raises(ValueError, match="fill must be whole numbers from 0 to 1 for bool images; got 2"):
            kernels.reveal(self.IMAGES, self.LEVELS, 2, 2)

    def test_masks_may_be_bytes(self):
        assert_same(kernels.localization_scores(MAPS, MASKS), kernels.localization_scores(MAPS, MASKS.astype(np.uint8)))


class TestChannels:
    """`[B, H, W]` is a batch of grey images and an image of W channels; nothing tells which, so the caller does."""

    GREY = RNG.integers(0, 256, (8, 30, 20)).astype(np.uint8)

    def test_a_grey_batch_is_noticed(self):
        says = (
            r"images must be \[\.\.\., H, W, C\], and a last axis of 20 may be a width.* write images\[\.\.\., None\]"
        )
        for call in (
            lambda x: kernels.histogram_entropy(x),
            lambda x: kernels.mutual_information(x, x),
            jax.jit(kernels.histogram_entropy),
        ):
            with pytest.raises(ValueError, match=says):
                call(self.GREY)
        with pytest.raises(ValueError, match=r"got shape \(30, 20\): write images\[\.\.\., None\] for a grey image"):
            kernels.histogram_entropy(self.GREY[0])

    def test_channels_first_are_noticed(self):
        with pytest.raises(ValueError, match="move channels that come first to the end"):
            kernels.histogram_entropy(np.zeros((3, 30, 20), np.uint8))

    def test_levels_tell_which_it_is(self):
        levels = RNG.integers(0, 3, (30, 20)).astype(np.uint16)
        says = (
            r"levels must be \[\.\.\., 8, 30\] like images \(8, 30, 20\); got \(30, 20\): write images\[\.\.\., None\]"
        )
        with pytest.raises(ValueError, match=says):
            kernels.reveal(self.GREY, levels, 3)
        with pytest.raises(ValueError, match=says):
            kernels.reveal_chunks(self.GREY, levels, 3)
        assert kernels.reveal(self.GREY[..., None], levels, 3).shape == (8, 3, 30, 20, 1)
        many = RNG.integers(0, 256, (30, 20, 7)).astype(np.uint8)
        one_by_one = kernels.reveal(np.moveaxis(many, -1, 0)[..., None], levels, 3)
        np.testing.assert_array_equal(kernels.reveal(many, levels, 3), np.moveaxis(one_by_one[..., 0], 0, -1))

    def test_a_cube_is_ambiguous(self):
        with pytest.raises(ValueError, match=r"a last axis of 9 may be a width; got shape \(9, 9, 9\)"):
            kernels.reveal(np.zeros((9, 9, 9), np.uint8), np.zeros((9, 9), np.uint16), 1)
        kernels.reveal(np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4), np.uint16), 1)

    def test_many_channels_may_be_stated(self):
        images = RNG.integers(0, 256, (2, 9, 8, 7)).astype(np.uint8)
        flat = images.reshape(2, 9, 56, 1)
        assert_same(kernels.histogram_entropy(images, channels=7), kernels.histogram_entropy(flat))
        apart = np.moveaxis(images, -1, 0)[..., None]
        found = kernels.mutual_information(images, images[::-1], channels=np.int64(7))
        np.testing.assert_allclose(found, kernels.mutual_information(apart, apart[:, ::-1], bins=2).mean(axis=0))
        for channels in (8, 3):
            with pytest.raises(ValueError, match=f"channels must be the last axis of images, 7; got {channels}"):
                kernels.histogram_entropy(images, channels=channels)

    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_few_channels_need_not(self, channels):
        images = RNG.integers(0, 256, (6, 5, channels)).astype(np.uint8)
        assert_same(kernels.histogram_entropy(images, channels=channels), kernels.histogram_entropy(images))


class TestMaskedArrays:
    def test_masked_values_are_refused(self):
        maps = np.ma.masked_greater(MAPS, 1.0)
        says = rf"maps must have no masked values; got {maps.mask.sum()} of 40 masked: fill them, or leave them out"
        with pytest.raises(TypeError, match=says):
            kernels.reveal_levels(maps, 4)
        with pytest.raises(TypeError, match="always must have no masked values"):
            kernels.reveal_levels(jnp.asarray(MAPS), 4, np.ma.masked_array(MASKS, MASKS))

    def test_nothing_masked_is_fine(self):
        for mask in (False, np.zeros(MAPS.shape, bool), np.ma.nomask):
            assert_same(kernels.reveal_levels(np.ma.masked_array(MAPS, mask), 4), kernels.reveal_levels(MAPS, 4))


class TestFloat64NextToJax:
    """JAX would make float32 of it in silence; which values count must not depend on who called."""

    CALLS: ClassVar = {
        "attribution": lambda x: kernels.rank_regions(x, jnp.asarray(SETS)),
        "maps": lambda x: kernels.localization_scores(x, jnp.asarray(MASKS)),
        "a": lambda x: kernels.similarity(x, jnp.asarray(MAPS)),
        "b": lambda x: kernels.similarity(jnp.asarray(MAPS), x),
        "fill": lambda x: kernels.reveal(jnp.asarray(MAPS[..., None]), LEVELS, 4, x[..., None]),
        "images": lambda x: kernels.reveal(x[..., None], jnp.asarray(LEVELS), 4),
        "references": lambda x: kernels.mutual_information(jnp.asarray(MAPS[..., None]), x[..., None]),
    }

    @pytest.mark.parametrize("name", sorted(CALLS))
    def test_is_refused_without_x64(self, name):
        says = f"{name} must be float32 next to a JAX array, because jax_enable_x64 is off; got float64"
        with pytest.raises(TypeError, match=says):
            self.CALLS[name](MAPS.astype(np.float64))
        self.CALLS[name](MAPS)

    def test_is_float64_with_x64(self):
        maps = RNG.normal(size=(2, 4, 5))
        with jax.enable_x64(True):
            found = kernels.localization_scores(maps, jnp.asarray(MASKS))
        assert_same(found, kernels.localization_scores(maps, MASKS))

    def test_options_are_numbers_not_arrays(self):
        found = kernels.reveal(jnp.asarray(MAPS[..., None]), LEVELS, 4, np.float64(0.1))
        assert_same(found, kernels.reveal(MAPS[..., None], LEVELS, 4, 0.1))


def test_scalars_of_every_library_are_numbers():
    maps = MAPS.astype(np.float64)
    expected = kernels.top_k_threshold(maps, 25.0)
    scalars = (25, np.float32(25), np.float16(25), np.int8(25), np.array(25.0), ml_dtypes.bfloat16(25), jnp.float32(25))
    for percent in scalars:
        assert_same(kernels.top_k_threshold(maps, percent), expected)
    shares = (0.25, 0.5)
    expected = kernels.reveal_levels(maps, shares)
    for given in (list(shares), np.array(shares), np.array(shares, np.float16), jnp.asarray(shares), map_to(shares)):
        assert_same(kernels.reveal_levels(maps, given), expected)


def map_to(shares):
    return [np.float32(share) for share in shares]


def test_the_home_of_a_result():
    """JAX's where one argument is JAX's, else NumPy's."""
    assert isinstance(kernels.histogram_entropy(jnp.zeros((4, 4, 1))), jax.Array)
    assert isinstance(kernels.similarity(MAPS, jnp.asarray(MAPS))["pearson"], jax.Array)
    assert isinstance(kernels.random_mask((4, 4), 0.5, jnp.int32(1)), jax.Array)
    for name, (kernel, arrays) in EVERY_ARRAY.items():
        assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(kernel(*arrays))), name
    # Chunks are made on the host, for any array that has values.
    image, levels = jnp.zeros((4, 5, 1), jnp.bfloat16), jnp.asarray(LEVELS)
    assert all(isinstance(stack, np.ndarray) for *_, stack in kernels.reveal_chunks(image, levels, 3))
