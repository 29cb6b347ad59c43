"""A small made-up run: per-image scores and curves as the engine writes them."""

import sys

import numpy as np
import pyarrow as pa
import pytest

from xaijax._runs import checksums, command_line, folder
from xaijax.bench import BenchConfig
from xaijax.bench.store import CURVES, PREDICTIONS, RESPONSES, SCORES, Store, Tables

METHODS = ("gradient", "grad_cam", "random", "oracle")
FRACTIONS = 5


@pytest.fixture(scope="session")
def made():
    """This module: tests are collected without a package around them, so they cannot import it."""
    return sys.modules[__name__]


def table(rows, schema):
    columns = zip(*rows, strict=True) if rows else [[] for _ in schema.names]
    return pa.table(
        {f.name: pa.array(list(column), f.type) for f, column in zip(schema, columns, strict=True)}, schema=schema
    )


def score_rows(ids, model="m", *, seed=0):
    """Scores of two metrics; the quality of a method follows its place in METHODS but for noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, image in enumerate(ids):
        iou = float(rng.random())  # the same for all methods: none can be told from another
        for quality, method in enumerate(METHODS):
            skipped = number == 0
            value = float("nan") if skipped else 0.2 * quality + 0.05 * rng.random()
            rows.append((model, image, method, "sic_webp", value, "information_not_larger" if skipped else ""))
            if method != "oracle":
                rows.append((model, image, method, "iou", iou, ""))
    return rows


def curve_rows(ids, model="m", *, falls=False, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for image in ids:
        for method in METHODS:
            information = np.sort(rng.random(FRACTIONS))
            response = np.sort(rng.random(FRACTIONS))
            points = ([0.0, *information, 1.0], [0.0, *response, 1.0])
            raw = information[::-1] if falls else information
            rows.append((model, image, method, "sic", "webp", 0, *points, list(raw), list(response)))
    return rows


def response_rows(ids, model="m", *, seed=0):
    rng = np.random.default_rng(seed)
    share = np.linspace(0, 1, FRACTIONS)
    return [
        (model, image, method, metric, 0.5, list(share[metric == "mprt_ssim" :]), list(rng.random(FRACTIONS))[:n])
        for image in ids
        for method in METHODS
        for metric, n in (("deletion_blur", FRACTIONS), ("mprt_ssim", FRACTIONS - 1))
    ]


def tables(scores, curves, gallery=None, responses=None):
    """What a part computed, as `Store.write_part` takes it."""
    nothing = {"responses": RESPONSES.empty_table(), "predictions": PREDICTIONS.empty_table()}
    if responses is not None:
        nothing["responses"] = responses
    return Tables(scores=scores, curves=curves, gallery=gallery or {}, **nothing)


def started(root, description):
    """A run folder with its description, and nothing finished yet."""
    checksums.write_signed(root / folder.DESCRIPTION, description)
    return Store(root)


def parts(ids, model="m"):
    return table(score_rows(ids, model), SCORES), table(curve_rows(ids[1:], model), CURVES)


def gallery_arrays(count=2, size=24):
    rng = np.random.default_rng(0)
    methods = METHODS[:3]
    masks = np.zeros((count, size, size), bool)
    masks[:, 4:9, 5:12] = True
    return {
        "ids": np.array([f"case {i}" for i in range(count)]),
        "images": rng.integers(0, 256, (count, size, size, 1), np.uint8),
        "masks": masks,
        "labels": np.arange(count) % 2,
        "probabilities": rng.dirichlet([1, 1], count),
        "methods": np.array(methods),
        "maps": rng.random((len(methods), count, size, size), np.float32),
        "case_number": np.array(0),
        "case_methods": np.array(["grad_cam"]),
        "case_label": np.array(0),
        "case_fractions": np.linspace(0.1, 0.9, FRACTIONS),
        "case_pictures": rng.integers(0, 256, (1, FRACTIONS + 2, size, size, 1), np.uint8),
        "case_probabilities": rng.dirichlet([1, 1], (1, FRACTIONS + 2)),
        "case_measures": np.array(["webp"]),
        "case_information": np.sort(rng.random((1, 1, FRACTIONS + 2))),
    }


def run_description(ids, model="m"):
    config = BenchConfig(count=len(ids), methods=METHODS[:3])
    return {
        "command": config.command(),
        "config": command_line.plain(config),
        "started": "2020-01-02T03:04:05+00:00",
        "versions": {"xaijax": "0", "jax": "0"},
        "machine": {"processor": "p", "threads": 1},
        "kernels": {"backend": "native", "simd": "none", "compiler": "c", "flags": "-O2"},
        "data": {
            "name": "made up",
            "classes": ["a", "b"],
            "mask_role": "lesion",
            "images": list(ids),
            "skipped": [["broken.png", "it is no image in a known format"]],
        },
        "models": [{"name": model, "path": model, "classes": ["a", "b"], "input_shape": [24, 24, 1], "digest": "0"}],
        "methods": list(METHODS),
        "metrics": ["sic_webp", "iou"],
        "notes": ["A note."],
    }


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A small untrained network for phantoms at 32 pixels, saved as training saves it."""
    from xaijax import models

    classes = ("glioma", "meningioma", "pituitary")
    classifier = models.create("small_cnn", input_shape=(32, 32, 1), classes=classes, key=3)
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    models.save(classifier, folder)
    return folder
