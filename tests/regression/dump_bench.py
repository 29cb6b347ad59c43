"""Runs of `xaijax bench`: the default one, every study, many metrics, and one that is killed and resumed."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import adapters
import numpy as np
from dump import Dump
from dump_training import save_models

PARTS = ("scores", "curves", "responses", "predictions")
PAGES = ("summary.csv", "statistics.csv", "ranks.csv", "stability.csv")
FEW = {"count": 4, "part": 2, "gallery": 1, "batch_size": 32, "calibration": ["none"]}
PATIENCE = 900.0  # seconds that the run which is killed may take


def columns(out: Path, kind: str) -> dict[str, list[Any]]:
    """The columns of all parts of one kind, in the order of the parts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = sorted((out / kind).glob("*.parquet"))
    if not files:
        return {}
    # One file at a time and no data-set discovery: that would read a column out of a folder name.
    return pa.concat_tables([pq.ParquetFile(file).read() for file in files]).to_pydict()


def keep(dump: Dump, name: str, out: Path) -> None:
    """Everything that a run found, apart from pictures, pages and times."""
    for kind in PARTS:
        dump.text(f"{name}/{kind}/parts", sorted(file.stem for file in (out / kind).glob("*.parquet")))
        for column, values in columns(out, kind).items():
            keep_column(dump, f"{name}/{kind}/{adapters.key(column)}", values)
    for file in sorted(out.glob("gallery/*.npz")):
        with np.load(file) as arrays:
            for key in arrays.files:
                value = arrays[key]
                if value.dtype.kind == "U":
                    dump.text(f"{name}/gallery/{file.stem}/{key}", value.tolist())
                else:
                    dump.array(f"{name}/gallery/{file.stem}/{key}", value)
    for page in PAGES:
        if (out / page).is_file():
            dump.text(f"{name}/{page}", (out / page).read_text("utf-8"))
    dump.note(f"{name}/figures", " ".join(sorted(file.name for file in (out / "figures").glob("*"))))


def keep_column(dump: Dump, name: str, values: list[Any]) -> None:
    """Texts as a text, numbers and lists of numbers as arrays."""
    if all(isinstance(value, str) for value in values):
        dump.text(name, values)
        return
    lists = [value if isinstance(value, list) else [value] for value in values]
    dump.array(f"{name}/lengths", np.asarray([len(one) for one in lists], np.int64))
    dump.array(name, np.asarray([number for one in lists for number in one], np.float64))


def run(dump: Dump, name: str, options: dict[str, Any]) -> None:
    """One run with few images."""
    with dump.piece(name):
        adapters.run("bench", {**FEW, **options, "out": name})
        keep(dump, name, Path(name))


def default(dump: Dump) -> None:
    """The command without options but the number of images: built-in model, built-in data."""
    run(dump, "default", {})


# Written out, since commits name the files that come with them differently.
STUDIES: dict[str, dict[str, Any]] = {
    "pic-medical": {
        "methods": [
            *("integrated_gradients", "smoothgrad_ig", "guided_ig", "xrai", "xrai_fast"),
            *("grad_cam", "grad_cam_pp", "score_cam", "random"),
        ],
        "metrics": ["aic", "sic"],
    },
    "cam-confidence": {
        "methods": ["grad_cam", "grad_cam_pp", "xgrad_cam", "layer_cam", "eigen_grad_cam"],
        "metrics": ["confidence_increase", "confidence_gain", "average_drop"],
    },
    "cam-reliability": {
        "methods": ["grad_cam", "grad_cam_pp", "layer_cam", "gradient", "random"],
        "metrics": [
            *("pointing_game", "average_precision", "iou", "energy", "insertion_blur", "deletion_blur"),
            *("agreement_spearman", "agreement_ssim", "agreement_topk_iou"),
        ],
    },
}


def study(name: str, models: int) -> Callable[[Dump], None]:
    """The methods and metrics of one study, with small models in place of its own."""
    return lambda dump: run(dump, name, {"model": save_models()[:models], **STUDIES[name]})


