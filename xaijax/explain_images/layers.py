"""`xaijax explain --layer all`: one method over the layers of a model, and what each layer is worth."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax._errors import InputError
from xaijax._files import refuse_full, write_whole
from xaijax.explain_images.config import ExplainConfig
from xaijax.explain_images.seen import Seen, see

if TYPE_CHECKING:
    from xaijax.explain import Usable

ALL = "all"
LOCALIZATION = ("pointing_game", "average_precision", "top15_energy")
FALLBACK = "sic_mutual"
MOST_DRAWN = 8  # images in a figure; all are scored
FIGURE = ".layers.png"


def is_all(config: ExplainConfig) -> bool:
    """Whether --layer asks for all layers."""
    return config.layer is not None and config.layer.casefold() == ALL


def check(config: ExplainConfig) -> None:
    """Refuses options that --layer all has no use for."""
    if config.masks and not is_all(config):
        raise InputError("--masks are scored with --layer all: add it, or leave --masks out")
    if not is_all(config):
        return
    other = next((kind for kind in config.save if kind != "png"), None)
    if other is not None:
        raise InputError(f"--layer all draws a figure for each method: leave --save {other} out, or name one layer")
    for name, given in (("--uncertainty", config.uncertainty), ("--table", config.table is not None)):
        if given:
            raise InputError(f"--layer all draws a figure for each method: leave {name} out, or name one layer")


def with_layer(methods: Sequence[str]) -> tuple[str, ...]:
    """Those that look at a layer."""
    from xaijax.explain import METHODS

    return tuple(name for name in methods if "layer" in METHODS[name].options)


def run(
    config: ExplainConfig,
    paths: Sequence[Path],
    names: Sequence[str],
    classifier: Any,
    options: Mapping[str, Mapping[str, Any]],
) -> list[tuple[Path, str]]:
    """Draws, scores and prints; returns the images that failed and why."""
    from xaijax.data.images import reason
    from xaijax.explain import METHODS, usable_layers

    for method in config.methods:
        if "layer" not in METHODS[method].options:
            raise InputError(f"--layer all is for methods that look at a layer, and {method} does not: leave it out")
        if "layer" in options.get(method, {}):
            raise InputError(f"--layer all and --set {method}.layer contradict each other: leave one of the two out")
    usable = {method: usable_layers(method, classifier) for method in config.methods}
    masks = find_masks(config.masks, paths)
    seen: list[Seen] = []
    shown: list[str] = []
    failed: list[tuple[Path, str]] = []
    for path, name, mask in zip(paths, names, masks, strict=True):
        try:
            seen.append(see(path, classifier, config, mask))
            shown.append(name)
        except (OSError, ValueError) as error:
            refuse_full(error)
            failed.append((path, reason(error)))
    if not seen:
        raise InputError(f"no image could be explained; the first, {failed[0][0]}: {failed[0][1]}")
    images = np.stack([one.given for one in seen])
    labels = np.array([_label(one, classifier, config) for one in seen], np.int32)
    found = {m: _maps(m, classifier, images, labels, usable[m], config, options.get(m, {})) for m in config.methods}
    metric, source = faithfulness(classifier, config.out)
    inside = None
    if any(one.mask is not None for one in seen):
        inside = np.stack([np.zeros(images.shape[1:3], bool) if one.mask is None else one.mask for one in seen])
    rows: list[dict[str, Any]] = []
    for method, maps in found.items():
        scores = _scores(classifier, images, labels, maps, inside, metric, shown, config)
        default = None if "attention" in METHODS[method].needs else classifier.default_layer
        for layer, shape in usable[method].layers.items():
            rows.append(
                {"method": method, "layer": layer, "shape": list(shape), "default": layer == default} | scores[layer]
            )
    files = []
    if "png" in config.save:
        for method, maps in found.items():
            files.append(config.out / f"{method}{FIGURE}")
            _draw(files[-1], images, maps, inside, config)
    said = {
        "images": [
            {
                "image": name,
                "predicted": classifier.targets[int(one.chances.argmax())],
                "probability": float(one.chances.max()),
                "explained": classifier.targets[int(label)],
            }
            for name, one, label in zip(shown, seen, labels, strict=True)
        ],
        "faithfulness": {"metric": metric, "source": source},
        "masks": 0 if inside is None else int(inside.any((1, 2)).sum()),
        "layers": rows,
        "left_out": {method: one.left_out for method, one in usable.items()},
        "files": [str(file) for file in files],
    }
    _say(config, said)
    return failed


def targets(config: ExplainConfig) -> list[Path]:
    """The figures."""
    return [config.out / f"{method}{FIGURE}" for method in config.methods] if "png" in config.save else []


def find_masks(given: Sequence[Path], paths: Sequence[Path]) -> list[Path | None]:
    """The mask file of each image: of a folder the file of the same name, else as many files as images."""
    if not given:
        return [None] * len(paths)
    missing = next((path for path in given if not path.exists()), None)
    if missing is not None:
        raise InputError(f"--masks is {missing}, which does not exist")
    if len(given) == 1 and given[0].is_dir():
        there = {file.stem: file for file in sorted(given[0].iterdir()) if file.is_file()}
        found = [there.get(path.stem) for path in paths]
        if not any(found):
            raise InputError(
                f"--masks is {given[0]}, which holds no file of the name of an image, such as {paths[0].stem}"
            )
        return found
    if len(given) != len(paths):
        raise InputError(f"--masks names {len(given)} files for {len(paths)} images; give one each, or a folder")
    return list(given)


def faithfulness(classifier: Any, out: Path) -> tuple[str, str]:
    """The metric to score by: the one that a calibration of this model supports best, and where that is from."""
    from xaijax import calibrate
    from xaijax._runs.metrics import complete_settings
    from xaijax._runs.models import digest_of
    from xaijax.metrics import METRICS

    own = digest_of(classifier)
    near = [one for folder in dict.fromkeys((out.parent, Path("runs"))) for one in calibrate.nearby(folder)]
    best: tuple[float, str, str] | None = None
    for one in [*calibrate.shipped(), *near]:
        if one.model != own:
            continue
        settings = complete_settings(tuple(one.values["metrics"]), {})
        for name, values in one.values["metrics"].items():
            if name in METRICS and one.verdict(name, settings, METRICS[name].family)[0] == "believe":
                best = max(best or (-1.0, "", ""), (float(values.get("concordance") or 0.0), name, one.source))
    if best is None:
        return FALLBACK, (
            "no calibration of this model supports a metric (xaijax calibrate makes one), so the order of the layers "
            "is not confirmed"
        )
    return best[1], f"supported best by {best[2]}"


def _label(one: Seen, classifier: Any, config: ExplainConfig) -> int:
    return int(one.chances.argmax()) if config.target == "predicted" else classifier.targets.index(config.target)


def _maps(
    method: str,
    classifier: Any,
    images: np.ndarray,
    labels: np.ndarray,
    usable: "Usable",
    config: ExplainConfig,
    options: Mapping[str, Any],
) -> dict[str, np.ndarray]:
    """layer -> evidence `[N, H, W]`."""
    from xaijax.explain import METHODS

    given: dict[str, Any] = {"seed": config.seed, "batch_size": config.batch_size} | dict(options)
    found = {}
    for layer in usable.layers:
        raw = METHODS[method].maps(classifier, images, labels, layer=layer, **given)
        if not np.isfinite(raw).all():
            raise InputError(f"the method {method} gives NaN or infinity at layer {layer}; leave it out of --methods")
        found[layer] = METHODS[method].evidence(np.asarray(raw, np.float32))
    return found


def _scores(
    classifier: Any,
    images: np.ndarray,
    labels: np.ndarray,
    maps: Mapping[str, np.ndarray],
    masks: np.ndarray | None,
    metric: str,
    names: Sequence[str],
    config: ExplainConfig,
) -> dict[str, dict[str, float | None]]:
    """layer -> metric -> mean over the images; None where no image has a value."""
    from xaijax import metrics

    asked = [] if classifier.output == "regression" else [metric]
    asked += [] if masks is None else list(LOCALIZATION)
    if not asked:
        return {layer: {} for layer in maps}
    scores = metrics.evaluate(
        *(classifier, images, labels, dict(maps), masks, asked),
        ids=list(names),
        seed=config.seed,
        batch_size=config.batch_size,
    )
    found: dict[str, dict[str, float | None]] = {layer: dict.fromkeys(asked) for layer in maps}
    for layer in maps:
        for name in asked:
            values = scores.select(method=layer, metric=name).value
            if np.isfinite(values).any():
                found[layer][name] = float(np.nanmean(values))
    return found


def _draw(
    path: Path,
    images: np.ndarray,
    maps: Mapping[str, np.ndarray],
    masks: np.ndarray | None,
    config: ExplainConfig,
) -> None:
    """A row for each layer, a column for each image, lesions outlined."""
    from PIL import Image

    from xaijax.plot import image_table, outline, overlay
    from xaijax.plot._overlay import to_rgb

    some = range(min(len(images), MOST_DRAWN))
    behind = [np.zeros_like(images[i]) if config.bare else images[i] for i in some]

    def outlined(drawn: np.ndarray, number: int) -> np.ndarray:
        return drawn if masks is None else outline(drawn, masks[number])

    rows = [("image", [outlined(to_rgb(images[i]), i) for i in some])]
    for layer, heat in maps.items():
        drawn = [overlay(behind[i], heat[i], opacity=config.opacity) for i in some]
        rows.append((layer, [outlined(one, i) for i, one in zip(some, drawn, strict=True)]))
    sheet = Image.fromarray(image_table(rows))
    write_whole(path, lambda file: sheet.save(file, "PNG", optimize=True))


def _say(config: ExplainConfig, said: Mapping[str, Any]) -> None:
    if config.json:
        print(json.dumps(said, indent=2))
        return
    from rich.console import Console

    from xaijax._runs import tables

    console = Console()
    tables.print_rows(console, [one | {"probability": f"{one['probability']:.3f}"} for one in said["images"]])
    console.print()
    rows = []
    for one in said["layers"]:
        own = {"method": one["method"], "layer": one["layer"] + (" (default)" if one["default"] else "")}
        own["shape"] = " x ".join(map(str, one["shape"]))
        rows.append(own | {key: value for key, value in one.items() if key not in (*own, "default")})
    tables.print_rows(console, rows)
    source = said["faithfulness"]
    console.print(f"{source['metric']}: {source['source']}", style="dim", highlight=False)
    drawn = min(len(said["images"]), MOST_DRAWN)
    means = f"means over {len(said['images'])} images"
    if said["masks"]:
        means += f", of localization over {said['masks']} with a mask"
    if said["files"] and drawn < len(said["images"]):
        means += f"; the figures show the first {drawn}"
    console.print(means, style="dim", highlight=False)
    for method, left in said["left_out"].items():
        for reason in dict.fromkeys(left.values()):
            some = [layer for layer, why in left.items() if why == reason]
            listed = ", ".join(some[:4]) + (f" and {len(some) - 4} more" if len(some) > 4 else "")
            console.print(f"{method} leaves out {listed}: {reason}", style="dim", highlight=False, markup=False)
    for file in said["files"]:
        print(f"written to {file}")
