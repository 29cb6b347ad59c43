"""`xaijax explain` with several models: maps of other seeds, checkpoints or architectures, their mean and their spread.

Maps of two models have other scales, so each is divided by its largest magnitude before it is averaged: mean and spread
(standard deviation over the models) are in shares of a map's maximum. One class is explained by all: with `--target
predicted` that of the largest mean probability.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax import _names
from xaijax._errors import InputError
from xaijax._files import refuse_full, write_whole
from xaijax.explain_images.config import ExplainConfig
from xaijax.explain_images.seen import Seen, see

FORMATS = {"png": ".models.png", "npz": ".models.npz"}
MOST_DRAWN = 8  # images in a figure; all are compared


def check(config: ExplainConfig) -> None:
    """Refuses options that several models have no use for."""
    if len(config.model) < 2:
        return
    other = next((kind for kind in config.save if kind not in FORMATS), None)
    if other is not None:
        raise InputError(f"--save {other} is for one model; with several --save takes png and npz")
    for name, given in (
        ("--uncertainty", config.uncertainty),
        ("--table", config.table is not None),
        ("--layer all", config.layer is not None and config.layer.casefold() == "all"),
    ):
        if given:
            raise InputError(
                f"{name} is for one model, and --model names {len(config.model)}: leave one of the two out"
            )


def targets(config: ExplainConfig, names: Sequence[str]) -> list[Path]:
    """The files."""
    found = [config.out / f"{method}{FORMATS['png']}" for method in config.methods] if "png" in config.save else []
    if "npz" in config.save:
        found += [config.out / f"{name}.{method}{FORMATS['npz']}" for name in names for method in config.methods]
    return found


def run(
    config: ExplainConfig,
    paths: Sequence[Path],
    names: Sequence[str],
    classifiers: Sequence[Any],
    options: Mapping[str, Mapping[str, Any]],
) -> list[tuple[Path, str]]:
    """Explains every image by every model, compares and prints; returns the images that failed and why."""
    from xaijax._runs.models import match_classes
    from xaijax.data.images import reason

    first = classifiers[0]
    models = _names.short(config.model)
    index = [
        match_classes(first.targets, one.targets, f"model {path}", f"the model {config.model[0]}")
        for path, one in zip(config.model, classifiers, strict=True)
    ]
    seen: list[list[Seen]] = []
    shown: list[str] = []
    failed: list[tuple[Path, str]] = []
    for path, name in zip(paths, names, strict=True):
        try:
            seen.append([see(path, one, config) for one in classifiers])
            shown.append(name)
        except (OSError, ValueError) as error:
            refuse_full(error)
            failed.append((path, reason(error)))
    if not seen:
        raise InputError(f"no image could be explained; the first, {failed[0][0]}: {failed[0][1]}")
    chances = np.stack([[one.chances[list(own)] for one, own in zip(row, index, strict=True)] for row in seen])
    if config.target == "predicted":
        explained = chances.mean(1).argmax(1)
    else:
        explained = np.full(len(seen), first.targets.index(config.target))
    rows: list[dict[str, Any]] = []
    files: list[Path] = []
    for method in config.methods:
        maps = _maps(method, classifiers, index, seen, explained, config, options.get(method, {}))
        rows += _compare(method, maps, shown)
        files += _write(config, method, maps, models, seen, shown)
    said = {
        "models": list(models),
        "images": [
            {
                "image": name,
                "explained": first.targets[int(label)],
                "probabilities": {model: float(one[label]) for model, one in zip(models, own, strict=True)},
            }
            for name, label, own in zip(shown, explained, chances, strict=True)
        ],
        "disagreement": rows,
        "notes": _blind(config.methods),
        "files": [str(file) for file in files],
    }
    _say(config, said)
    return failed


def unit(maps: np.ndarray) -> np.ndarray:
    """Each map divided by its largest magnitude; zeros stay zeros.

    Example:
        >>> unit(np.array([[[2.0, -4.0]], [[0.0, 0.0]]])).tolist()
        [[[0.5, -1.0]], [[0.0, 0.0]]]
    """
    top = np.abs(maps).max((-2, -1), keepdims=True)
    return maps / np.where(top == 0, 1.0, top)


def _maps(
    method: str,
    classifiers: Sequence[Any],
    index: Sequence[Sequence[int]],
    seen: Sequence[Sequence[Seen]],
    explained: np.ndarray,
    config: ExplainConfig,
    options: Mapping[str, Any],
) -> np.ndarray:
    """Evidence `[M, N, H, W]` of every model at the size of the first one, each map in [-1, 1]."""
    from xaijax.data.saving import on_image
    from xaijax.explain import METHODS

    given: dict[str, Any] = {"seed": config.seed, "batch_size": config.batch_size} | dict(options)
    size = classifiers[0].input_shape[:2]
    found = []
    for number, classifier in enumerate(classifiers):
        images = np.stack([row[number].given for row in seen])
        labels = np.asarray(index[number], np.int32)[explained]
        own = dict(given)
        if METHODS[method].family == "control":  # the same random map for all models would be perfect agreement
            own["seed"] = (int(given["seed"]) + 0x9E3779B1 * number) % 2**32
        raw = np.asarray(METHODS[method].maps(classifier, images, labels, **own), np.float32)
        if not np.isfinite(raw).all():
            raise InputError(f"the method {method} gives NaN or infinity on model {config.model[number]}; leave it out")
        evidence = METHODS[method].evidence(raw)
        found.append(unit(np.stack([on_image(one, size) for one in evidence])))
    return np.stack(found)


def _compare(method: str, maps: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """One row for each image: the metrics of agreement, means over all pairs of models, and the mean spread."""
    from xaijax.metrics import consistency

    pairs = [consistency.compare(a, b) for a, b in itertools.combinations(maps, 2)]
    spread = maps.std(0, ddof=1).mean((1, 2))
    rows = []
    for number, name in enumerate(names):
        row: dict[str, Any] = {"image": name, "method": method}
        for measure in consistency.MEASURES:
            values = [float(pair[measure][number]) for pair in pairs]
            row[f"agreement_{measure}"] = float(np.mean(values)) if np.isfinite(values).all() else None
        rows.append(row | {"mean_spread": float(spread[number])})
    return rows


def _blind(methods: Sequence[str]) -> list[str]:
    """That controls which ignore the model agree perfectly, where they are among the methods."""
    from xaijax.explain import METHODS

    found = [name for name in methods if METHODS[name].family == "control" and "key" not in METHODS[name].needs]
    if not found:
        return []
    verb = "agrees" if len(found) == 1 else "agree"
    return [
        f"{' and '.join(found)} {verb} perfectly between models, because nothing of the model enters: agreement alone "
        "says nothing of a map"
    ]


def _write(
    config: ExplainConfig,
    method: str,
    maps: np.ndarray,
    models: Sequence[str],
    seen: Sequence[Sequence[Seen]],
    names: Sequence[str],
) -> list[Path]:
    from xaijax.data.saving import on_image
    from xaijax.plot import gallery
    from xaijax.plot._style import encode

    mean, spread = maps.mean(0), maps.std(0, ddof=1)
    files = []
    if "png" in config.save:
        some = slice(0, MOST_DRAWN)
        images = np.stack([row[0].given for row in seen[some]])
        columns = {name: one[some] for name, one in zip(models, maps, strict=True)}
        columns |= {"mean of the models": mean[some], "spread of the models": spread[some]}
        drawn = encode(gallery(images, columns, titles=names[some]), "png")
        files.append(config.out / f"{method}{FORMATS['png']}")
        write_whole(files[-1], lambda file: file.write(drawn))
    if "npz" in config.save:
        for number, name in enumerate(names):
            one = seen[number][0]
            placed = [on_image(heat, one.image.shape[:2], one.part) for heat in (mean[number], spread[number])]
            each = np.stack([on_image(heat, one.image.shape[:2], one.part) for heat in maps[:, number]])
            arrays = {"mean": placed[0], "spread": placed[1], "maps": each, "models": np.asarray(models)}
            files.append(config.out / f"{name}.{method}{FORMATS['npz']}")
            write_whole(files[-1], lambda file, arrays=arrays: np.savez_compressed(file, **arrays))  # type: ignore[misc]
    return files


def _say(config: ExplainConfig, said: Mapping[str, Any]) -> None:
    if config.json:
        print(json.dumps(said, indent=2))
        return
    from rich.console import Console

    from xaijax._runs import tables

    console = Console()
    tables.print_rows(
        console,
        [
            {"image": one["image"], "explained": one["explained"]}
            | {model: f"{chance:.3f}" for model, chance in one["probabilities"].items()}
            for one in said["images"]
        ],
    )
    console.print()
    tables.print_rows(console, said["disagreement"])
    console.print(
        "agreement: mean over pairs of models, 1 is the same map; spread: standard deviation over the models, maps in "
        "shares of their maximum",
        style="dim",
        highlight=False,
    )
    for note in said["notes"]:
        console.print(note, style="dim", highlight=False)
    for file in said["files"]:
        print(f"written to {file}")
