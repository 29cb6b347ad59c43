"""A converted ResNet-50 against the registry's own, with the same weights: forward pass and input gradient.

    peer/bin/python benchmarks/converted.py --out benchmarks/results/converted.json

Needs PyTorch and torchvision (as tests/parity/torch_table.py). Both have batch normalisation folded; the
results are asserted equal before anything is timed, and the rounds are interleaved.
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
import torch

# torchvision's compiled operators do not match a CPU torch; nothing here calls them, importing needs their names.
_library = torch.library.Library("torchvision", "DEF")
for _name in ("nms", "qnms"):
    _library.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import torchvision  # noqa: E402

from xaijax import models  # noqa: E402
from xaijax._runs import provenance  # noqa: E402

TOLERANCE = 1e-4  # of the largest magnitude, in float32


def functions(classifier: Any) -> dict[str, Callable[[Any, Any], Any]]:
    """What is timed, compiled."""
    return {
        "forward": jax.jit(lambda params, images: classifier.logits(params, images)),
        "gradient": jax.jit(
            lambda params, images: jax.grad(lambda x: classifier.logits(params, x)[:, 0].sum())(images)
        ),
    }


def main() -> None:
    """Measures and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    module = torchvision.models.resnet50(weights=None).eval()
    begun = time.perf_counter()
    converted = models.from_torch(module, input_shape=(224, 224, 3), preprocess="torch")
    seconds = time.perf_counter() - begun
    sides = {
        "registry": models.from_torch(dict(module.state_dict()), "resnet50").optimized(),
        "converted": converted.optimized(),
    }
    images = jnp.asarray(np.random.default_rng(0).random((options.batch, 224, 224, 3), np.float32))
    compiled = {side: functions(one) for side, one in sides.items()}
    rows = []
    for what in ("forward", "gradient"):
        first: dict[str, float] = {}
        results: dict[str, np.ndarray] = {}
        for side, one in sides.items():
            begun = time.perf_counter()
            results[side] = np.asarray(compiled[side][what](one.params, images))
            first[side] = time.perf_counter() - begun
        largest = float(np.abs(results["registry"]).max())
        assert largest > 0
        difference = float(np.abs(results["registry"] - results["converted"]).max()) / largest
        assert difference < TOLERANCE, f"{what}: the two sides differ by {difference:.1e}"
        times: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(options.rounds):
            for side, one in sides.items():
                begun = time.perf_counter()
                compiled[side][what](one.params, images).block_until_ready()
                times[side].append(time.perf_counter() - begun)
        median = {side: statistics.median(found) for side, found in times.items()}
        rows.append(
            {
                "what": what,
                "difference": difference,
                "images_per_second": {side: round(options.batch / found, 1) for side, found in median.items()},
                "first_call_s": {side: round(found, 1) for side, found in first.items()},
                "ratio": round(median["registry"] / median["converted"], 3),
            }
        )
        print(rows[-1])
    found = {"command": " ".join(["python", *sys.argv]), "convert_s": round(seconds, 1), "rows": rows}
    if options.out is not None:
        options.out.write_text(json.dumps(found | provenance.describe(), indent=2, default=str) + "\n", "utf-8")


if __name__ == "__main__":
    main()
