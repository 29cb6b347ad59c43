"""The linear fill: closed forms, an exact brute-force Delaunay oracle, SciPy where it has no choice, symmetry."""

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay

from xaijax import kernels

DTYPES = ("uint8", "uint16", "float32", "float64")


def random_image(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if dtype.startswith("uint"):
        return rng.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


def masks(rng: np.random.Generator, height: int, width: int) -> Iterator[tuple[str, np.ndarray]]:
    """Known pixels: random shares, and patterns full of co-circular and collinear points."""
    y, x = np.mgrid[:height, :width]
    for share in (0.0, 0.02, 0.1, 0.3, 0.5, 0.75, 0.95):
        yield f"random {share}", rng.random((height, width)) < share
    yield "all", np.ones((height, width), bool)
    yield "rows", y % 3 == 0
    yield "columns", x % 4 == 1
    yield "checkerboard", (x + y) % 2 == 0
    yield "coarse checkerboard", (x // 2 + y // 3) % 2 == 0
    yield "lattice", (x % 3 == 0) & (y % 3 == 0)
    yield "one pixel", (x == width // 3) & (y == height // 2)
    yield "frame", (x == 0) | (y == 0) | (x == width - 1) | (y == height - 1)
    for radius2 in (5, 25, 65):
        yield f"circle {radius2}", (x - width // 2) ** 2 + (y - height // 2) ** 2 == radius2
    yield "disc", (x - width // 2) ** 2 + (y - height // 2) ** 2 <= 20


def with_corners(known: np.ndarray) -> np.ndarray:
    known = known.copy()
    known[[0, 0, -1, -1], [0, -1, 0, -1]] = True
    return known


def area2(a: tuple, b: tuple, c: tuple) -> int:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def wachspress(cell: list[tuple], p: tuple) -> list[Fraction]:
    """Wachspress coordinates by their definition; on an edge the linear ones of its ends."""
    n = len(cell)
    sides = [area2(p, cell[i], cell[(i + 1) % n]) for i in range(n)]
    if 0 in sides:
        i = sides.index(0)
        a, b = cell[i], cell[(i + 1) % n]
        axis = 0 if a[0] != b[0] else 1
        t = Fraction(p[axis] - a[axis], b[axis] - a[axis])
        return [1 - t if j == i else t if j == (i + 1) % n else Fraction(0) for j in range(n)]
    raw = [Fraction(area2(cell[i - 1], cell[i], cell[(i + 1) % n]), sides[i - 1] * sides[i]) for i in range(n)]
    return [w / sum(raw) for w in raw]


def in_circle(a: tuple, b: tuple, c: tuple, p: np.ndarray) -> np.ndarray:
    """Above 0 inside the circle through a, b, c (which turn so that area2 > 0), 0 on it; p `[N, 2]`."""
    ax, bx, cx = (q[0] - p[:, 0] for q in (a, b, c))
    ay, by, cy = (q[1] - p[:, 1] for q in (a, b, c))
    a2, b2, c2 = ax * ax + ay * ay, bx * bx + by * by, cx * cx + cy * cy
    return a2 * (bx * cy - by * cx) - b2 * (ax * cy - ay * cx) + c2 * (ax * by - ay * bx)


def all_cells(points: list[tuple]) -> list[list[tuple]]:
    """The Delaunay cells by exhaustion: every circle through three points that holds no other, and all points on it."""
    array = np.array(points)
    cells: dict[frozenset, list[tuple]] = {}
    for a, b, c in itertools.combinations(points, 3):
        turn = area2(a, b, c)
        if turn == 0:
            continue
        sign = in_circle(*((a, b, c) if turn > 0 else (a, c, b)), array)
        if (sign > 0).any():
            continue
        on = [points[i] for i in np.flatnonzero(sign == 0)]
        centre = np.mean(on, axis=0)
        cells[frozenset(on)] = sorted(on, key=lambda q, m=centre: math.atan2(q[1] - m[1], q[0] - m[0]))
    return list(cells.values())


def cell_of(cells: list[list[tuple]], p: tuple) -> list[tuple]:
    return next(cell for cell in cells if all(area2(p, cell[i - 1], cell[i]) >= 0 for i in range(len(cell))))


def exact_fill(image: np.ndarray, known: np.ndarray) -> list[tuple[tuple[int, int], list[Fraction], list[tuple]]]:
    """For each unknown pixel: its place, the exact value per channel, and the cell."""
    points = [(int(x), int(y)) for y, x in np.argwhere(known)]
    cells = all_cells(points)
    found = []
    for y, x in np.argwhere(~known):
        cell = cell_of(cells, (int(x), int(y)))
        weights = wachspress(cell, (int(x), int(y)))
        values = [
            sum(w * Fraction(image[q[1], q[0], c].item()) for w, q in zip(weights, cell, strict=True))
            for c in range(image.shape[2])
        ]
        found.append(((int(y), int(x)), values, cell))
    return found


@pytest.mark.parametrize("size", [(2, 2), (2, 5), (5, 2), (4, 4), (7, 6), (8, 9)])
def test_exhaustive_oracle(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(size))
    for name, known in masks(rng, *size):
        known = with_corners(known)
        if known.sum() > 20:  # exhaustion is cubic
            known &= with_corners(rng.random(size) < 12 / known.sum())
        levels = np.where(known, 0, 1).astype(np.uint16)
        images = {dtype: random_image(rng, (*size, 2), dtype) for dtype in DTYPES}
        images["uint8"][..., 1] = images["uint8"][..., 1] % 2  # many values exactly between two integers
        rebuilt = {dtype: kernels.reveal(image, levels, 1)[0] for dtype, image in images.items()}
        for dtype, image in images.items():
            np.testing.assert_array_equal(rebuilt[dtype][known], image[known], err_msg=name)
            for (y, x), values, _ in exact_fill(image, known):
                got = rebuilt[dtype][y, x]
                if dtype.startswith("uint"):
                    assert [int(v) for v in got] == [round(v) for v in values], (name, dtype, y, x)
                else:
                    scale = 1e-12 if dtype == "float64" else 4e-7
                    np.testing.assert_allclose(got, [float(v) for v in values], rtol=0, atol=scale * 5, err_msg=name)


def test_large_cells_round_exactly() -> None:
    """Cells whose weights do not fit 64 bits: 12 points on a circle of radius 65 and more, values that tie."""
    rng = np.random.default_rng(7)
    size = 141
    y, x = np.mgrid[:size, :size]
    known = (x - 70) ** 2 + (y - 70) ** 2 == 65**2
    assert known.sum() == 36
    levels = np.where(known, 0, 1).astype(np.uint16)
    known = with_corners(known)
    cell = [(int(b), int(a)) for a, b in np.argwhere(known) if (b - 70) ** 2 + (a - 70) ** 2 == 65**2]
    cell.sort(key=lambda q: math.atan2(q[1] - 70, q[0] - 70))
    noise = rng.integers(0, 65536, (size, size, 1)).astype(np.uint16)
    # Point reflection about the centre swaps 0 and 1: the centre pixel, and only it in general, is exactly 1/2 + k.
    odd = np.where((y > 70) | ((y == 70) & (x > 70)), 5, 4).astype(np.uint16)[..., None]
    image = np.concatenate([noise, odd], axis=-1)
    got = kernels.reveal(image, levels, 1)[0]
    for p in [(70, 70), (71, 70), (30, 60), (100, 90), (70, 20), (6, 70), (25, 25)]:
        weights = wachspress(cell, p)
        for c in range(2):
            value = sum(w * int(image[q[1], q[0], c]) for w, q in zip(weights, cell, strict=True))
            assert got[p[1], p[0], c] == round(value), p
    assert sum(w * int(odd[q[1], q[0], 0]) for w, q in zip(wachspress(cell, (70, 70)), cell, strict=True)) == Fraction(
        9, 2
    )
    for turned in (np.flip(image, 0), np.flip(image, 1), np.swapaxes(image, 0, 1)):
        turned = np.ascontiguousarray(turned)
        back = kernels.reveal(turned, levels, 1)[0]  # the mask is symmetric
        np.testing.assert_array_equal(back[known], turned[known])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(23, 17), (40, 64)])
def test_planes_are_exact(dtype: str, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[: size[0], : size[1]]
    image = np.stack([2 * x + y, 250 - x - y, 0 * x + 9], axis=-1).astype(dtype)
    for name, known in masks(rng, *size):
        got = kernels.reveal(image, np.where(known, 0, 1).astype(np.uint16), 1)[0]
        if dtype.startswith("uint"):
            np.testing.assert_array_equal(got, image, err_msg=name)
        else:
            np.testing.assert_allclose(got, image, rtol=1e-6 if dtype == "float32" else 1e-12, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_agrees_with_scipy_in_triangles_and_stays_in_range_elsewhere(dtype: str) -> None:
    rng = np.random.default_rng(2)
    size = (25, 31)
    triangles = 0
    for name, known in masks(rng, *size):
        known = with_corners(known)
        unknown = np.argwhere(~known)
        if len(unknown) == 0:
            continue
        image = random_image(rng, (*size, 3), dtype)
        got = kernels.reveal(image, np.where(known, 0, 1).astype(np.uint16), 1)[0]
        points = np.argwhere(known)
        mesh = Delaunay(points)
        scipys = LinearNDInterpolator(mesh, image[known].astype(float))(unknown)
        cells = co_circular_cells(mesh, points)
        own = [cells[s] for s in mesh.find_simplex(unknown)]
        for (y, x), value, cell in zip(unknown, scipys, own, strict=True):
            vertices = image[tuple(points[sorted(cell)].T)]
            low, high = vertices.min(axis=0), vertices.max(axis=0)
            assert ((got[y, x] >= low) & (got[y, x] <= high)).all(), (name, y, x)
            if len(cell) == 3:
                triangles += 1
                if dtype.startswith("uint"):
                    # SciPy's own float error may fall on either side of a half.
                    assert (np.abs(got[y, x] - value) <= 0.5 + 1e-9).all(), (name, y, x)
                else:
                    np.testing.assert_allclose(got[y, x], value, rtol=0, atol=1e-6 if dtype == "float32" else 1e-11)
    assert triangles > 500


def co_circular_cells(mesh: Delaunay, points: np.ndarray) -> list[set[int]]:
    """For each simplex the vertices of all simplices that share its circle, by exact integers."""
    parent = list(range(len(mesh.simplices)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    for i, (simplex, around) in enumerate(zip(mesh.simplices, mesh.neighbors, strict=True)):
        for j in around:
            if j > i:
                apex = next(v for v in mesh.simplices[j] if v not in simplex)
                d = [[int(u) for u in points[v] - points[apex]] for v in simplex]
                lifted = [[*u, u[0] ** 2 + u[1] ** 2] for u in d]
                (a, b, c), (e, f, g), (h, k, m) = lifted
                if a * (f * m - g * k) - b * (e * m - g * h) + c * (e * k - f * h) == 0:
                    parent[root(i)] = root(j)
    cells: dict[int, set[int]] = {}
    for i, simplex in enumerate(mesh.simplices):
        cells.setdefault(root(i), set()).update(int(v) for v in simplex)
    return [cells[root(i)] for i in range(len(parent))]


@pytest.mark.parametrize("dtype", DTYPES)
def test_flips_and_transposes(dtype: str) -> None:
    rng = np.random.default_rng(3)
    size = (31, 42)
    for name, known in masks(rng, *size):
        image = random_image(rng, (*size, 2), dtype)
        levels = np.where(known, 0, 1 + rng.integers(0, 4, size)).astype(np.uint16)
        whole = kernels.reveal(image, levels, 4)
        for turn in (
            lambda a, axis: np.flip(a, axis),
            lambda a, axis: np.flip(a, axis + 1),
            lambda a, axis: np.swapaxes(a, axis, axis + 1),
        ):
            turned = kernels.reveal(np.ascontiguousarray(turn(image, 0)), np.ascontiguousarray(turn(levels, 0)), 4)
            if dtype.startswith("uint"):
                np.testing.assert_array_equal(turned, turn(whole, 1), err_msg=name)
            else:
                atol = 5e-12 if dtype == "float64" else 2e-6
                np.testing.assert_allclose(turned, turn(whole, 1), rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_thirteen_levels_equal_thirteen_reveals(dtype: str) -> None:
    rng = np.random.default_rng(4)
    size = (48, 37)
    y, x = np.mgrid[: size[0], : size[1]]
    smooth = np.hypot(y - 20, x - 15) + 3 * np.sin(x / 3)
    for rank in (rng.random(size), smooth, np.round(smooth / 6), x.astype(float)):
        fractions = np.array([0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75])
        levels = (1 + (rank[None] < np.quantile(rank, 1 - fractions)[:, None, None]).sum(axis=0)).astype(np.uint16)
        levels[rng.random(size) < 0.01] = 0
        image = random_image(rng, (*size, 3), dtype)
        together = kernels.reveal(image, levels, 14)
        for i in range(14):
            alone = kernels.reveal(image, (levels > i).astype(np.uint16), 1)[0]
            np.testing.assert_array_equal(together[i], alone)


@pytest.mark.parametrize("dtype", DTYPES)
def test_constant_images_stay_constant(dtype: str) -> None:
    rng = np.random.default_rng(5)
    value = np.array([1 / 3, 0.1, 255.0]).astype(dtype)
    image = np.ascontiguousarray(np.broadcast_to(value, (29, 33, 3)))
    for _, known in masks(rng, 29, 33):
        got = kernels.reveal(image, np.where(known, 0, 1).astype(np.uint16), 1)[0]
        np.testing.assert_array_equal(got, image)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1])
def test_one_pixel_sides_are_numpy_interp(dtype: str, axis: int) -> None:
    rng = np.random.default_rng(6)
    for length in (1, 2, 3, 50):
        for share in (0.0, 0.2, 0.7, 1.0):
            known = rng.random(length) < share
            known[[0, -1]] = True
            line = random_image(rng, (length, 2), dtype)
            at = np.flatnonzero(known)
            exact = np.stack([np.interp(np.arange(length), at, line[at, c].astype(float)) for c in range(2)], axis=-1)
            levels = np.expand_dims(np.where(known, 0, 1).astype(np.uint16), axis)
            got = np.squeeze(kernels.reveal(np.expand_dims(line, axis), levels, 1)[0], axis)
            np.testing.assert_array_equal(got[known], line[known])
            if dtype.startswith("uint"):
                assert (np.abs(got - exact) <= 0.5 + 1e-9).all()
            else:
                np.testing.assert_allclose(got, exact, rtol=0, atol=1e-6 if dtype == "float32" else 1e-12)


def test_corners_alone_are_bilinear() -> None:
    y, x = np.mgrid[:9, :17]
    image = np.zeros((9, 17, 1))
    image[0, 0], image[0, -1], image[-1, 0], image[-1, -1] = 1.0, 5.0, -3.0, 20.0
    u, v = x / 16, y / 8
    bilinear = (1 - u) * (1 - v) * 1 + u * (1 - v) * 5 + (1 - u) * v * -3 + u * v * 20
    got = kernels.reveal(image, np.full((9, 17), 3, np.uint16), 2)
    np.testing.assert_allclose(got[0, ..., 0], bilinear, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(got[1], got[0])


def test_nan_spreads_to_its_own_cells_only() -> None:
    y, x = np.mgrid[:21, :21]
    known = (x % 5 == 0) & (y % 5 == 0)
    image = (x + 2.0 * y)[..., None].astype(np.float32)
    image[10, 10] = np.nan
    got = kernels.reveal(image, np.where(known, 0, 1).astype(np.uint16), 1)[0, ..., 0]
    near = (np.abs(x - 10) < 5) & (np.abs(y - 10) < 5)
    np.testing.assert_array_equal(np.isnan(got), near)
    np.testing.assert_allclose(got[~near], (x + 2 * y)[~near], rtol=1e-6)


@pytest.mark.parametrize("side", [512, 1024])
def test_large_images(side: int) -> None:
    """A plane over long thin cells and over corners alone: areas near their largest."""
    y, x = np.mgrid[:side, :side]
    image = ((x + 2 * y) % 65536).astype(np.uint16)[..., None]
    levels = np.full((side, side), 2, np.uint16)
    levels[1, 1] = levels[side // 2, 0] = levels[side - 2, side - 1] = levels[3, side // 2] = 1
    np.testing.assert_array_equal(kernels.reveal(image, levels, 2), np.stack([image, image]))


@pytest.mark.slow
def test_4096_pixels() -> None:
    y, x = np.mgrid[:4096, :4096]
    image = (3 * x + 5 * y).astype(np.uint16)[..., None]
    rng = np.random.default_rng(0)
    levels = np.where(rng.random((4096, 4096)) < 1e-4, 1, 2).astype(np.uint16)
    np.testing.assert_array_equal(kernels.reveal(image, levels, 2), np.stack([image, image]))
