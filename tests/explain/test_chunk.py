"""The chunking mechanism against plain NumPy sums, for every way of cutting."""

import jax.numpy as jnp
import numpy as np
import pytest

from xaijax.explain import _chunk


@pytest.mark.parametrize(
    ("count", "batch", "size"), [(1, 1, 1), (1, 5, 2), (7, 3, 1), (7, 5, 16), (8, 3, 8), (50, 1, 7), (50, 3, 64)]
)
def test_sums_and_maps_are_those_of_numpy(count, batch, size):
    values = np.random.default_rng(0).normal(size=(batch, 4)).astype(np.float32)
    seen = []

    def part(group, index, valid):
        seen.append(group.shape[0] * index.shape[0])
        terms = group[:, None] ** 2 * (1.0 + index.astype(jnp.float32))[None, :, None]
        return {"sum": (terms * valid[None, :, None]).sum(1), "count": jnp.broadcast_to(valid.sum(), group.shape[:1])}

    got = _chunk.sum_variants(part, jnp.asarray(values), count, size)
    np.testing.assert_allclose(got["sum"], values**2 * count * (count + 1) / 2, rtol=1e-5)
    assert got["count"].tolist() == [count] * batch

    def scores(group, index):
        seen.append(group.shape[0] * index.shape[0])
        return group[:, :1] * index.astype(jnp.float32)[None]

    rows = _chunk.map_variants(scores, jnp.asarray(values), count, size)
    np.testing.assert_allclose(rows, values[:, :1] * np.arange(count), rtol=1e-6)
    assert max(seen) <= size


def test_padding_is_small():
    for count in range(1, 200):
        for size in (1, 3, 32):
            chunks, each = _chunk.plan(count, size)
            assert each <= size
            assert 0 <= chunks * each - count < chunks
