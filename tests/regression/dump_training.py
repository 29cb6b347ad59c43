"""A tiny training and what follows from it: weights, log and scores; resumed, fine-tuned, evaluated, explained."""

import hashlib
import json
from pathlib import Path
from typing import Any

import adapters
import numpy as np
from dump import Dump
from PIL import Image

# Words in the names of values that differ from run to run.
TIMES = ("second", "time", "duration", "per_image")
SPLIT = ("training", "validation", "explained")


def spots(folder: Path) -> None:
    """Three classes that differ by the position of a bright spot on noise."""
    rng = np.random.default_rng(0)
    for label, (name, row) in enumerate((("high", 6), ("middle", 16), ("low", 26))):
        (folder / name).mkdir(parents=True)
        for number in range(12 - 2 * label):
            image = rng.integers(0, 90, (32, 32)).astype(np.uint8)
            column = rng.integers(8, 24)
            image[row - 3 : row + 3, column - 3 : column + 3] = 220
            Image.fromarray(image).save(folder / name / f"{number:02d}.png")
    (folder / "low" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")


def keep_weights(dump: Dump, name: str, file: Path) -> None:
    """The tensors of a safetensors file, and what its header says of the model."""
    from safetensors import safe_open

    with safe_open(file, framework="numpy") as tensors:
        header = json.loads((tensors.metadata() or {}).get("xaijax", "{}"))
        for key in sorted(tensors.keys()):
            dump.array(f"{name}/{key}", tensors.get_tensor(key))
    for key in ("architecture", "options", "classes", "input_shape", "preprocess"):
        dump.text(f"{name}/header/{key}", header.get(key))


def keep_values(dump: Dump, name: str, value: Any) -> None:
    """The numbers and texts of a JSON value, times, commands and paths left out; reasons may be worded anew."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("command", "config", "versions", "machine", "xaijax") or any(word in key for word in TIMES):
                continue
            if key == "skipped":  # images and why they could not be read
                dump.text(f"{name}/skipped", [image for image, _ in inner])
                dump.note(f"{name}/skipped/reasons", "; ".join(reason for _, reason in inner))
                continue
            keep_values(dump, f"{name}/{adapters.key(key)}", inner)
    elif isinstance(value, list):
        if all(isinstance(one, int | float) and not isinstance(one, bool) for one in value):
            dump.array(name, np.asarray(value, np.float64))
            return
        for number, inner in enumerate(value):
            keep_values(dump, f"{name}/{number}", inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        dump.array(name, np.float64(value))
    else:
        dump.text(name, value)


def keep_lines(dump: Dump, name: str, file: Path) -> None:
    """A file of JSON lines."""
    keep_values(dump, name, [json.loads(line) for line in file.read_text("utf-8").splitlines()])


def keep_split(dump: Dump, name: str, file: Path) -> None:
    """The lists of image ids in a run's description, wherever they stand."""

    def walk(value: Any) -> None:
        for key, inner in value.items() if isinstance(value, dict) else ():
            if key in SPLIT and isinstance(inner, list):
                dump.text(f"{name}/{key}", inner)
            else:
                walk(inner)

    walk(json.loads(file.read_text("utf-8")))


def keep_training(dump: Dump, name: str, out: Path) -> None:
    """Everything that a training wrote, apart from pictures and times."""
    keep_weights(dump, f"{name}/weights", out / "model.safetensors")
    keep_lines(dump, f"{name}/log", adapters.file_of(out, "log.jsonl"))
    keep_values(dump, f"{name}/metrics", json.loads(adapters.file_of(out, "metrics.json").read_text("utf-8")))
    keep_split(dump, f"{name}/split", adapters.file_of(out, "run.json"))


def keep_picture(dump: Dump, name: str, file: Path) -> None:
    """The pixels of a picture."""
    with Image.open(file) as picture:
        pixels = np.asarray(picture)
    dump.text(f"{name}/size", list(pixels.shape))
    dump.text(f"{name}/sha256", hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest())


def trained(dump: Dump) -> None:
    """From scratch, resumed with more epochs refused or not, and from weights with frozen epochs."""
    spots(Path("spots"))
    options = {"data": "spots", "size": 32, "batch_size": 8, "validation": 0.25, "test": 0, "epochs": 2}
    with dump.piece("scratch"):
        adapters.run("train", {**options, "model": "small_cnn", "out": "scratch", "learning_rate": 0.005})
        keep_training(dump, "scratch", Path("scratch"))
    with dump.piece("resumed"):
        again = {**options, "model": "small_cnn", "out": "scratch", "learning_rate": 0.005, "resume": True}
        adapters.run("train", again)
        keep_training(dump, "resumed", Path("scratch"))
    with dump.piece("sgd"):
        more = {"optimizer": "sgd", "schedule": "linear", "warmup": 0.5, "weight_decay": 0.01, "seed": 3}
        augmentation = {"augmentation.rotation": 5, "augmentation.zoom": 0.3, "augmentation.flip": "both"}
        adapters.run("train", {**options, "model": "small_cnn", "out": "sgd", **more, **augmentation})
        keep_training(dump, "sgd", Path("sgd"))
    with dump.piece("tuned"):
        more = {"weights": "scratch", "frozen_epochs": 1, "no-augment": True, "no-balance": True}
        adapters.run("train", {**options, "out": "tuned", **more})
        keep_training(dump, "tuned", Path("tuned"))
    with dump.piece("phantoms"):
        given = {"data": "phantoms", "count": 18, "size": 32, "epochs": 1, "cues": ["text"], "correlation": 0.8}
        given |= {"validation": 0.2, "test": 0}
        adapters.run("train", {**given, "model": "small_cnn", "batch_size": 8, "out": "phantoms"})
        keep_training(dump, "phantoms", Path("phantoms"))


def library(dump: Dump) -> None:
    """`train` on arrays in memory."""
    from xaijax import models

    train = adapters.place("train")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 16, 16, 1)).astype(np.uint8)
    labels = np.arange(20) % 3
    images[labels == 1, :8] //= 2
    classifier = models.create("small_cnn", 3, (16, 16, 1), key=0, width=8)
    options = adapters.place("Options")(epochs=2, batch_size=8)
    found = train(classifier, images[:14], labels[:14], validation=(images[14:], labels[14:]), options=options)
    import dump_models

    for name, leaf in dump_models.leaves(found.classifier.params):
        dump.array(f"weights/{name}", leaf)
    keep_values(dump, "log", list(found.log))
    keep_values(dump, "metrics", found.metrics)
    dump.text("best_epoch", found.best_epoch)


