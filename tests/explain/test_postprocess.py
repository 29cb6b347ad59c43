"""Post-processing steps: closed forms, constant maps, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax.explain._postprocess import minmax, postprocess, reduce_channels


def test_steps_in_order():
    maps = jnp.array([[[-2.0, 0.0], [1.0, 4.0]]])
    assert postprocess(maps, "raw").tolist() == maps.tolist()
    assert postprocess(maps).tolist() == [[[0.0, 0.0], [0.25, 1.0]]]
    assert postprocess(maps, "abs+minmax").tolist() == [[[0.5, 0.0], [0.25, 1.0]]]
    np.testing.assert_allclose(postprocess(maps, "minmax"), [[[0, 1 / 3], [0.5, 1]]], rtol=1e-6)
    assert postprocess(maps, "max").tolist() == [[[-0.5, 0.0], [0.25, 1.0]]]


@pytest.mark.parametrize("value", [0.0, -3.0, 1e30, 1e-42])
@pytest.mark.parametrize("steps", ["relu+minmax", "minmax", "abs+max", "max+minmax"])
def test_constant_maps_are_finite_and_so_are_their_gradients(value, steps):
    maps = jnp.full((2, 3, 3), value)
    assert np.isfinite(postprocess(maps, steps)).all()
    assert np.isfinite(jax.grad(lambda m: postprocess(m, steps).sum())(maps)).all()
    if steps.endswith("minmax"):
        assert not postprocess(maps, steps).any()


def test_each_map_by_itself():
    maps = jnp.array(np.random.default_rng(0).normal(size=(4, 5, 6)) * [[[1]], [[10]], [[100]], [[1000]]], jnp.float32)
    got = minmax(maps)
    assert got.min((1, 2)).tolist() == [0.0] * 4
    np.testing.assert_allclose(got.max((1, 2)), 1.0)


def test_channel_reductions():
    a = jnp.array([[[1.0, -4.0, 2.0]]])
    assert [reduce_channels(a, r).tolist() for r in ("sum", "abs_sum", "abs_max")] == [[[-1.0]], [[7.0]], [[4.0]]]
    assert reduce_channels(a, "none").shape == (1, 1, 3)


def test_bad_arguments():
    with pytest.raises(ValueError, match="joined by '\\+'; got 'relu,minmax'"):
        postprocess(jnp.zeros((2, 2)), "relu,minmax")
    with pytest.raises(ValueError, match=r"must be \[\.\.\., H, W\]"):
        postprocess(jnp.zeros(3))
    with pytest.raises(ValueError, match='reduce must be "sum"'):
        reduce_channels(jnp.zeros((2, 2, 3)), "mean")
