"""Reveal as a whole: every fill and backend through the same body, shapes, directions, threads, chunks, errors."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import kstest

from xaijax import kernels

DTYPES = ("uint8", "uint16", "float32", "float64")


def random_image(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if dtype.startswith("uint"):
        return rng.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


def random_levels(rng: np.random.Generator, shape: tuple[int, ...], num_levels: int) -> np.ndarray:
    return rng.integers(0, num_levels + 1, shape).astype(np.uint16)


def background_of(image: np.ndarray, fill: object) -> np.ndarray:
    """NumPy's and SciPy's answer for the fills that do not depend on the levels."""
    if isinstance(fill, str) and fill == "mean":
        mean = image.astype(np.float64).mean(axis=(0, 1))
        return (np.rint(mean) if image.dtype.kind == "u" else mean).astype(image.dtype)
    if isinstance(fill, str):
        smooth = gaussian_filter(image.astype(np.float64), (10, 10, 0), mode="reflect", truncate=4.0)
        return (np.rint(smooth) if image.dtype.kind == "u" else smooth).astype(image.dtype)
    return np.asarray(fill).astype(image.dtype)


@pytest.fixture(params=["native", "numba"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XAIJAX_BACKEND", request.param)
    return request.param


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fill", ["mean", "blur", "black", "colour", "image"])
@pytest.mark.parametrize("direction", ["insertion", "deletion"])
def test_backgrounds(backend: str, dtype: str, fill: str, direction: str) -> None:
    rng = np.random.default_rng(0)
    image, levels = random_image(rng, (19, 23, 3), dtype), random_levels(rng, (19, 23), 4)
    behind = {"black": 0, "colour": [1, 2, 3], "image": random_image(rng, (19, 23, 3), dtype)}.get(fill, fill)
    got = kernels.reveal(image, levels, 4, behind, direction=direction)
    for i in range(4):
        known = (levels <= i) if direction == "insertion" else (levels == 0) | (levels > i)
        expected = np.where(known[..., None], image, background_of(image, behind))
        np.testing.assert_array_equal(got[i][known], image[known])
        if fill in ("black", "colour", "image") or dtype.startswith("uint"):
            np.testing.assert_array_equal(got[i], expected)
        else:
            np.testing.assert_allclose(got[i], expected, rtol=0, atol=1e-6 if dtype == "float32" else 1e-12)


def test_mean_of_integers_is_exact() -> None:
    image = np.full((2, 2, 2), 4, np.uint8)
    image[0, :, 0] = 5  # 4.5 and, in the other channel, 4
    image[0, 0, 0] = 7  # 5
    np.testing.assert_array_equal(kernels.reveal(image, np.ones((2, 2), np.uint16), 1, "mean")[0, 1, 1], [5, 4])
    image[0, 0, 0] = 5  # 4.5 -> 4
    np.testing.assert_array_equal(kernels.reveal(image, np.ones((2, 2), np.uint16), 1, "mean")[0, 1, 1], [4, 4])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (6, 1), (2, 2), (2, 11), (9, 12)])
def test_linear_backends_agree(dtype: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two independent ways: one incremental triangulation in C++, SciPy's per level with merged cells."""
    rng = np.random.default_rng(1)
    image = random_image(rng, (*size, 2), dtype)
    for num_levels in (1, 5):
        for direction in ("insertion", "deletion"):
            levels = random_levels(rng, size, num_levels)
            got = []
            for name in ("native", "numba"):
                monkeypatch.setenv("XAIJAX_BACKEND", name)
                got.append(kernels.reveal(image, levels, num_levels, direction=direction))
            if dtype.startswith("uint"):
                np.testing.assert_array_equal(*got)
            else:
                np.testing.assert_allclose(*got, rtol=0, atol=1e-6 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (11, 14)])
