"""Raw material: information and predictions of every rebuilt image, before any convention makes a curve of them.

Two settings. "model": the unchanged classifier, and the maps of explanation methods and controls. "planted": the same
classifier looking at the lesion alone (everything else is replaced by the image's median), so that the ground truth is
the whole evidence by construction, and a ladder of maps that mix the truth with noise in known shares: a metric that
measures faithfulness has to order the ladder.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from xaijax import data, explain, kernels, models
from xaijax._runs.data import choose
from xaijax._runs.models import sides_of, training_of
from xaijax.metrics import ORACLE, oracle_maps
from xaijax.metrics.metric import image_seed
from xaijax.metrics.pic_curve import FRACTIONS
from xaijax.metrics.pic_information import as_uint8, measure_information
from xaijax.metrics.webp import webp_size

MEASURES = ("shannon", "webp", "mutual")
METHODS = (
    "integrated_gradients",
    "smoothgrad_ig",
    "guided_ig",
    "xrai",
    "grad_cam",
    "grad_cam_pp",
    "score_cam",
    "gradient",
    "sobel",
    "random",
)
# The long methods with fewer steps than their defaults: what is judged here is the metric, not the method.
OPTIONS: dict[str, dict[str, Any]] = {"smoothgrad_ig": {"draws": 8, "steps": 8}, "guided_ig": {"steps": 25}}
LADDER = (0.0, 0.25, 0.5, 0.75, 1.0)  # share of noise in the map
CHUNK = 65


@dataclass(frozen=True)
class Options:
    data: str
    model: str
    out: Path
    images: int = 40
    draws: int = 3
    transpose: bool = False
    mask_role: str | None = None
    seed: int = 0
    methods: tuple[str, ...] = METHODS


def collect(options: Options) -> None:
    """Writes `raw.npz` and `about.json` into `options.out`."""
    classifier = models.load(options.model)
    folder = {} if options.data == "phantoms" else {"transpose": options.transpose, "mask_role": options.mask_role}
    generated = {"count": options.images, "seed": 1_000_003} if options.data == "phantoms" else {}
    dataset = data.open_dataset(options.data, **folder, **generated)
    chosen = _choose(dataset, options)
    batch = dataset.read(chosen, shape=classifier.input_shape)
    labels = np.asarray([classifier.classes.index(dataset.classes[k]) for k in batch.labels], np.int32)
    masks = batch.masks if batch.has_mask.any() and dataset.mask_role == "lesion" else None
    maps = _maps(classifier, batch.images, labels, options)
    if masks is not None:
        maps[ORACLE] = oracle_maps(masks)
    arrays: dict[str, np.ndarray] = {"ids": np.asarray(batch.ids), "labels": labels}
    predict = _in_chunks(classifier.predict)
    for position, name in enumerate(batch.ids):
        some = {method: values[position] for method, values in maps.items() if values[position].any()}
        seeds = [image_seed(options.seed, name, draw) for draw in range(options.draws)]
        image = batch.images[position]
        _store(arrays, f"model/{position}", _raw(predict, image, some, seeds))
        # The study works on standardised floats and does not round the rebuilt images; one mask, as there.
        unit = (image / np.float32(255)).astype(np.float32)
        _store(arrays, f"medical/{position}", _raw(predict, unit, some, seeds[:1], stretch=True))
        if masks is not None and masks[position].any():
            ladder = _ladder(oracle_maps(masks[position : position + 1])[0], seeds[0])
            lesion = _in_chunks(_only_lesion(classifier.predict, image, masks[position]))
            _store(arrays, f"planted/{position}", _raw(lesion, image, ladder, seeds))
        print(f"{position + 1} of {len(batch.ids)} images", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    about = asdict(options) | {"methods": list(maps), "classes": list(classifier.classes)}
    about |= {
        name: Path(about[name]).name for name in ("data", "model", "out")
    }  # where a folder lies is nobody's business
    about |= {"architecture": getattr(classifier.architecture, "name", None), "shape": list(classifier.input_shape)}
    (options.out / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    np.savez_compressed(options.out / "raw.npz", **arrays)


def _choose(dataset: Any, options: Options) -> list[int]:
    """Images the model was not trained on, as far as its checkpoint tells, evenly over the classes."""
    sides = None if options.data == "phantoms" else sides_of(training_of(options.model), dataset)
    pool = list(range(len(dataset.cases))) if sides is None else sides.get("test") or sides["validation"]
    if dataset.mask_role == "lesion":
        pool = [i for i in pool if dataset.cases[i].has_mask]
    return [pool[i] for i in choose(np.asarray(dataset.labels)[pool], options.images, options.seed)]


def _maps(classifier: Any, images: np.ndarray, labels: np.ndarray, options: Options) -> dict[str, np.ndarray]:
    maps = {}
    for name in options.methods:
        if name in OPTIONS:
            method = explain.METHODS[name]
            given = OPTIONS[name] | ({"key": jax.random.key(options.seed)} if "key" in method.needs else {})
            rows = [
                method.function(classifier, images[i : i + 1], labels[i : i + 1], **given) for i in range(len(images))
            ]
            made = np.concatenate([np.asarray(row) for row in rows])
        else:
            made = explain.METHODS[name].maps(classifier, images, labels, seed=options.seed)
        maps[name] = explain.METHODS[name].evidence(made)
        print(f"maps of {name}", flush=True)
    return maps


def _in_chunks(predict: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray], np.ndarray]:
    """`predict` in calls of one shape."""

    def run(images: np.ndarray) -> np.ndarray:
        rows = []
        for start in range(0, len(images), CHUNK):
            part = images[start : start + CHUNK]
            full = np.concatenate([part, np.repeat(part[-1:], CHUNK - len(part), axis=0)])
            rows.append(np.asarray(predict(full), np.float64)[: len(part)])
        return np.concatenate(rows)

    return run


def _only_lesion(predict: Callable[[np.ndarray], Any], image: np.ndarray, mask: np.ndarray) -> Callable[..., Any]:
    """The classifier with everything outside the mask replaced by the image's median."""
    grey = np.median(image, axis=(0, 1)).astype(image.dtype)
    return lambda images: predict(np.where(mask[None, :, :, None], images, grey))