def save_models() -> list[str]:
    """Two checkpoints with random weights, of phantoms of 32 pixels."""
    from xaijax import models

    classes = ("glioma", "meningioma", "pituitary")
    for key, name in enumerate(("one", "two")):
        models.save(models.create("small_cnn", input_shape=(32, 32, 1), classes=classes, key=key), name)
    return ["one", "two"]


def evaluated(dump: Dump) -> None:
    """`xaijax evaluate` of one checkpoint and of two."""
    both = save_models()
    for name, model in (("single", both[:1]), ("pair", both)):
        with dump.piece(name):
            adapters.run("evaluate", {"data": "phantoms", "count": 18, "model": model, "out": f"out-{name}"})
            out = Path(f"out-{name}")
            keep_values(dump, name, json.loads(adapters.file_of(out, "evaluation.json").read_text("utf-8")))
            dump.text(f"{name}/predictions", adapters.file_of(out, "predictions.csv").read_text("utf-8"))


def explained(dump: Dump) -> None:
    """`xaijax explain`: the overlays and the table of them."""
    model = save_models()[0]
    rng = np.random.default_rng(4)
    Path("images").mkdir()
    for number, shape in enumerate(((40, 32), (32, 48))):
        smooth = np.add.outer(np.arange(shape[0]) * 3, np.arange(shape[1]) * 2) % 256
        Image.fromarray((smooth // 2 + rng.integers(0, 90, shape)).astype(np.uint8)).save(f"images/{number}.png")
    methods = ["grad_cam", "input_x_gradient", "sobel", "random", "rise"]
    for name, more in (
        ("plain", {"table": "plain.png"}),
        ("other", {"bare": True, "crop": True, "target": "glioma"}),
    ):
        with dump.piece(name):
            given = {"model": model, "methods": methods, "method_options": ["rise.count=20"], "seed": 2, "out": name}
            printed = adapters.run("explain", {**given, **more}, positional=["images"])
            dump.note(f"{name}/printed", printed)
            for file in sorted(Path(name).glob("*.png")):
                keep_picture(dump, f"{name}/{file.name}", file)
            if "table" in more:
                keep_picture(dump, f"{name}/table", Path("plain.png"))


TABLES = {
    "training/command": trained,
    "training/library": library,
    "training/evaluate": evaluated,
    "training/explain": explained,
}
