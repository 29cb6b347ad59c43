"""Sizes whose products need more than 32 bits: refused in one sentence, or handled, without ever having the memory."""

import jax
import numpy as np
import pytest

from xaijax import kernels

HUGE = (1 << 16, 1 << 16)  # 2^32 pixels
LARGE = (46341, 46341)  # a little more than 2^31


def spec(shape, dtype=np.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


# Traced with shapes alone: the validation is that of the NumPy faces, and nothing is allocated.
CALLS = {
    "histogram_entropy": lambda h, w: jax.eval_shape(kernels.histogram_entropy, spec((h, w, 3))),
    "mutual_information": lambda h, w: jax.eval_shape(
        kernels.mutual_information, spec((2, h, w, 3), np.uint8), spec((h, w, 3), np.uint8)
    ),
    "reveal_levels": lambda h, w: jax.eval_shape(lambda m: kernels.reveal_levels(m, (0.5,)), spec((h, w))),
    "reveal": lambda h, w: jax.eval_shape(
        lambda x, v: kernels.reveal(x, v, 3, 0), spec((h, w, 1), np.uint8), spec((h, w), np.uint16)
    ),
    "top_k_threshold": lambda h, w: jax.eval_shape(lambda m: kernels.top_k_threshold(m, 10.0), spec((h, w))),
    "ebayes_threshold": lambda h, w: jax.eval_shape(kernels.ebayes_threshold, spec((2, h, w))),
    "similarity": lambda h, w: jax.eval_shape(kernels.similarity, spec((h, w)), spec((h, w))),
    "localization_scores": lambda h, w: jax.eval_shape(
        kernels.localization_scores, spec((h, w)), spec((h, w), np.uint8)
    ),
    "rank_regions": lambda h, w: jax.eval_shape(kernels.rank_regions, spec((h, w)), spec((4, h, w), np.uint8)),
}


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize("size", [HUGE, LARGE, (1, 1 << 31), (1 << 40, 3)])
def test_more_pixels_than_31_bits_are_refused(name, size):
    with pytest.raises(ValueError, match=rf"must have at most 2\^31 - 1 pixels each; got {size[0]} x {size[1]}"):
        CALLS[name](*size)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_batches_of_more_than_32_bits_are_taken(name):
    """The batch times the pixels may be anything: 2^20 maps of 2^16 pixels, or one of nearly 2^31."""
    CALLS[name](46340, 46340)
    jax.eval_shape(lambda m: kernels.reveal_levels(m, (0.5,)), spec((1 << 20, 1 << 8, 1 << 8)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numpy_faces_refuse_before_they_read(tmp_path, dtype):
    """An array over a file with a hole: of the size asked for, and without memory behind it."""
    path = tmp_path / "hole"
    with path.open("wb") as file:
        file.truncate(HUGE[0] * HUGE[1] * np.dtype(dtype).itemsize)
    maps = np.memmap(path, dtype, mode="r", shape=HUGE)
    says = r"must have at most 2\^31 - 1 pixels each; got 65536 x 65536"
    for call in (
        lambda: kernels.reveal_levels(maps, (0.5,)),
        lambda: kernels.top_k_threshold(maps, 10.0),
        lambda: kernels.ebayes_threshold(maps),
        lambda: kernels.similarity(maps, maps),
        lambda: kernels.localization_scores(maps, np.zeros((1, 1), bool)),
        lambda: kernels.rank_regions(maps, np.zeros((1, 1, 1), bool)),
        lambda: kernels.histogram_entropy(maps[..., None]),
        lambda: kernels.mutual_information(maps[..., None], maps[..., None]),
    ):
        with pytest.raises(ValueError, match=says):
            call()


def test_random_masks_stay_below_32_bits():
    with pytest.raises(ValueError, match=r"fewer than 2\*\*32 pixels"):
        kernels.random_mask(HUGE, 0.1, 0)


def test_sides_of_the_linear_fill_are_limited():
    with pytest.raises(ValueError, match="takes sides up to 16384 pixels; got 20000 x 10"):
        jax.eval_shape(lambda x, v: kernels.reveal(x, v, 2), spec((20000, 10, 1)), spec((20000, 10), np.uint16))


def test_options_beyond_64_bits():
    """Radii and counts larger than the map make no difference, however large."""
    values = np.random.default_rng(0).random((2, 7, 9))
    masks = np.random.default_rng(1).random((3, 7, 9)) > 0.8
    far = kernels.rank_regions(values, masks, 16, min_pixels=1)
    np.testing.assert_array_equal(kernels.rank_regions(values, masks, 10**30, min_pixels=1).ranks, far.ranks)
    none = kernels.rank_regions(values, masks, min_pixels=10**30)
    assert (none.ranks == 1).all()
    score = kernels.localization_scores(values, masks[0], scores="pointing_game", tolerance=1e300)
    assert (score.values["pointing_game"] == 1.0).all()


def test_options_beyond_64_bits_in_jax():
    values = np.random.default_rng(0).random((2, 7, 9)).astype(np.float32)
    masks = np.random.default_rng(1).random((3, 7, 9)) > 0.8
    found = jax.jit(lambda v, m: kernels.rank_regions(v, m, 10**30, min_pixels=1))(values, masks)
    np.testing.assert_array_equal(found.ranks, kernels.rank_regions(values, masks, 16, min_pixels=1).ranks)