def wide(dump: Dump) -> None:
    """Metrics of every family with settings, methods with options, the other conventions, other data."""
    from xaijax.metrics import METRICS

    model = save_models()[0]
    every = [name for name, metric in METRICS.items() if "variants" not in metric.needs]
    if dump.quick:
        every = ["iou", "sic_mutual"]
    settings = [
        *("perturbation.steps=4", "perturbation.flip_steps=8", "perturbation.regions=6", "perturbation.segments=8"),
        *("robustness.draws=4", "robustness.sensitivity_draws=2", "robustness.lipschitz_draws=2"),
        "sanity.stages=2",
    ]
    chosen = [
        text
        for text in settings
        if any(METRICS[name].family == adapters.family(text.partition(".")[0]) for name in every)
    ]
    methods = {"methods": ["grad_cam", "smoothgrad", "random"], "method_options": ["smoothgrad.draws=3"]}
    cued = {"cues": ["text"], "correlation": 0.8}
    given = {"model": [model], **methods, **cued, "metrics": every}
    run(dump, "wide", {**given, **({"metric_settings": chosen} if chosen else {})})
    for convention in ("pair", "medical"):
        more = {
            "convention": convention,
            "random_masks": 2,
            "metrics": [f"{curve}_{measure}" for curve in ("aic", "sic") for measure in ("shannon", "mutual")],
        }
        run(dump, convention, {"model": [model], "methods": ["grad_cam", "random"], **more})
    other = {"data": "phantoms:chest_xray", "target": "predicted", "seed": 5, "metrics": ["iou", "sic_mean"]}
    from xaijax import models

    classes = ("normal", "opacity", "ground_glass")
    models.save(models.create("small_cnn", input_shape=(32, 32, 1), classes=classes, key=7), "chest")
    run(dump, "chest_xray", {"model": ["chest"], "methods": ["gradient", "xrai_fast"], **other})


def killed(dump: Dump) -> None:
    """A run killed by SIGKILL after its first part, and resumed, next to one that nobody disturbed."""
    model = save_models()[0]
    given = {"model": [model], "methods": ["gradient", "grad_cam", "random"], "metrics": ["sic_mutual", "iou"]}
    given |= {"count": 6, "part": 1, "gallery": 1}
    with dump.piece("undisturbed"):
        adapters.run("bench", {**given, "out": "undisturbed"})
        keep(dump, "undisturbed", Path("undisturbed"))
    with dump.piece("resumed"):
        kill_in_time({**given, "out": "resumed"}, Path("resumed"))
        adapters.run("bench", {"out": "resumed", "resume": True})
        keep(dump, "resumed", Path("resumed"))
        for kind in PARTS:
            same = repr(columns(Path("resumed"), kind)) == repr(columns(Path("undisturbed"), kind))
            dump.text(f"resumed equals undisturbed/{kind}", "yes" if same else "no")
            if not same:
                raise AssertionError(f"the {kind} of the resumed run are not those of the undisturbed one")


def kill_in_time(options: dict[str, Any], out: Path) -> None:
    """Starts a run in a process of its own and kills it once a part is finished and before all are."""
    words = [*adapters.program(), *adapters.arguments("bench", options)]
    for _ in range(5):
        shutil.rmtree(out, ignore_errors=True)
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
        end = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < end and not any(out.glob("scores/*.parquet")):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = len(list(out.glob("scores/*.parquet")))
        if 0 < done < options["count"] and process.returncode == -signal.SIGKILL:
            return
    raise RuntimeError("the run was finished before it could be killed, five times")


TABLES: dict[str, Callable[[Dump], None]] = {
    "bench/default": default,
    "bench/pic-medical": study("pic-medical", 1),
    "bench/cam-confidence": study("cam-confidence", 2),
    "bench/cam-reliability": study("cam-reliability", 2),
    "bench/wide": wide,
    "bench/killed": killed,
}
