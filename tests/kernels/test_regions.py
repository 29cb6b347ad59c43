"""rank_regions against PAIR saliency 0.2.1 (stored by data/make_xrai.py), scikit-image and worked examples."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.morphology import dilation, disk

from xaijax.kernels import _backend, rank_regions

H, W = 56, 72
ORACLE = np.load(Path(__file__).parent / "data" / "xrai.npz")
CASES = sorted({key.rsplit("/", 1)[0] for key in ORACLE.files if key.endswith("/map")})


@pytest.fixture(params=["native", "numba"])
def backend(request, monkeypatch):
    if request.param == "native" and _backend._module("xaijax._core") is None:
        pytest.skip("the extension is not built")
    monkeypatch.setenv("XAIJAX_BACKEND", request.param)
    return request.param


def masks_of(name):
    count = int(ORACLE[f"{name}/count"])
    return np.unpackbits(ORACLE[f"{name}/masks"], count=count * H * W).reshape(count, H, W).astype(bool)


@pytest.mark.parametrize("case", CASES)
def test_map_and_ranks_are_those_of_pair(backend, case):
    name, kind, algorithm, area = case.split("/")
    attribution = ORACLE[f"{name}/{kind}"]
    found = rank_regions(attribution, masks_of(name), fast=algorithm == "fast", area=float(area))
    np.testing.assert_array_equal(found.maps, ORACLE[f"{case}/map"])
    np.testing.assert_array_equal(found.ranks, ORACLE[f"{case}/ranks"])


def test_the_oracle_has_what_it_must():
    """Ties between regions, uncovered pixels, and growth that ends early."""
    assert len(CASES) == 24
    assert (~masks_of("b").any(axis=0)).sum() == 9 * 31
    assert all((ORACLE[f"{name}/flat/full/1.0/map"] == 1).all() for name in "ab")
    assert ORACLE["a/float32/full/0.4/ranks"].max() < ORACLE["a/float32/full/1.0/ranks"].max()


def test_greedy_growth_by_hand(backend):
    attribution = np.array([[4.0, 4, 1, 1, 3, 3, 9, -1]])
    masks = np.zeros((4, 1, 8), bool)
    masks[0, 0, :4] = masks[1, 0, 2:6] = masks[2, 0, 6] = True
    full = rank_regions(attribution, masks, min_pixels=2)
    np.testing.assert_array_equal(full.maps, [[2.5, 2.5, 2.5, 2.5, 3, 3, 4, 4]])
    np.testing.assert_array_equal(full.ranks, [[2, 2, 2, 2, 1, 1, 3, 3]])
    every = rank_regions(attribution, masks, min_pixels=1)
    np.testing.assert_array_equal(every.ranks, [[3, 3, 3, 3, 2, 2, 1, 4]])
    nothing = rank_regions(attribution, masks, min_pixels=9)
    np.testing.assert_array_equal(nothing.maps, np.full((1, 8), 3.0))
    np.testing.assert_array_equal(nothing.ranks, np.ones((1, 8)))


def test_regions_keep_the_total(backend):
    rng = np.random.default_rng(2)
    attribution = rng.normal(size=(H, W))
    for fast in (False, True):
        maps = rank_regions(attribution, masks_of("b"), fast=fast).maps
        assert maps.sum() == pytest.approx(attribution.sum(), rel=1e-10)


@pytest.mark.parametrize("radius", [1, 4, 5, 70])
def test_dilation_is_that_of_scikit_image(backend, radius):
    attribution, masks = ORACLE["a/float32"], masks_of("a")[[0, 5, -1, -4, 9]]
    given = np.array([dilation(mask, disk(radius)) for mask in masks])
    for fast in (False, True):
        ours = rank_regions(attribution, masks, radius, fast=fast)
        plain = rank_regions(attribution, given, fast=fast)
        np.testing.assert_array_equal(ours.maps, plain.maps)
        np.testing.assert_array_equal(ours.ranks, plain.ranks)


def test_batches_threads_and_padding(backend):
    attribution = np.stack([ORACLE["a/float32"], ORACLE["b/float32"]])
    a, b = masks_of("a"), masks_of("b")
    sets = np.zeros((2, max(len(a), len(b)), H, W), np.uint8)
    sets[0, : len(a)], sets[1, : len(b)] = a * 255, b
    found = rank_regions(attribution, sets, num_threads=3)
    for i, name in enumerate("ab"):
        np.testing.assert_array_equal(found.maps[i], ORACLE[f"{name}/float32/full/1.0/map"])
        np.testing.assert_array_equal(found.ranks[i], ORACLE[f"{name}/float32/full/1.0/ranks"])
    shared = rank_regions(attribution, a, num_threads=1)
    np.testing.assert_array_equal(shared.ranks[0], found.ranks[0])


def test_jit_vmap_and_numpy_agree():
    attribution = np.stack([ORACLE["a/float32"], ORACLE["b/float32"]])
    sets = np.stack([masks_of("a")[:20], masks_of("b")[:20]])
    plain, shared = rank_regions(attribution, sets), rank_regions(attribution, sets[0])
    x, m = jnp.asarray(attribution), jnp.asarray(sets)
    for found, expected in (
        (jax.jit(rank_regions)(x, m), plain),
        (jax.vmap(rank_regions)(x, m), plain),
        (jax.jit(rank_regions)(x, m[0]), shared),
        (jax.vmap(rank_regions, (0, None))(x, m[0]), shared),
    ):
        np.testing.assert_array_equal(found.ranks, expected.ranks)
        np.testing.assert_array_equal(found.maps, expected.maps.astype(np.float32))
    grid = jax.vmap(jax.vmap(rank_regions, (None, 0)), (0, None))(x, m)
    np.testing.assert_array_equal(grid.ranks[1, 0], shared.ranks[1])
    np.testing.assert_array_equal(grid.ranks[1, 1], plain.ranks[1])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"attribution": np.zeros((H, W), np.int32)},
            TypeError,
            "attribution must be float16, bfloat16, float32 or float64",
        ),
        ({"attribution": np.full((H, W), np.nan)}, ValueError, "attribution must be finite"),
        ({"masks": np.zeros((3, H, W), np.float32)}, TypeError, "masks must be bool or uint8"),
        ({"masks": np.zeros((H, W), bool)}, ValueError, "masks must be .S, H, W."),
        ({"masks": np.zeros((0, H, W), bool)}, ValueError, "masks must be .S, H, W."),
        ({"masks": np.zeros((2, 3, H, W), bool)}, ValueError, "masks must be .S, H, W."),
        ({"dilate": -1}, ValueError, "dilate must be an integer"),
        ({"min_pixels": 0}, ValueError, "min_pixels must be an integer of at least 1"),
        ({"area": 0.0}, ValueError, "area must be"),
    ],
)
def test_bad_input_is_one_sentence(backend, change, error, message):
    arguments = {"attribution": np.zeros((H, W)), "masks": np.zeros((3, H, W), bool)} | change
    with pytest.raises(error, match=message):
        rank_regions(arguments.pop("attribution"), arguments.pop("masks"), **arguments)
