"""Compares stored numbers of other packages with those that the scripts make now.

python tests/parity/compare_stored.py tests OTHER/tests

Prints the largest difference over the largest magnitude of each file; fails where one is above 1e-4, or names differ.
Texts, such as versions, may differ.
"""

import sys
from pathlib import Path

import numpy as np

FILES = (
    "explain/data/peers.npz",
    "explain/data/explainer_peers.npz",
    "metrics/data/quantus.npz",
    "metrics/data/robustness.npz",
    "metrics/data/pair_curves.npz",
    "metrics/data/pair_case.npz",
)
MOST = 1e-4


def difference(old: np.ndarray, new: np.ndarray) -> float:
    """The largest difference over the largest magnitude; infinity for other shapes and other missing values."""
    if old.dtype.kind not in "biufc":
        return 0.0
    if old.shape != new.shape:
        return float("inf")
    one, two = (np.asarray(array, np.complex128 if array.dtype.kind == "c" else np.float64) for array in (old, new))
    if not np.array_equal(np.isfinite(one), np.isfinite(two)):
        return float("inf")
    known = np.isfinite(one)
    size = np.abs(one[known]).max(initial=0.0)
    return float(np.abs(one[known] - two[known]).max(initial=0.0) / size) if size else 0.0


def main() -> None:
    """Compare every file."""
    before, now = map(Path, sys.argv[1:3])
    failed = []
    for name in FILES:
        with np.load(before / name) as old, np.load(now / name) as new:
            if set(old.files) != set(new.files):
                failed.append(f"{name} has other names: {sorted(set(old.files) ^ set(new.files))[:5]}")
                continue
            worst, where = max((difference(old[key], new[key]), key) for key in old.files)
        print(f"{name}: {worst:.1e} ({where})")
        if worst > MOST:
            failed.append(f"{name}: {where} differs by {worst:.1e}")
    sys.exit("\n".join(failed) or 0)


if __name__ == "__main__":
    main()
