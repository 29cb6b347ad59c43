"""Reveal levels: np.quantile and a comparison are the oracle, ties included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xaijax import kernels

PAIR = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75)


def maps_of_every_kind(dtype):
    rng = np.random.default_rng(0)
    shape = (37, 41)
    noise = rng.random(shape)
    return np.stack(
        [
            noise,
            rng.normal(size=shape) ** 3,
            np.maximum(rng.normal(size=shape), 0),  # half of it ties at zero
            rng.integers(0, 4, shape),
            np.zeros(shape),
            np.exp(12 * rng.normal(size=shape)),
            np.where(rng.random(shape) < 0.5, -0.0, 0.0),
            np.where(noise > 0.97, np.inf, noise),
            np.where(noise < 0.4, -np.inf, noise),
            np.arange(37.0 * 41).reshape(shape),
            np.linspace(1, 1 + 1e-6, 37 * 41).reshape(shape),
        ]
    ).astype(dtype)


class TestEveryImplementation:
    def test_known_order(self, implementation):
        levels = implementation("reveal_levels")
        found = levels(np.array([[0.0, 1.0, 2.0, 3.0, 4.0]]), (0.25, 0.5))
        assert found.dtype == np.uint16
        assert found.tolist() == [[3, 3, 2, 1, 1]]
        assert levels(np.array([[5.0, 5.0, 5.0]], np.float32), (0.1, 1.0)).tolist() == [[1, 1, 1]]
        assert levels(np.array([[1.0]], np.float32), (1.0,)).tolist() == [[1]]

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("fractions", [PAIR, (1.0,), (1e-9, 0.999999, 1.0), tuple(np.arange(1, 201) / 200)])
    def test_equals_quantile_and_compare(self, implementation, reference, dtype, fractions):
        maps = maps_of_every_kind(dtype)
        np.testing.assert_array_equal(
            implementation("reveal_levels")(maps, fractions), reference.reveal_levels(maps, fractions)
        )

    def test_denormal_values(self, request, implementation, reference):
        """XLA flushes them to zero on its threads; the compiled kernels switch that off while they run."""
        if "jax-numba" in request.node.callspec.id:
            pytest.skip("a host callback runs with XLA's flush to zero")
        maps = (np.random.default_rng(0).random((2, 9, 9)) * 1e-40).astype(np.float32)
        assert maps.max() > 0
        np.testing.assert_array_equal(implementation("reveal_levels")(maps, PAIR), reference.reveal_levels(maps, PAIR))

    def test_always(self, implementation):
        levels = implementation("reveal_levels")
        maps = maps_of_every_kind("float32")[:3]
        always = np.zeros(maps.shape, bool)
        always[0, 3], always[1, :, 4] = True, True
        found = levels(maps, PAIR, always)
        np.testing.assert_array_equal(found == 0, always)
        np.testing.assert_array_equal(found[~always], levels(maps, PAIR)[~always])
        np.testing.assert_array_equal(levels(maps, PAIR, always[0])[2] == 0, always[0])
        np.testing.assert_array_equal(levels(maps, PAIR, always=always[:1]), levels(maps, PAIR, always=always[0]))

    def test_leading_axes(self, implementation):
        levels = implementation("reveal_levels")
        maps = maps_of_every_kind("float32")
        assert levels(maps[:0], PAIR).shape == (0, 37, 41)
        grid = levels(maps[:10].reshape(2, 5, 37, 41), PAIR)
        np.testing.assert_array_equal(grid[1, 2], levels(maps[7], PAIR))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 400), st.integers(1, 50), st.sampled_from("fd"))
def test_equals_quantile_for_any_size(reference, seed, height, width, values, kind):
    rng = np.random.default_rng(seed)
    maps = (rng.integers(0, values, (height, width)) * rng.random()).astype(kind)
    fractions = np.unique(rng.random(rng.integers(1, 20)) + 1e-9)
    np.testing.assert_array_equal(
        kernels.reveal_levels(maps, fractions), reference.reveal_levels(maps, tuple(fractions))
    )


def test_large_maps_with_few_and_many_values(reference):
    """Maps larger than any block or bucket of the selection, in the shapes that would unbalance it."""
    rng = np.random.default_rng(1)
    shape = (300, 301)
    ramp = np.linspace(0, 1, 300 * 301).reshape(shape)
    for map_ in (ramp, ramp[::-1], rng.random(shape) ** 20, np.floor(ramp * 3), np.exp2(-1000 * ramp), -ramp):
        for dtype in ("float32", "float64"):
            values = np.ascontiguousarray(map_.astype(dtype))
            np.testing.assert_array_equal(kernels.reveal_levels(values, PAIR), reference.reveal_levels(values, PAIR))


def test_nan_is_named():
    maps = np.zeros((2, 3, 4, 4), np.float32)
    maps[1, 2, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"maps must not hold NaN; map \(1, 2\) does"):
        kernels.reveal_levels(maps, PAIR)
    with pytest.raises(ValueError, match="map 2 does"):
        kernels.reveal_levels(maps[1], PAIR)
    with pytest.raises(ValueError, match="the map does"):
        kernels.reveal_levels(maps[1, 2], PAIR)


@pytest.mark.parametrize("backend", ["native", "numba"])
def test_nan_reveals_nothing_in_jax(monkeypatch, backend):
    import jax

    if backend == "native":
        pytest.importorskip("xaijax._core")
    monkeypatch.setenv("XAIJAX_BACKEND", backend)
    maps = np.ones((2, 4, 4), np.float32)
    maps[1, 0, 0] = np.nan
    levels = np.asarray(jax.jit(lambda m: kernels.reveal_levels(m, PAIR))(maps))
    assert (levels[0] == 1).all()
    assert (levels[1] == len(PAIR) + 1).all()


@pytest.mark.parametrize(
    ("maps", "fractions", "always", "error", "says"),
    [
        (np.zeros(4, np.float32), PAIR, None, ValueError, r"maps must be \[\.\.\., H, W\]; got shape \(4,\)"),
        (
            np.zeros((4, 4), np.uint8),
            PAIR,
            None,
            TypeError,
            "maps must be float16, bfloat16, float32 or float64; got uint8",
        ),
        (np.zeros((4, 4), np.float32), (), None, ValueError, "fractions must be"),
        (np.zeros((4, 4), np.float32), (0.0, 0.5), None, ValueError, "fractions must be"),
        (np.zeros((4, 4), np.float32), (0.5, 0.5), None, ValueError, "strictly increasing"),
        (np.zeros((4, 4), np.float32), (0.5, 1.5), None, ValueError, "fractions must be"),
        (np.zeros((4, 4), np.float32), (0.5, np.nan), None, ValueError, "fractions must be"),
        (
            np.zeros((4, 4), np.float32),
            PAIR,
            np.zeros((4, 5), bool),
            ValueError,
            r"always must be \[\.\.\., H, W\] like maps",
        ),
        (
            np.zeros((4, 4), np.float32),
            PAIR,
            np.zeros((2, 4, 4), bool),
            ValueError,
            "always must be .* leading axes equal or broadcast",
        ),
        (np.zeros((4, 4), np.float32), PAIR, np.zeros((4, 4), np.uint8), TypeError, "always must be bool; got uint8"),
    ],
)
def test_bad_input(maps, fractions, always, error, says):
    with pytest.raises(error, match=says):
        kernels.reveal_levels(maps, fractions, always)


def test_a_number_of_steps_is_equal_steps():
    maps = np.random.default_rng(3).normal(size=(2, 9, 8))
    quarters = kernels.reveal_levels(maps, (0.25, 0.5, 0.75, 1.0))
    np.testing.assert_array_equal(kernels.reveal_levels(maps, 4), quarters)
    for bad in (0, -3, 2**16):
        with pytest.raises(ValueError, match="the number of steps must be from 1 to 65533"):
            kernels.reveal_levels(maps, bad)
