"""Which coalitions KernelSHAP evaluates, with which weights.

As in the authors' package: sizes s and M - s are a pair; pairs are enumerated from the outside in while the share of
the budget that falls to a pair covers its coalitions, and the rest of the budget is drawn from the other sizes, each
draw with its complement. The kernel weights of all sizes sum to 1.
"""

import itertools
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True, eq=False)
class Plan:
    """What is enumerated and what is drawn.

    Attributes:
        players: M.
        listed: coalitions that are enumerated; they come first.
        drawn: coalitions that are drawn, an even number; 2k and 2k + 1 are complements.
        table: `[listed, M]` uint8, or None where all 2^M - 2 are enumerated, by the bits of 1 .. 2^M - 2.
        weights: `[listed]` float32 kernel weights.
        sizes: sizes of the drawn pairs, the smaller of the two.
        shares: of the drawn pairs, their probabilities.
        left: kernel weight of all that is not enumerated; each drawn coalition has `left/drawn`.
    """

    players: int
    listed: int
    drawn: int
    table: np.ndarray | None
    weights: np.ndarray
    sizes: np.ndarray
    shares: np.ndarray
    left: float

    @property
    def count(self) -> int:
        """Coalitions in all, the empty and the full one not among them."""
        return self.listed + self.drawn

    @property
    def exact(self) -> bool:
        """Whether all coalitions are there, so that the result has no error."""
        return self.drawn == 0 and self.left == 0


def default_count(players: int) -> int:
    """The authors' default, `2 M + 2048`."""
    return 2 * players + 2048


def make_plan(players: int, count: int) -> Plan:
    """The plan for a budget of `count` coalitions; fewer where 2^M - 2 are fewer."""
    nothing = np.zeros(0, np.float32)
    if players < 2:
        return Plan(players, 0, 0, None, nothing, nothing.astype(np.int32), nothing, 0.0)
    mass = {s: 1 / (s * (players - s)) for s in range(1, players)}
    total = sum(mass.values())
    each = {s: mass[s] / total / math.comb(players, s) for s in mass}
    if players <= 30 and count >= 2**players - 2:
        bits = (np.arange(1, 2**players - 1)[:, None] >> np.arange(players)) & 1
        weights = np.array([each[s] for s in bits.sum(1)], np.float32)
        return Plan(players, len(bits), 0, None, weights, nothing.astype(np.int32), nothing, 0.0)
    pairs = {s: (mass[s] + (mass[players - s] if 2 * s < players else 0)) / total for s in range(1, players // 2 + 1)}
    rows: list[np.ndarray] = []
    weights_of_rows: list[float] = []
    left, budget = 1.0, count
    for size in list(pairs):
        twice = 2 * size < players
        needed = math.comb(players, size) * (2 if twice else 1)
        if budget * pairs[size] / left < needed * (1 - 1e-8):
            break
        chosen = np.array(list(itertools.combinations(range(players), size)))
        found = np.zeros((len(chosen), players), np.uint8)
        np.put_along_axis(found, chosen, 1, axis=1)
        rows += [found, 1 - found] if twice else [found]
        weights_of_rows += [each[size]] * needed
        left -= pairs.pop(size)
        budget -= needed
    drawn = budget - budget % 2
    table = np.concatenate(rows) if rows else np.zeros((0, players), np.uint8)
    sizes, shares = np.array(list(pairs), np.int32), np.array(list(pairs.values()))
    return Plan(
        *(players, len(table), drawn, table, np.array(weights_of_rows, np.float32), sizes),
        *((shares / shares.sum()).astype(np.float32), left),
    )


def coalitions(plan: Plan, key: jax.Array, index: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`(z [p, M], weights [p])` of the coalitions with these numbers `[p]`."""
    if plan.exact:  # all 2^M - 2
        bits = ((index + 1)[:, None] >> jnp.arange(plan.players)) & 1
        return bits.astype(jnp.float32), jnp.asarray(plan.weights)[index]
    assert plan.table is not None
    pair = jnp.maximum(index - plan.listed, 0) // 2
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, pair)
    drawn = jax.vmap(lambda k: _draw(plan, k))(keys)
    drawn = jnp.where(((index - plan.listed) % 2 == 1)[:, None], 1.0 - drawn, drawn)
    weights = jnp.full(index.shape, plan.left / max(plan.drawn, 1), jnp.float32)
    if not plan.listed:
        return drawn, weights
    row = jnp.minimum(index, plan.listed - 1)
    listed = index < plan.listed
    z = jnp.where(listed[:, None], jnp.asarray(plan.table)[row].astype(jnp.float32), drawn)
    return z, jnp.where(listed, jnp.asarray(plan.weights)[row], weights)


def _draw(plan: Plan, key: jax.Array) -> jax.Array:
    """One coalition `[M]`: a size by its kernel weight, then every coalition of that size with the same chance."""
    of_size, of_players = jax.random.split(key)
    last = len(plan.sizes) - 1
    place = jnp.searchsorted(jnp.asarray(np.cumsum(plan.shares)), jax.random.uniform(of_size), side="right")
    size = jnp.asarray(plan.sizes)[jnp.minimum(place, last)]
    rank = jnp.argsort(jnp.argsort(jax.random.uniform(of_players, (plan.players,))))
    return (rank < size).astype(jnp.float32)
