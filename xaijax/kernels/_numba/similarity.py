"""Similarity of maps in NumPy, with SciPy's ranks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def _pearson(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if a.min() == a.max() or b.min() == b.max():
        return float("nan")
    x, y = a / 2 - a.mean() / 2, b / 2 - b.mean() / 2
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    return float(np.clip(np.sum(x * y) / np.sqrt(np.sum(x * x) * np.sum(y * y)), -1.0, 1.0))


def _topk_iou(a: NDArray[np.float64], b: NDArray[np.float64], percent: float) -> float:
    k = min(max(int(np.ceil(percent * a.size / 100.0 * (1 - 1e-12))), 1), a.size)
    top_a, top_b = a >= np.sort(a)[-k], b >= np.sort(b)[-k]
    return float((top_a & top_b).sum() / (top_a | top_b).sum())


def similarity(
    a: NDArray[Any], b: NDArray[Any], a_of: NDArray[np.int64], b_of: NDArray[np.int64], wanted: int, percent: float
) -> NDArray[np.float64]:
    """The compiled kernel's arguments and results, without threads."""
    size = a.shape[-2] * a.shape[-1]
    first, second = a.reshape(-1, size).astype(np.float64), b.reshape(-1, size).astype(np.float64)
    rows = []
    for i, j in zip(a_of, b_of, strict=True):
        x, y = first[i], second[j]
        measures = (
            lambda x=x, y=y: _pearson(rankdata(x), rankdata(y)),
            lambda x=x, y=y: _pearson(x, y),
            lambda x=x, y=y: _topk_iou(x, y, percent),
        )
        rows.append([measure() for bit, measure in enumerate(measures) if wanted >> bit & 1])
    return np.array(rows, np.float64).reshape(len(a_of), -1)
