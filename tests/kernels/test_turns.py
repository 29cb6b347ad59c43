"""A flipped or transposed input gives the flipped or transposed output, bit for bit for images of integers.

What is left to other files: the linear fill in all dtypes (test_reveal_linear.py), thresholds, similarity and
localization scores (their own files). `noisy_linear` is an iterative solution, equal up to its tolerance alone.
"""

from collections.abc import Callable

import numpy as np
import pytest

from xaijax import kernels

SIDE, WIDTH = 111, 104
RNG = np.random.default_rng(5)
IMAGE = RNG.integers(0, 256, (SIDE, WIDTH, 3)).astype(np.uint8)
OTHER = np.maximum(IMAGE, RNG.integers(0, 256, IMAGE.shape).astype(np.uint8))
BEHIND = RNG.integers(0, 256, IMAGE.shape).astype(np.uint8)
MAP = np.round(RNG.normal(size=(SIDE, WIDTH)), 1).astype(np.float32)  # with ties
FRACTIONS = (0.02, 0.1, 0.4, 0.9)
TURNS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "upside down": lambda a, axis: np.flip(a, axis),
    "left to right": lambda a, axis: np.flip(a, axis + 1),
    "transposed": lambda a, axis: np.swapaxes(a, axis, axis + 1),
}


@pytest.fixture(params=TURNS)
def turn(request) -> Callable[..., np.ndarray]:
    return lambda array, axis=0: np.ascontiguousarray(TURNS[request.param](array, axis))


@pytest.mark.parametrize("fill", ["linear", "nearest", "mean", "blur", "colour", "image"])
@pytest.mark.parametrize("direction", ["insertion", "deletion"])
def test_reveal(native, turn, fill, direction):
    levels = kernels.reveal_levels(MAP, FRACTIONS)
    behind = {"colour": [3, 2, 1], "image": BEHIND}.get(fill, fill)
    turned = {"colour": [3, 2, 1], "image": turn(BEHIND)}.get(fill, fill)
    whole = kernels.reveal(IMAGE, levels, 5, behind, direction=direction)
    found = kernels.reveal(turn(IMAGE), turn(levels), 5, turned, direction=direction)
    np.testing.assert_array_equal(found, turn(whole, 1))


def test_levels(native, turn):
    np.testing.assert_array_equal(
        kernels.reveal_levels(turn(MAP), FRACTIONS), turn(kernels.reveal_levels(MAP, FRACTIONS))
    )


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_entropy_and_information(native, turn, dtype):
    """Also of reals: whole numbers are counted, and their order changes nothing."""
    image, other = IMAGE.astype(dtype), OTHER.astype(dtype)
    assert kernels.histogram_entropy(turn(image)) == kernels.histogram_entropy(image)
    # Rows and columns of the joint histogram do not move; the sums over them are the same.
    assert kernels.mutual_information(turn(image), turn(other)) == kernels.mutual_information(image, other)
    assert kernels.mutual_information(image, other) > 0.1
