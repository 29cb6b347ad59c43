"""In how many runs `xaijax clusters` finds the cluster of a planted cue, for docs/studies/shortcuts.md.

    python benchmarks/shortcuts.py --out benchmarks/results/shortcuts.json

A run: phantoms with a cue that agrees with the label on 95 % of the images, a small network trained on them, and the
clusters of its Grad-CAM maps on other such images. Runs differ in their seed. Defined before looking:

* The network uses the cue if its accuracy falls by 0.2 or more where the cue is covered.
* The cue is found if `xaijax clusters` says of a cluster that it lies where the cue is (points_at: cue): the cue is
  significantly more frequent there (q < 0.05), most of its images have it, and the evidence is at least 3 times as
  dense on it as over the image.
* It leads if the conclusion, the heading of the page, is about it.
* It is found without masks if a cluster whose strongest column is the cue is said to lie at the border of the image.
* The control is a network trained on clean images; half of each class of the images that are explained has the cue.
  What is found there is a false alarm.

Results are kept after every run; `--minutes` stops before a run that would go beyond it.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from xaijax import clusters, evaluate, train
from xaijax._runs import provenance
from xaijax.clusters import ClustersConfig
from xaijax.clusters.describing import BORDERING
from xaijax.evaluate.config import EvaluateConfig
from xaijax.train import TrainConfig

CASES = (
    ("phantoms:chest_xray", "marker:opacity", False),
    ("phantoms:dermoscopy", "ruler:melanoma", False),
    ("phantoms:chest_xray", "marker:opacity", True),
)
"""Data, cue, and whether it is the control."""
CORRELATION = 0.95
HALF = 0.5
USES = 0.2
"""A network uses a cue where covering it costs this much accuracy."""
QUIET = Console(quiet=True)


def one(data: str, cue: str, control: bool, seed: int, options: argparse.Namespace, place: Path) -> dict[str, Any]:
    """One network: trained, scored with and without the cue, and its maps clustered."""
    begun = time.monotonic()
    learnt: dict[str, Any] = {"data": data}
    shown = learnt | {"cues": (cue,), "correlation": HALF if control else CORRELATION}
    if not control:
        learnt = shown
    trained = place / "model"
    train.run(
        TrainConfig(
            model="small_cnn",
            count=options.train,
            size=options.size,
            epochs=options.epochs,
            batch_size=16,
            seed=seed,
            out=trained,
            **learnt,
        ),
        console=QUIET,
    )
    accuracies = {}
    for name, covered in (("seen", False), ("covered", True)):
        found = evaluate.run(
            EvaluateConfig(
                model=(str(trained),),
                count=options.count,
                data_seed=10_000 + seed,
                split="all",
                covered=covered,
                out=place / name,
                **(shown | {"data": (shown["data"],)}),
            ),
            console=QUIET,
        )
        accuracies[name] = found.metrics[0]["accuracy"]
    found = clusters.run(
        ClustersConfig(
            model=(str(trained),),
            methods=(options.method,),
            count=options.count,
            data_seed=10_000 + seed,
            split="all",
            out=place / "clusters",
            **shown,
        ),
        console=QUIET,
        quiet=True,
    ).found
    kind = cue.partition(":")[0]
    tied = [row for row in found["clusters"] if row["points_at"] == "cue"]
    return {
        "data": data,
        "cue": cue,
        "control": control,
        "seed": seed,
        "accuracy": accuracies["seen"],
        "accuracy_covered": accuracies["covered"],
        "uses_cue": accuracies["seen"] - accuracies["covered"] >= USES,
        "clusters": len(found["clusters"]),
        "found": bool(tied),
        "images_of_it": sum(row["images"] for row in tied),
        "leads": found["conclusion"] in [row["sentence"] for row in tied],
        "found_without_masks": any(
            row["border_evidence"] >= BORDERING and row["strongest"].startswith(f"{kind} shown")
            for row in found["clusters"]
        ),
        "points_at": [row["points_at"] for row in found["clusters"]],
        "conclusion": found["conclusion"],
        "seconds": time.monotonic() - begun,
    }


def main(arguments: Sequence[str]) -> int:
    """Runs all cases in turn, seed by seed, and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=5, help="seeds of each case")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--train", type=int, default=240, help="phantoms to train on")
    parser.add_argument("--count", type=int, default=120, help="phantoms whose maps are clustered")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--method", default="grad_cam")
    options = parser.parse_args(arguments)
    begun, longest = time.monotonic(), 0.0
    rows: list[dict[str, Any]] = []
    for seed in range(options.runs):
        for data, cue, control in CASES:
            spent = time.monotonic() - begun
            if rows and spent + longest > 60 * options.minutes:
                print(f"stopped after {spent / 60:.1f} of {options.minutes:g} minutes", file=sys.stderr)
                return 0
            place = Path(tempfile.mkdtemp())
            try:
                rows.append(one(data, cue, control, seed, options, place))
            finally:
                shutil.rmtree(place, ignore_errors=True)
            longest = max(longest, rows[-1]["seconds"])
            print(json.dumps(rows[-1]), flush=True)
            said = {key: str(value) if isinstance(value, Path) else value for key, value in vars(options).items()}
            values = {"options": said, "machine": provenance.machine(), "versions": provenance.versions(), "runs": rows}
            options.out.write_text(json.dumps(values, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
