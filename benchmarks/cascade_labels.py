"""Do the later rounds of a cascade read the class from the suppression itself?

    python benchmarks/cascade_labels.py RUN        RUN: the out folder of `xaijax cascade`

The maps of a round are those of every image's label, for the images kept for validation too, so what is hidden depends
on the label. Here the validation images are suppressed again, round by round with the models of the run, once for the
maps of their true classes (as the run did) and once for those of another class (the next one). Per round:

* `true_labels`: accuracy on images suppressed for their true classes: what `rounds.jsonl` reports;
* `other_labels`: accuracy on images suppressed for another class;
* `says_other`: the share of those that are taken for the class that they were suppressed for;
* `intact`: accuracy on intact images.

A classifier that looks at the image alone has equal numbers in the first two columns. Results go to
benchmarks/results/cascade_labels.json (`--out`).
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from xaijax import cascade
from xaijax._runs import folder, provenance
from xaijax._runs.data import open_data
from xaijax._runs.options import DataOptions
from xaijax.explain.cascade import apply_threshold, suppress
from xaijax.explain.cascade._steps import base_map

HERE = Path(__file__).parent


def measure(run: Path) -> dict[str, Any]:
    described = folder.read_json(run / folder.DESCRIPTION, "cascade")
    config = described["config"]
    trained = cascade.load(run)
    shape = trained.classifier.input_shape
    options = DataOptions(**{one.name: config[one.name] for one in dataclasses.fields(DataOptions)})
    dataset = open_data(options, size=config["size"] or shape[0])
    place = {case.id: index for index, case in enumerate(dataset.cases)}
    batch = dataset.read([place[name] for name in described["data"]["validation"]], shape, masks=False)
    intact, labels = batch.images.astype(np.float32) / np.float32(255), batch.labels
    others = (labels + 1) % len(dataset.classes)
    seen = {"true_labels": intact, "other_labels": intact}
    rows = []
    for number, base in enumerate(trained.base):
        model = trained.round(number)
        said = {name: np.asarray(model.predict(images)).argmax(1) for name, images in seen.items()}
        row: dict[str, Any] = {"round": number}
        row |= {name: float((predicted == labels).mean()) for name, predicted in said.items()}
        row["says_other"] = float((said["other_labels"] == others).mean())
        row["intact"] = float((np.asarray(model.predict(intact)).argmax(1) == labels).mean())
        rows.append({key: round(value, 4) for key, value in row.items()})
        for name, target in (("true_labels", labels), ("other_labels", others)):
            maps = base_map(base, model, seen[name], target, trained.scale, {"batch_size": 32})
            kept, _ = apply_threshold(maps, trained.threshold)
            seen[name] = np.asarray(suppress(seen[name], kept, trained.theta))
    return {"cascade": described["command"], "images": len(labels), "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "cascade_labels.json")
    options = parser.parse_args()
    found = measure(options.run)
    record = {
        "command": f"python benchmarks/cascade_labels.py {' '.join(sys.argv[1:])}",
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "result": found,
    }
    print(json.dumps(found, indent=1))
    options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
