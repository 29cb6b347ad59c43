"""A tiny cascade, trained round by round and frozen, each with a sweep: weights, maps, scores, tables."""

import json
from pathlib import Path
from typing import Any

import adapters
import numpy as np
from dump import Dump
from dump_training import keep_lines, keep_split, keep_values, keep_weights, save_models

TIMED = ("costs", "seconds")


def keep(dump: Dump, name: str, out: Path) -> None:
    """Everything that a cascade wrote, apart from pictures, pages and times."""
    for file in sorted(
        [*out.glob("rounds/*/*.safetensors"), *out.glob("sweep/**/*.safetensors"), *out.glob("*.safetensors")]
    ):
        keep_weights(dump, f"{name}/{file.relative_to(out)}", file)
    for file in sorted([*out.glob("rounds/*/*.npy"), *out.glob("sweep/**/*.npy")]):
        dump.array(f"{name}/{file.relative_to(out)}", np.load(file))
    for file in sorted(out.glob("rounds/*/log.jsonl")):
        keep_lines(dump, f"{name}/{file.relative_to(out)}", file)
    for file in ("rounds.jsonl", "sweep.jsonl"):
        if (out / file).is_file():
            keep_lines(dump, f"{name}/{file}", out / file)
    found = json.loads(adapters.file_of(out, "evaluation.json").read_text("utf-8"))
    # Costs are times, by number of rounds and method; what was scored is in the other entries.
    keep_values(dump, f"{name}/evaluation", {key: value for key, value in found.items() if key not in TIMED})
    for file in ("scores.csv", "tests.csv", "sweep.csv"):
        if (out / file).is_file():
            dump.text(f"{name}/{file}", (out / file).read_text("utf-8"))
    keep_split(dump, f"{name}/split", adapters.file_of(out, "run.json"))


def retrained(dump: Dump) -> None:
    """Two rounds of training on phantoms with a text, swept over theta, decay and threshold; then one round more."""
    given: dict[str, Any] = {
        "data": "phantoms",
        "cues": ["text"],
        "count": 18,
        "size": 32,
        "model": "small_cnn",
        "epochs": 1,
        "batch_size": 8,
        "validation": 0.3,
        "test": 0,
        "compare": ["cam", "layer_cam"],
        "prefixes": [1],
        "shown": 1,
    }
    sweep = {"sweep_theta": [1.0], "sweep_decay": [0.0], "sweep_threshold": ["none"]}
    with dump.piece("retrained"):
        adapters.run("cascade", {**given, **sweep, "rounds": 2, "out": "retrained"})
        keep(dump, "retrained", Path("retrained"))
    with dump.piece("resumed"):
        adapters.run("cascade", {**given, **sweep, "rounds": 3, "out": "retrained", "resume": True})
        keep(dump, "resumed", Path("retrained"))
    with dump.piece("loaded"):
        batch = adapters.open_dataset("phantoms", count=4, size=32).read(shape=(32, 32, 1))
        cascade = adapters.place("load_cascade")(Path("retrained") / "cascade.safetensors")
        dump.array("loaded/maps", cascade.maps(batch.images, batch.labels))
        dump.array("loaded/explained", cascade.explain(batch.images, batch.labels))


def frozen(dump: Dump) -> None:
    """One trained classifier whose input is masked, with other bases, thresholds and a sweep."""
    model = save_models()[0]
    given: dict[str, Any] = {
        "data": "phantoms",
        "count": 9,
        "model": model,
        "form": "frozen",
        "rounds": 3,
        "compare": ["grad_cam"],
        "prefixes": [1, 2],
        "shown": 2,
        "explained": 6,
    }
    sweep = {"sweep_theta": [0.5, 4.0], "sweep_decay": [0.3], "sweep_threshold": ["ebayes_laplace"]}
    for name, more in (
        ("swept", sweep),
        ("bases", {"base": ["cam", "hires_cam", "layer_cam"], "threshold": "soft_percentile:90", "scale": "raw"}),
        ("cued", {"cues": ["text"], "theta": 1.0, "decay": 0.5, "threshold": "ebayes_cauchy"}),
    ):
        with dump.piece(name):
            adapters.run("cascade", {**given, **more, "out": name})
            keep(dump, name, Path(name))


def library(dump: Dump) -> None:
    """`explain.cascade_rounds` on a small model."""
    import small_models

    from xaijax import explain

    classifier = small_models.functions()
    images, labels = small_models.scenes(2, classifier.input_shape), np.array([1, 3], np.int32)
    for threshold in (
        "top_k:10",
        "none",
        "ebayes_laplace",
        "ebayes_cauchy",
        "ebayes_laplace:0.2",
        "soft_percentile:80",
    ):
        with dump.piece(threshold):
            found = explain.cascade_rounds(classifier, images, labels, rounds=2, threshold=threshold)
            for part in ("maps", "images", "combined"):
                dump.array(f"{threshold}/{part}", getattr(found, part))


TABLES = {"cascade/retrained": retrained, "cascade/frozen": frozen, "cascade/library": library}