def _ladder(truth: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Maps `(1 - q) truth + q noise`, both as ranks in [0, 1], for every q of `LADDER`."""

    def ranks(values: np.ndarray) -> np.ndarray:
        order = np.empty(values.size)
        order[np.argsort(values, axis=None, kind="stable")] = np.linspace(0, 1, values.size)
        return order.reshape(values.shape)

    noise = ranks(np.random.default_rng(seed).random(truth.shape))
    return {f"noise {q:.2f}": ((1 - q) * ranks(truth) + q * noise).astype(np.float32) for q in LADDER}


def _raw(
    predict: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    maps: dict[str, np.ndarray],
    seeds: Sequence[int],
    *,
    stretch: bool = False,
) -> dict[str, np.ndarray]:
    """Information by measure `[draws, methods, 2 + T]` and probabilities `[draws, methods, 2 + T, K]`.

    The first two places are the fully blurred image and the original, then come the fractions.
    """
    values = np.ascontiguousarray(np.stack(list(maps.values())).astype(np.float32))
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*MEASURES, "webp_turned", "probability")}
    shape = (len(maps), 2 + len(FRACTIONS))
    for draw, seed in enumerate(seeds):
        always = np.broadcast_to(kernels.random_mask(image.shape[:2], 0.01, seed), values.shape)
        levels = kernels.reveal_levels(values, FRACTIONS, np.ascontiguousarray(always))
        stack = kernels.reveal(image, levels, len(FRACTIONS) + 1)
        stack = np.concatenate(
            [stack[:, :1], np.broadcast_to(image, (len(maps), 1, *image.shape)), stack[:, 1:]], axis=1
        )
        flat = np.ascontiguousarray(stack.reshape(-1, *image.shape))
        for name, numbers in measure_information(flat, image, MEASURES, stretch=stretch).items():
            found[name].append(numbers.reshape(shape))
        found["probability"].append(predict(flat).reshape(*shape, -1))
        if draw == 0:  # the rebuilt images of a turned problem are the turned rebuilt images; only WebP reads in rows
            turned = [flat[:, ::-1], flat[:, :, ::-1], np.swapaxes(flat, 1, 2)]
            sizes = [webp_size(as_uint8(np.ascontiguousarray(t), stretch=stretch)).reshape(shape) for t in turned]
            found["webp_turned"] = sizes
    return {name: np.stack(rows) for name, rows in found.items()} | {"methods": np.asarray(list(maps))}


def _store(arrays: dict[str, np.ndarray], prefix: str, found: dict[str, np.ndarray]) -> None:
    arrays |= {f"{prefix}/{name}": values for name, values in found.items()}
