"""Exit status and message of bad command lines, and kind and message of errors of the Python API.

A changed exit status or kind of error is a difference. Messages may be worded anew: they are notes.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import adapters
import numpy as np
from dump import Dump
from dump_training import save_models
from PIL import Image

Line = tuple[str, str, dict[str, Any], list[str]]
"""(name, command, options, further words as they are)"""


def material() -> None:
    """Files that are wrong in one way each."""
    save_models()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        Path(f"good/{name}").mkdir(parents=True)
        for number in range(4):
            Image.fromarray(rng.integers(0, 256, (20, 20)).astype(np.uint8)).save(f"good/{name}/{number}.png")
    Path("single/only").mkdir(parents=True)
    Image.fromarray(np.zeros((20, 20), np.uint8)).save("single/only/0.png")
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full/something.txt").write_text("here")
    Path("broken/a").mkdir(parents=True)
    Path("broken/b").mkdir()
    for name in ("a", "b"):
        Path(f"broken/{name}/0.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    Path("table").mkdir()
    Path("table/labels.csv").write_text("image,label\na.png,x\n")
    Path("file.txt").write_text("text")
    Path("picture.png").write_bytes(Path("good/a/0.png").read_bytes())
    Path("bad.keras").write_bytes(b"nothing")
    Path("bad.safetensors").write_bytes(b"nothing")
    Path("bad.npz").write_bytes(b"nothing")
    Path("bad.toml").write_text("count = [")
    Path("unknown.toml").write_text("no_such_option = 3\n")
    Path("list.yaml").write_text("- one\n- two\n")
    Path("config.ini").write_text("x = 1\n")
    Path("other.run").mkdir()
    Path("other.run/run.json").write_text("[1, 2]")


def lines() -> Iterator[Line]:
    """Bad command lines."""
    yield "no such command", "benhc", {}, []
    yield "nothing like it", "qqqq", {}, []
    yield from bench()
    yield from train()
    yield from others()
    yield from cascade()


def bench() -> Iterator[Line]:
    """Of `xaijax bench`."""
    wrong: dict[str, dict[str, Any]] = {
        "method": {"methods": ["gradkam"]},
        "method unlike any": {"methods": ["zzzz"]},
        "method twice": {"methods": ["random", "random"]},
        "metric": {"metrics": ["iuo"]},
        "metric twice": {"metrics": ["iou", "iou"]},
        "measure": {"metrics": ["aic_shanon"]},
        "convention": {"convention": "stabel"},
        "no folder": {"data": "no/such"},
        "phantoms": {"data": "phantoms:knee"},
        "a file": {"data": "file.txt"},
        "empty folder": {"data": "empty"},
        "broken images": {"data": "broken"},
        "bad table": {"data": "table"},
        "no masks": {"data": "good", "model": ["one"], "metrics": ["iou"]},
        "classes": {"data": "good", "model": ["one"]},
        "no model": {"model": ["nowhere"]},
        "untrained": {"model": ["vgg16"]},
        "model unlike any": {"model": ["zzzz.safetensors"]},
        "bad weights": {"model": ["bad.safetensors"]},
        "bad keras": {"model": ["bad.keras"]},
        "bad arrays": {"model": ["bad.npz"]},
        "model is text": {"model": ["file.txt"]},
        "one model for agreement": {"model": ["one"], "metrics": ["agreement_ssim"]},
        "negative count": {"count": -3},
        "count of words": {"count": "many"},
        "two counts": {"count": [3, 4]},
        "seed": {"seed": -1},
        "part": {"part": 0},
        "batch": {"batch_size": 0},
        "gallery": {"gallery": -1},
        "size": {"size": 3},
        "random masks": {"random_masks": 0},
        "method option": {"method_options": ["stepz=3"]},
        "method option without value": {"method_options": ["steps"]},
        "method option of another": {"methods": ["random"], "method_options": ["rise.count=3"]},
        "setting": {"metric_settings": ["perturbation.stepz=3"]},
        "setting of no family": {"metric_settings": ["perturbations.steps=3"]},
        "setting without value": {"metric_settings": ["perturbation.steps"]},
        "setting of words": {"metric_settings": ["perturbation.steps=many"]},
        "setting out of range": {"metric_settings": ["perturbation.steps=-3"]},
        "setting twice": {"metric_settings": ["perturbation.steps=3", "perturbation.steps=4"]},
        "fractions": {"metric_settings": ["pic.fractions=0.5,0.1"]},
        "cue": {"cues": ["txt"]},
        "cue without class": {"cues": ["ruler"]},
        "correlation": {"cues": ["text"], "correlation": 1.5},
        "correlation without cues": {"correlation": 0.5},
        "covered": {"covered": True},
        "lesions": {"lesions": 99},
        "lesions of a folder": {"data": "good", "lesions": 2},
        "mask role": {"mask_role": "tumour"},
        "role of phantoms": {"mask_role": "organ"},
        "split": {"split": "tset"},
        "validation images": {"split": "validation", "model": ["one"]},
        "target": {"target": "nothing"},
        "configuration": {"config": "none.toml"},
        "bad configuration": {"config": "bad.toml"},
        "unknown key": {"config": "unknown.toml"},
        "list": {"config": "list.yaml"},
        "kind of configuration": {"config": "config.ini"},
        "resume without a folder": {"resume": True, "out": None},
        "resume nothing": {"resume": True, "out": "none"},
        "resume another": {"resume": True, "out": "full"},
        "resume no run": {"resume": True, "out": "other.run"},
        "full folder": {"out": "full"},
        "file for a folder": {"out": "file.txt"},
        "no methods": {"methods": []},
        "no metrics": {"metrics": []},
    }
    for name, options in wrong.items():
        # What is not refused must not take long, nor leave anything in the way of the others.
        given = {"count": 2, "out": f"out-{name.replace(' ', '-')}", **options}
        yield f"bench/{name}", "bench", {key: value for key, value in given.items() if value is not None}, []
    for word in ("--qqqq", "--no-resum", "--resume=yes", "stray", "--seed", "-x"):
        yield f"bench/{word}", "bench", {}, [word]


def train() -> Iterator[Line]:
    """Of `xaijax train`."""
    good = {"data": "good", "out": "out-train", "epochs": 1, "size": 32}
    yield "train/nothing", "train", {}, []
    yield "train/no out", "train", {"data": "good"}, []
    wrong: dict[str, dict[str, Any]] = {
        "no folder": {"data": "no/such"},
        "one class": {"data": "single"},
        "broken images": {"data": "broken"},
        "architecture": {"model": "small_cmm"},
        "architecture unlike any": {"model": "zzzz"},
        "small images": {"model": "vgg16", "size": 8},
        "weights": {"weights": "nowhere"},
        "bad weights": {"weights": "bad.safetensors"},
        "frozen without weights": {"frozen_epochs": 1},
        "epochs": {"epochs": 0},
        "epochs of words": {"epochs": "many"},
        "batch": {"batch_size": 0},
        "rate": {"learning_rate": -1},
        "warm-up": {"warmup": 2},
        "decay": {"weight_decay": -1},
        "optimizer": {"optimizer": "adam"},
        "schedule": {"schedule": "step"},
        "precision": {"precision": "float16"},
        "validation": {"validation": 1.5},
        "no validation": {"validation": 0},
        "patience": {"patience": -1},
        "keep": {"keep": 0},
        "devices": {"devices": 64},
        "full folder": {"out": "full"},
        "file": {"out": "file.txt"},
        "resume another": {"out": "full", "resume": True},
        "images of a folder": {"count": 5},
        "flip": {"augmentation.flip": "diagonal"},
        "channels": {"channels": 2},
    }
    for name, options in wrong.items():
        yield f"train/{name}", "train", {**good, "out": f"out-train-{name.replace(' ', '-')}", **options}, []


def others() -> Iterator[Line]:
    """Of `xaijax evaluate`, `explain`, `profile` and `doctor`."""
    yield "evaluate/nothing", "evaluate", {}, []
    good: dict[str, Any] = {"data": "phantoms", "model": ["one"], "out": "out-evaluate", "count": 4}
    for name, options in {
        "three": {"model": ["one", "two", "one"]},
        "none": {"model": []},
        "nowhere": {"model": ["nowhere"]},
        "no folder": {"data": "no/such"},
        "classes": {"data": "good"},
        "validation": {"split": "validation"},
        "full folder": {"out": "full"},
        "split": {"split": "tset"},
        "cue": {"cues": ["txt"]},
    }.items():
        given = {**good, **options}
        if given["data"] != "phantoms":
            del given["count"]
        yield f"evaluate/{name}", "evaluate", given, []
    yield "explain/nothing", "explain", {"model": "one"}, []
    for name, images, options in (
        ("no image", ["none.png"], {}),
        ("text", ["file.txt"], {}),
        ("broken", ["broken/a"], {}),
        ("empty", ["empty"], {}),
        ("method", ["picture.png"], {"methods": ["gradkam"]}),
        ("unfit method", ["picture.png"], {"methods": ["attention_rollout"]}),
        ("masks", ["picture.png"], {"methods": ["ground_truth"]}),
        ("opacity", ["picture.png"], {"opacity": 3}),
        ("class", ["picture.png"], {"target": "nothing"}),
        ("model", ["picture.png"], {"model": "nowhere"}),
        ("out", ["picture.png"], {"out": "file.txt"}),
        ("table", ["picture.png"], {"table": "table.gif"}),
        ("option", ["picture.png"], {"methods": ["rise"], "method_options": ["rise.kount=3"]}),
    ):
        given = {"model": "one", "out": "out-explain", "methods": ["sobel"], **options}
        yield f"explain/{name}", "explain", given, images
    for name, options in {
        "method": {"methods": ["gradkam"]},
        "model": {"model": ["zzzz"]},
        "repeat": {"repeat": 0},
        "precision": {"precision": ["float16"]},
        "batch": {"batch": [0]},
    }.items():
        yield f"profile/{name}", "profile", options, []
    yield "doctor/option", "doctor", {}, ["--fast"]
    yield "doctor/word", "doctor", {}, ["now"]


def cascade() -> Iterator[Line]:
    """Of `xaijax cascade`."""
    good = {"data": "phantoms", "count": 6, "out": "out-cascade", "epochs": 1, "size": 32, "rounds": 1}
    yield "cascade/nothing", "cascade", {}, []
    wrong: dict[str, dict[str, Any]] = {
        "rounds": {"rounds": 0},
        "base": {"base": ["gradkam"]},
        "bases": {"base": ["cam", "grad_cam", "layer_cam"], "rounds": 2},
        "threshold": {"threshold": "top_q:10"},
        "threshold out of range": {"threshold": "top_k:200"},
        "theta": {"theta": -1},
        "decay": {"decay": -1},
        "scale": {"scale": "max"},
        "compare": {"compare": ["gradkam"]},
        "form": {"form": "thawed"},
        "sweep": {"sweep_threshold": ["top_q:3"]},
        "frozen without model": {"form": "frozen", "model": "nowhere"},
        "full folder": {"out": "full"},
        "resume another": {"out": "full", "resume": True},
        "no folder": {"data": "no/such"},
        "one class": {"data": "single"},
    }
    for name, options in wrong.items():
        given = {**good, **options}
        if given["data"] != "phantoms":
            del given["count"]
        yield f"cascade/{name}", "cascade", given, []


def commands(dump: Dump) -> None:
    """Every bad command line, in this process; and what is good but prints only."""
    material()
    for name, command, options, words in lines():
        with dump.piece(name):
            given = [command, *words]
            if options:
                positional = [word for word in words if not word.startswith("-")] if command == "explain" else []
                given = adapters.arguments(command, options, positional=positional)
            status, _, said = adapters.call(given)
            dump.text(f"{name}/status", status)
            dump.note(f"{name}/message", said.replace(os.getcwd(), "."))
    for words in (["--version"], ["--help"], [], ["doctor"], ["doctor", "--json"]):
        with dump.piece(f"good/{' '.join(words)}"):
            dump.text(f"good/{' '.join(words)}/status", adapters.call(words)[0])


def calls() -> dict[str, Callable[[], Any]]:
    """Wrong calls of the Python API."""
    import small_models

    from xaijax import data, explain, kernels, metrics, models

    model = small_models.functions()
    images, labels = small_models.scenes(2, model.input_shape), np.array([0, 1])
    maps = np.random.default_rng(0).random((2, 16, 16))
    masks = np.zeros((2, 16, 16), bool)
    image = images[0]
    levels = np.zeros((16, 16), np.uint16)

    def method(name: str, *arguments: Any, **options: Any) -> Callable[[], Any]:
        return lambda: explain.explain(name, *(arguments or (model, images, labels)), **options)

    def score(**changed: Any) -> Callable[[], Any]:
        given = {
            "classifier": model,
            "images": images,
            "labels": labels,
            "maps": {"m": maps},
            "metrics": ["sic_mutual"],
        }
        return lambda: adapters.evaluate(**{**given, **changed})

    def read(source: str, **options: Any) -> Callable[[], Any]:
        return lambda: adapters.open_dataset(source, **options)

    return {
        "explain/name": method("gradkam"),
        "explain/option": method("gradient", stepz=3),
        "explain/classifier": method("gradient", "model", images, labels),
        "explain/shape": method("gradient", model, images[:, :8], labels),
        "explain/axes": method("gradient", model, images[0], labels),
        "explain/none": method("gradient", model, images[:0], labels[:0]),
        "explain/labels": method("gradient", model, images, np.array([0.5, 1.0])),
        "explain/count of labels": method("gradient", model, images, np.array([0, 1, 2])),
        "explain/range of labels": method("gradient", model, images, np.array([0, 99])),
        "explain/target": method("gradient", target="nothing"),
        "explain/reduce": method("gradient", reduce="nothing"),
        "explain/batch": method("gradient", batch_size=0),
        "explain/baseline": method("integrated_gradients", baseline="pink"),
        "explain/rule": method("integrated_gradients", rule="nothing"),
        "explain/layer": method("grad_cam", layer="nothing"),
        "explain/biases": method("fullgrad"),
        "explain/attention": method("attention_rollout"),
        "explain/masks": method("ground_truth"),
        "explain/window": method("occlusion", window=0),
        "explain/threshold": method("cascade", threshold="top_q:3"),
        "explain/steps": lambda: explain.postprocess(maps, "minmaxx"),
        "metrics/name": score(metrics=["iuo"]),
        "metrics/text": score(metrics="iou"),
        "metrics/none": score(metrics=[]),
        "metrics/masks": score(metrics=["iou"]),
        "metrics/shape of masks": score(metrics=["iou"], masks=masks[:, :3]),
        "metrics/role": score(metrics=["iou"], masks={"organ": masks}),
        "metrics/model": score(classifier=None),
        "metrics/shape of maps": score(maps={"m": maps[:, :4]}),
        "metrics/nan": score(maps={"m": np.full_like(maps, np.nan)}),
        "metrics/no maps": score(maps={}),
        "metrics/labels": score(labels=np.array([0, 99])),
        "metrics/images": score(images=images.astype(np.int64)),
        "metrics/explainer": score(metrics=["max_sensitivity"]),
        "metrics/variants": score(metrics=["agreement_ssim"]),
        "metrics/family": score(settings={"nothing": {}}),
        "metrics/setting": score(settings={"pic": {"nothing": 1}}),
        "metrics/convention": score(settings={"pic": {"convention": "nothing"}}),
        "metrics/fractions": score(settings={"pic": {"fractions": (0.5, 0.1)}}),
        "metrics/ids": score(ids=["a", "a"]),
        "metrics/oracle": score(oracle=True),
        "metrics/seed": score(seed=-1),
        "data/nowhere": read("nowhere"),
        "data/file": read("file.txt"),
        "data/empty": read("empty"),
        "data/table": read("table"),
        "data/phantoms": read("phantoms:knee"),
        "data/count": read("phantoms", count=0),
        "data/size": read("phantoms", size=4),
        "data/count of a folder": read("good", count=3),
        "data/role": read("good", mask_role="tumour"),
        "data/window": read("good", window=(5, 5)),
        "data/cue": read("phantoms", cues=["txt"]),
        "data/broken": lambda: data.open_dataset("broken").read(),
        "data/shape": lambda: data.open_dataset("good").read(shape=(3, 3)),
        "data/index": lambda: data.open_dataset("good").read([99]),
        "data/split": lambda: adapters.place("split")(data.open_dataset("good"), 2.0, 0),
        "models/name": lambda: models.create("small_cmm", 3),
        "models/classes": lambda: models.create("small_cnn", 1),
        "models/no classes": lambda: models.create("small_cnn"),
        "models/shape": lambda: models.create("small_cnn", 3, (8, 8, 2)),
        "models/option": lambda: models.create("small_cnn", 3, wide=3),
        "models/nowhere": lambda: models.load("nowhere"),
        "models/damaged": lambda: models.load("bad.safetensors"),
        "models/keras": lambda: models.load("bad.keras"),
        "models/arrays": lambda: models.load("bad.npz"),
        "models/torch": lambda: models.from_torch({"layer.weight": np.zeros((2, 2))}),
        "models/save": lambda: models.save(model, "saved"),
        "models/image": lambda: model.predict(images[:, :3]),
        "models/head": lambda: model.biases(model.params),
        "kernels/bins": lambda: kernels.histogram_entropy(images, bins=0),
        "kernels/range": lambda: kernels.histogram_entropy(images, range=(1, 0)),
        "kernels/dtype": lambda: kernels.histogram_entropy(images.astype(np.int64)),
        "kernels/axes": lambda: kernels.histogram_entropy(image[0]),
        "kernels/order": lambda: kernels.histogram_entropy(np.asfortranarray(images)),
        "kernels/threads": lambda: kernels.histogram_entropy(images, num_threads=0),
        "kernels/references": lambda: kernels.mutual_information(images, images.astype(np.float32)),
        "kernels/fractions": lambda: kernels.reveal_levels(maps, (0.5, 0.1)),
        "kernels/nan": lambda: kernels.reveal_levels(np.full((4, 4), np.nan), (0.5,)),
        "kernels/always": lambda: kernels.reveal_levels(maps, (0.5,), np.zeros((3, 3), bool)),
        "kernels/fill": lambda: kernels.reveal(image, levels, 2, "nothing"),
        "kernels/colour": lambda: kernels.reveal(image, levels, 2, 1000),
        "kernels/n_levels": lambda: kernels.reveal(image, levels, 0),
        "kernels/direction": lambda: kernels.reveal(image, levels, 2, direction="up"),
        "kernels/sigma": lambda: kernels.reveal(image, levels, 2, "blur", sigma=0),
        "kernels/levels": lambda: kernels.reveal(image, levels.astype(np.int32), 2),
        "kernels/fraction": lambda: kernels.random_mask((4, 4), 2.0, 0),
        "kernels/seed": lambda: kernels.random_mask((4, 4), 0.5, "one"),
        "kernels/percent": lambda: kernels.top_k_threshold(maps, 0),
        "kernels/prior": lambda: kernels.ebayes_threshold(maps, prior="normal"),
        "kernels/sd": lambda: kernels.ebayes_threshold(maps, sd=-1.0),
        "kernels/scores": lambda: kernels.localization_scores(maps, masks, scores=["nothing"]),
        "kernels/masks": lambda: kernels.localization_scores(maps, masks[:, :3]),
        "kernels/regions": lambda: kernels.rank_regions(maps[0], masks, min_pixels=0),
        "kernels/measure": lambda: kernels.similarity(maps, maps, measure="nothing"),
        "kernels/pairs": lambda: kernels.similarity(maps, maps[:, :3]),
        "kernels/text": lambda: kernels.histogram_entropy("image"),
        "metrics/health": lambda: metrics.health("scores"),
    }


def python(dump: Dump) -> None:
    """Every wrong call of the Python API."""
    material()
    for name, call in calls().items():
        with dump.piece(name, refusal=Exception):
            call()
            dump.text(f"{name}/refused", "no error")


TABLES = {"errors/commands": commands, "errors/python": python}
