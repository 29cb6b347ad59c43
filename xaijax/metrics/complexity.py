"""How concentrated a map is: Gini sparseness, entropy and effective size of its magnitudes. No model, no mask.

With `a = |S|` over the n pixels of a map, ascending, and `q = a / Σ a`:

| metric | value |
|---|---|
| sparseness | Gini index `Σ_i (2i - n - 1) a_i / (n Σ a)`, i = 1..n; 0 for equal pixels, 1 - 1/n for a single one |
| entropy | `-Σ q ln q`, nats; 0 for a single pixel, ln n for equal ones |
| effective_size | `exp(entropy) / n`: the share of the image that as many equal pixels would take |

The maps are not rescaled first: a shift changes the values, a factor does not. A concentrated map is easier to
read, not more faithful.

References:
    Chalasani et al., "Concise Explanations of Neural Networks using Adversarial Training", ICML 2020 (sparseness);
    Bhatt et al., "Evaluating and Aggregating Feature-based Model Explanations", IJCAI 2020 (entropy as complexity);
    Hill, "Diversity and Evenness", Ecology 1973 (effective size).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.metric import Family, Inputs, Metric, NoSettings, Result, Row, rows_of

NAME = "complexity"
Floats = NDArray[np.float64]


def sparseness(shares: Floats) -> Floats:
    """Gini index.

    Args:
        shares: `[B, n]`, not negative, each row with sum 1.

    Returns:
        `[B]` in [0, 1).

    Example:
        >>> sparseness(np.array([[0.25, 0.25, 0.25, 0.25], [0.0, 1.0, 0.0, 0.0]])).tolist()
        [0.0, 0.75]
    """
    n = shares.shape[1]
    weights = 2.0 * np.arange(1, n + 1) - n - 1
    return np.asarray(np.sort(shares, axis=1) @ weights / n)


def entropy(shares: Floats) -> Floats:
    """Shannon entropy in nats.

    Args:
        shares: `[B, n]`, not negative, each row with sum 1.

    Returns:
        `[B]` in [0, ln n].

    Example:
        >>> np.exp(entropy(np.array([[0.25, 0.25, 0.25, 0.25], [0.0, 1.0, 0.0, 0.0]]))).round(12).tolist()
        [4.0, 1.0]
    """
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(np.maximum(-(shares * logs).sum(axis=1), 0.0))


def effective_size(shares: Floats) -> Floats:
    """Number of equal pixels of the same entropy, as a share of all pixels.

    Args:
        shares: `[B, n]`, not negative, each row with sum 1.

    Returns:
        `[B]` in [1/n, 1].

    Example:
        >>> effective_size(np.array([[0.5, 0.5, 0.0, 0.0]])).round(12).tolist()
        [0.5]
    """
    return np.asarray(np.exp(entropy(shares)) / shares.shape[1])


def score(inputs: Inputs, metrics: Sequence[Metric], settings: NoSettings) -> Result:
    """Scores maps by the distribution of their magnitudes; a map of zeros has no value."""
    rows: list[Row] = []
    for method, maps in inputs.maps.items():
        size = np.abs(maps.reshape(len(maps), -1), dtype=np.float64)
        # First by the largest value: the sum of large numbers may overflow.
        size /= np.maximum(size.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        total = size.sum(axis=1, keepdims=True)
        shares = size / np.where(total > 0, total, 1.0)
        reasons = ["zero_map" if zero else "" for zero in total[:, 0] == 0]
        for metric in metrics:
            rows += rows_of(inputs.ids, method, metric, _FUNCTIONS[metric.name](shares), reasons)
    return Result(rows)


_FUNCTIONS: dict[str, Callable[[Any], Floats]] = {
    "sparseness": sparseness,
    "entropy": entropy,
    "effective_size": effective_size,
}
_QUANTUS = "Quantus 0.6.0; closed form"

FAMILY = Family(
    NAME,
    (
        Metric(
            "sparseness", NAME, "Gini index of the magnitudes", True, (0.0, 1.0), "index", frozenset(),
            "Chalasani et al., ICML 2020", parity=_QUANTUS,
        ),
        Metric(
            "entropy", NAME, "entropy of the magnitudes as shares of their sum", False, (0.0, None), "nats",
            frozenset(), "Bhatt et al., IJCAI 2020", parity=_QUANTUS,
        ),
        Metric(
            "effective_size", NAME, "number of equal pixels of the same entropy, of all pixels", False, (0.0, 1.0),
            "share", frozenset(), "Hill, Ecology 1973", parity="closed form",
        ),
    ),
    score,
    title="Complexity",
    reasons={"zero_map": "the map is zero everywhere"},
)  # fmt: skip