def test_nearest(backend: str, dtype: str, size: tuple[int, int]) -> None:
    """Against all distances: the mean of all pixels at the smallest one, as fractions."""
    rng = np.random.default_rng(8)
    for share in (0.0, 0.05, 0.4, 1.0):
        image, known = random_image(rng, (*size, 2), dtype), rng.random(size) < share
        got = kernels.reveal(image, np.where(known, 0, 1).astype(np.uint16), 1, "nearest")[0]
        known[[0, 0, -1, -1], [0, -1, 0, -1]] = True
        points = np.argwhere(known)
        np.testing.assert_array_equal(got[known], image[known])
        for y, x in np.argwhere(~known):
            distance = ((points - (y, x)) ** 2).sum(axis=1)
            tied = [tuple(p) for p in points[distance == distance.min()]]
            for c in range(2):
                mean = sum(Fraction(image[(*p, c)].item()) for p in tied) / len(tied)
                if dtype.startswith("uint"):
                    assert got[y, x, c] == round(mean)
                else:
                    assert abs(float(got[y, x, c]) - float(mean)) < (1e-6 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_noisy_linear_solves_its_equations(backend: str, dtype: str) -> None:
    rng = np.random.default_rng(9)
    image, levels = random_image(rng, (13, 10, 2), dtype), random_levels(rng, (13, 10), 3)
    for step, stack in enumerate(kernels.reveal(image, levels, 3, "noisy_linear", noise=0.0)):
        known = levels <= step
        np.testing.assert_array_equal(stack[known], image[known])
        padded = np.pad(stack.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
        inside = np.pad(np.ones((13, 10, 1)), ((1, 1), (1, 1), (0, 0)))
        total = weight = 0.0
        for dy, dx in np.ndindex(3, 3):
            share = 0.0 if (dy, dx) == (1, 1) else 1 / 6 if 1 in (dy, dx) else 1 / 12
            total = total + share * padded[dy : dy + 13, dx : dx + 10]
            weight = weight + share * inside[dy : dy + 13, dx : dx + 10]
        atol = {"float64": 1e-9, "float32": 1e-6}.get(dtype, 1.0)  # each integer is rounded by up to a half
        np.testing.assert_allclose(stack[~known], (total / weight)[~known], rtol=0, atol=atol)


def test_noisy_linear_over_wide_holes() -> None:
    """Holes of all sizes and five channels: the equations, and no value beyond those that are known."""
    rng = np.random.default_rng(11)
    image, levels = rng.random((67, 90, 5)), np.full((67, 90), 3, np.uint16)
    levels[rng.random(levels.shape) < 0.3] = 2
    levels[20:40, :50] = np.where(rng.random((20, 50)) < 0.6, 1, 3)
    levels[[0, 33, 60, 66], [70, 4, 89, 10]] = 0
    stacks = kernels.reveal(image, levels, 3, "noisy_linear", noise=0.0)
    for step, stack in enumerate(stacks):
        known = levels <= step
        total, weight = np.zeros_like(stack), np.zeros((67, 90, 1))
        for dy, dx in np.ndindex(3, 3):
            share = 0.0 if (dy, dx) == (1, 1) else 1 / 6 if 1 in (dy, dx) else 1 / 12
            total += share * np.pad(stack, ((1, 1), (1, 1), (0, 0)))[dy : dy + 67, dx : dx + 90]
            weight += share * np.pad(np.ones((67, 90, 1)), ((1, 1), (1, 1), (0, 0)))[dy : dy + 67, dx : dx + 90]
        np.testing.assert_allclose(stack[~known], (total / weight)[~known], rtol=0, atol=1e-8)
        assert (stack.min((0, 1)) >= image[known].min(0) - 1e-8).all()
        assert (stack.max((0, 1)) <= image[known].max(0) + 1e-8).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_noisy_linear_backends_agree(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conjugate gradients against SciPy's direct solver, and the same noise."""
    rng = np.random.default_rng(10)
    image, levels = random_image(rng, (12, 15, 2), dtype), random_levels(rng, (12, 15), 3)
    got = []
    for name in ("native", "numba"):
        monkeypatch.setenv("XAIJAX_BACKEND", name)
        got.append(kernels.reveal(image, levels, 3, "noisy_linear", seed=5).astype(np.float64))
    # Within rounding; an integer may fall to either side of a half.
    np.testing.assert_allclose(*got, rtol=0, atol={"float64": 1e-8, "float32": 1e-6}.get(dtype, 1.0))
    if dtype.startswith("uint"):
        assert (got[0] != got[1]).mean() < 1e-3


def test_noise_is_normal_and_seeded() -> None:
    image, levels = np.zeros((64, 64, 3)), np.ones((64, 64), np.uint16)
    draws = kernels.reveal(image, levels, 1, "noisy_linear", noise=1.0, seed=1)[0]
    assert kstest(draws.ravel(), "norm").pvalue > 0.01
    np.testing.assert_array_equal(draws, kernels.reveal(image, levels, 1, "noisy_linear", noise=1.0, seed=1)[0])
    other = kernels.reveal(image, levels, 1, "noisy_linear", noise=1.0, seed=2)[0]
    assert abs(np.corrcoef(draws.ravel(), other.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("fill", ["linear", "mean", "blur", "nearest"])
def test_deletion_is_insertion_read_backwards(fill: str) -> None:
    rng = np.random.default_rng(2)
    image, levels = random_image(rng, (21, 18, 3), "uint8"), random_levels(rng, (21, 18), 5)
    deleted = kernels.reveal(image, levels, 5, fill, direction="deletion")
    np.testing.assert_array_equal(deleted[0], image)
    for i in range(5):
        hidden = (levels >= 1) & (levels <= i)
        np.testing.assert_array_equal(deleted[i], kernels.reveal(image, hidden.astype(np.uint16), 1, fill)[0])


@pytest.mark.parametrize("fill", ["linear", "mean", 3])
def test_leading_axes_broadcast(backend: str, fill: object) -> None:
    rng = np.random.default_rng(3)
    images, levels = random_image(rng, (2, 1, 9, 8, 2), "uint8"), random_levels(rng, (3, 9, 8), 3)
    levels[1] = np.where(levels[0] == 0, 0, np.maximum(levels[1], 1))  # shares the first level with map 0
    got = kernels.reveal(images, levels, 3, fill)
    assert got.shape == (2, 3, 3, 9, 8, 2)
    for b in range(2):
        for m in range(3):
            np.testing.assert_array_equal(got[b, m], kernels.reveal(images[b, 0], levels[m], 3, fill))
    one = kernels.reveal(images[0, 0], levels, 3, fill)
    np.testing.assert_array_equal(one, got[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fill", ["linear", "mean", "blur", "nearest", "noisy_linear"])
def test_same_bytes_at_any_thread_count(dtype: str, fill: str) -> None:
    rng = np.random.default_rng(4)
    images, levels = random_image(rng, (7, 33, 29, 3), dtype), random_levels(rng, (7, 33, 29), 6)
    one = kernels.reveal(images, levels, 6, fill, num_threads=1)
    for threads in (2, 5, None):
        assert one.tobytes() == kernels.reveal(images, levels, 6, fill, num_threads=threads).tobytes()
    maps = kernels.reveal(images[0], levels, 6, fill, num_threads=1)
    assert maps.tobytes() == kernels.reveal(images[0], levels, 6, fill, num_threads=3).tobytes()


@pytest.mark.parametrize("fill", ["linear", "blur", 7, "image"])
@pytest.mark.parametrize("direction", ["insertion", "deletion"])
def test_chunks_put_together_are_the_whole(fill: object, direction: str) -> None:
    rng = np.random.default_rng(5)
    for shape, level_shape in (((3, 10, 12, 2), (3, 10, 12)), ((10, 12, 2), (4, 10, 12))):
        images, levels = random_image(rng, shape, "uint8"), random_levels(rng, level_shape, 5)
        behind = random_image(rng, shape, "uint8") if fill == "image" else fill
        whole = kernels.reveal(images, levels, 5, behind, direction=direction)
        for max_bytes in (1, 240, 500, 1200, 2400, 1 << 20):
            parts = np.zeros_like(whole)
            for m, i, stack in kernels.reveal_chunks(
                images, levels, 5, behind, max_bytes=max_bytes, direction=direction
            ):
                assert stack.nbytes <= max(max_bytes, 240)
                parts[m : m + stack.shape[0], i : i + stack.shape[1]] = stack
            np.testing.assert_array_equal(parts, whole)


def test_reads_dlpack_and_array_interface_without_a_copy() -> None:
    class Tensor:
        def __init__(self, array: np.ndarray) -> None:
            self.array = array

        def __dlpack__(self, **options: object) -> object:
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self) -> tuple[int, int]:
            return self.array.__dlpack_device__()

    rng = np.random.default_rng(6)
    image, levels = random_image(rng, (8, 8, 3), "float32"), random_levels(rng, (8, 8), 2)
    expected = kernels.reveal(image, levels, 2)
    np.testing.assert_array_equal(kernels.reveal(Tensor(image), Tensor(levels), 2), expected)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (((4, 4), "uint8", (4, 4), 1), ValueError, "images must be"),
        (((4, 4, 1), "int32", (4, 4), 1), TypeError, "got int32"),
        (((4, 4, 1), "uint8", (4, 5), 1), ValueError, "levels must be"),
        (((4, 4, 1), "uint8", (4, 4), 0), ValueError, "num_levels"),
        (((4, 4, 1), "uint8", (4, 4), 70000), ValueError, "num_levels"),
        (((2, 4, 4, 1), "uint8", (3, 4, 4), 1), ValueError, "broadcast"),
        (((4, 4, 1), "uint8", (4, 4), 1, "cubic"), ValueError, "fill must be"),
        (((4, 4, 1), "uint8", (4, 4), 1, 256), ValueError, "0 to 255"),
        (((4, 4, 1), "uint8", (4, 4), 1, 0.5), ValueError, "whole numbers"),
        (((4, 4, 3), "uint8", (4, 4), 1, [1, 2]), ValueError, "one per channel"),
        (((4, 4, 3), "uint8", (4, 4), 1, np.zeros((4, 4, 1), np.uint8)), ValueError, "fill must be"),
        (((4, 4, 3), "uint8", (4, 4), 1, np.zeros((4, 4, 3), np.float32)), TypeError, "fill must be"),
        (((1, 16385, 1), "uint8", (1, 16385), 1), ValueError, "16384"),
    ],
)
def test_errors(backend: str, arguments: tuple, error: type[Exception], words: str) -> None:
    shape, dtype, level_shape, *rest = arguments
    with pytest.raises(error, match=words):
        kernels.reveal(np.zeros(shape, dtype), np.zeros(level_shape, np.uint16), *rest)


def test_options_are_checked() -> None:
    image, levels = np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4), np.uint16)
    with pytest.raises(ValueError, match="direction"):
        kernels.reveal(image, levels, 1, direction="backwards")
    with pytest.raises(ValueError, match="sigma"):
        kernels.reveal(image, levels, 1, "blur", sigma=0.0)
    with pytest.raises(TypeError, match="uint16"):
        kernels.reveal(image, levels.astype(np.int64), 1)
    with pytest.raises(ValueError, match=r"levels must be \[\.\.\., 4, 8\] like images"):
        kernels.reveal(np.zeros((4, 8, 1), np.uint8), levels, 1)
    with pytest.raises(ValueError, match="max_bytes"):
        next(kernels.reveal_chunks(image, levels, 1, max_bytes=0))
