"""The frozen cascade against K times its base method, Grad-CAM, in one process.

    python benchmarks/cascade_cost.py                        ResNet50 at 224 px, K = 3 and 5, batches of 1 and 8
    python benchmarks/cascade_cost.py --model small_cnn --side 64 --repeats 2

A repeat runs each cascade between two Grad-CAMs; `over` is the time of a cascade divided by K times the mean of the two
Grad-CAMs around it, less 1 (median over the repeats). Both are compiled and warm, batch norm is folded,
inputs are on the device. Before it is timed, the cascade is compared with a host loop of Grad-CAM, threshold and
suppression. Weights are random, which changes no time.

Results go to benchmarks/results/cascade_cost.json (`--out`).
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax import models
from xaijax._runs import provenance
from xaijax.explain import grad_cam
from xaijax.explain._postprocess import minmax
from xaijax.explain.cascade import apply_threshold, cascade, combine, suppress

HERE = Path(__file__).parent
ROUNDS = (3, 5)
BATCHES = (1, 8)


def seconds(run: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - begun


def by_hand(classifier: Any, images: Any, labels: Any, rounds: int) -> Any:
    """The cascade as a loop on the host."""
    seen, kept = images, []
    for _ in range(rounds):
        kept.append(apply_threshold(minmax(grad_cam(classifier, seen, labels)), "top_k:10")[0])
        seen = suppress(seen, kept[-1], 2.0)
    return combine(jnp.stack(kept), 0.1)


def measure(classifier: Any, batch: int, repeats: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(batch)
    images = jnp.asarray(rng.random((batch, *classifier.input_shape)), jnp.float32)
    labels = jnp.asarray(rng.integers(0, len(classifier.classes), batch), jnp.int32)
    runs = {rounds: lambda rounds=rounds: cascade(classifier, images, labels, rounds=rounds) for rounds in ROUNDS}
    for rounds, run in runs.items():
        difference = np.abs(np.asarray(run()) - np.asarray(by_hand(classifier, images, labels, rounds)))
        # A pixel at the edge of the largest 10 % may fall on the other side.
        assert (difference > 1e-3).mean() < 1e-3, difference.max()
    base: list[float] = []
    found: dict[int, list[float]] = {rounds: [] for rounds in ROUNDS}
    ratios: dict[int, list[float]] = {rounds: [] for rounds in ROUNDS}
    for _ in range(repeats):
        for rounds, run in runs.items():
            before = seconds(lambda: grad_cam(classifier, images, labels))
            found[rounds].append(seconds(run))
            after = seconds(lambda: grad_cam(classifier, images, labels))
            base += [before, after]
            ratios[rounds].append(found[rounds][-1] / (rounds * (before + after) / 2))
    return [
        {
            "batch": batch,
            "rounds": rounds,
            "grad_cam_seconds": round(statistics.median(base), 4),
            "cascade_seconds": round(statistics.median(found[rounds]), 4),
            "over": round(statistics.median(ratios[rounds]) - 1, 4),
            "over_each": [round(ratio - 1, 4) for ratio in ratios[rounds]],
        }
        for rounds in ROUNDS
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resnet50", help="a name of the model zoo")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "cascade_cost.json")
    options = parser.parse_args()
    classifier = models.create(options.model, 10, (options.side, options.side, 3)).optimized()
    rows = [row for batch in BATCHES for row in measure(classifier, batch, options.repeats)]
    found = {"model": options.model, "side": options.side, "rows": rows}
    record = {
        "command": f"python benchmarks/cascade_cost.py {' '.join(sys.argv[1:])}".strip(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "result": found,
    }
    print(json.dumps(found, indent=1))
    options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
