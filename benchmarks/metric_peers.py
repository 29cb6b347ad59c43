"""Metrics against Quantus: inputs, both sides, and the proof that they agree.

`run_peers.py metrics` measures them for the table in README.md, `test_metrics.py` under pytest-benchmark. The metrics
are those that both packages define alike, or alike under the options used here (docs/metrics.md says where they
differ); both are called whole, through their public functions, with the same arrays. Metrics of maps alone run on one
thread. Those with a model have ResNet-50 with the same random weights on both sides and are timed next to the model's
own passes, or the explainer's, of the same number of images in the same batches.
"""

import dataclasses
import os
import statistics
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

# Idle BLAS threads would spin next to the work. Read when NumPy is imported.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np
from kernel_cases import Timed, Worker
from scipy.ndimage import gaussian_filter

from xaijax.metrics import Explained, evaluate

SIDE = 216  # Quantus' steps of pixel flipping have to divide the pixels, and three channels of them
SCRIPT = "quantus_worker.py"
Arrays = dict[str, Any]


@dataclasses.dataclass
class Trial:
    """Both sides, timed interleaved after `check`, which returns the largest difference as a share of Quantus' largest.

    `alone` and `peer_alone` are the model's or the explainer's own calls within them.
    """

    ours: Timed
    peer: Timed
    check: Callable[[], float]
    alone: Timed | None = None
    peer_alone: Timed | None = None


class Bench:
    """What cases share: the worker, the model and the pictures."""

    def __init__(self, worker: Worker, folder: Path, threads: int) -> None:
        self.worker, self.folder, self.threads = worker, folder, threads

    @cached_property
    def classifier(self) -> Any:
        """The worker's ResNet-50."""
        from xaijax import models

        path = self.folder / "weights.npz"
        self.worker.call("weights", self.worker.store(path=np.array(str(path))))
        with np.load(path) as stored:
            entries = {name: stored[name] for name in stored.files}
        plain = models.from_torch(entries, "resnet50", input_shape=(SIDE, SIDE, 3), preprocess="identity")
        return plain.optimized()

    def pictures(self, count: int) -> Arrays:
        """Images, labels and smooth maps with a sign."""
        from run_peers import make_images

        images = np.ascontiguousarray(make_images(count)[:, :SIDE, :SIDE])
        images[:, 0, 0] = 0.0  # Quantus takes an image's smallest value for black
        noise = np.random.default_rng(1).standard_normal((count, SIDE, SIDE))
        maps = gaussian_filter(noise, (0, 3, 3)).astype(np.float32)
        labels = np.asarray(self.classifier.predict(images)).argmax(axis=1)
        return {"images": images, "labels": labels, "maps": maps}

    def peer(self, name: str, **arrays: Any) -> tuple[Timed, Callable[[], list[np.ndarray]]]:
        """A timed call of the worker and one that gives the result."""
        stored = self.worker.store(**arrays)
        return lambda: self.worker.call(name, stored), lambda: self.worker.result(name, stored)


def timed(call: Callable[[], Any]) -> Timed:
    def run() -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    return run


def difference(ours: Any, theirs: Any, limit: float) -> float:
    """The largest, as a share of the peer's largest value; refused beyond the limit."""
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise AssertionError(f"ours {a.shape} and the peer's {b.shape} cannot be compared, or are not finite")
    found = float(np.abs(a - b).max() / np.abs(b).max())
    if found > limit:
        raise AssertionError(f"the results differ by {found:.2g} of the largest value, more than {limit:g}")
    return found


def of_maps(metric: str, bench: Bench) -> Trial:
    """32 smooth positive maps with a box as mask; no model."""
    rng = np.random.default_rng(0)
    count = 32
    maps = np.abs(gaussian_filter(rng.standard_normal((count, SIDE, SIDE)), (0, 6, 6))).astype(np.float32)
    masks = np.zeros(maps.shape, bool)
    for mask in masks:
        y, x = rng.integers(0, SIDE - 96, 2)
        mask[y : y + rng.integers(24, 96), x : x + rng.integers(24, 96)] = True
    k = int(np.ceil(0.15 * maps[0].size))
    peer, result = bench.peer(metric, maps=maps, masks=masks, k=np.array(k))
    images = np.zeros((*maps.shape, 1), np.float32)

    def ours() -> Any:
        return evaluate(None, images, [0] * count, {"map": maps}, masks, metrics=[metric], num_threads=1).value

    return Trial(timed(ours), peer, lambda: difference(ours(), result()[0], 1e-5))


def perturbation(metric: str, bench: Bench) -> Trial:
    """Pixel flipping in 27 steps or region perturbation of 27 squares, of four images."""
    count, steps, patch, batch = 4, 27, 36, 28  # with the intact images 4 calls
    given = bench.pictures(count)
    settings = {"flip_steps": steps, "patch": patch, "regions": steps}
    sizes: Arrays = {"steps": np.array(steps)}
    if metric == "region_perturbation":
        sizes = {"patch": np.array(patch), "regions": np.array(steps)}
    threads = {"threads": np.array(bench.threads)}
    peer, result = bench.peer(metric, **given, **sizes, **threads)
    theirs, calls = result()
    peer_alone, _ = bench.peer("forward", images=given["images"], labels=given["labels"], calls=calls, **threads)

    def ours() -> Any:
        return evaluate(
            bench.classifier,
            given["images"],
            given["labels"],
            {"map": given["maps"]},
            metrics=[metric],
            settings={"perturbation": settings},
            batch_size=batch,
        )

    def check() -> float:
        curves = np.stack(ours().responses.value)  # [B, 1 + steps]
        intact = curves[:, :1]
        falls = theirs if metric == "region_perturbation" else intact - theirs
        # Random weights answer little to hidden squares: falls of 1e-4 to 1e-3, of which rounding is some per mille.
        difference(intact - curves[:, 1:], falls, 1e-2)
        return difference(curves[:, 1:], intact - falls, 1e-5)

    bunch = np.resize(given["images"], (batch, SIDE, SIDE, 3))

    def alone() -> None:
        for _ in range(-(-count * (steps + 1) // batch)):
            np.asarray(bench.classifier.predict(bunch))

    return Trial(timed(ours), peer, check, timed(alone), peer_alone)


class Linear:
    """Probabilities from logits linear in the pixels; as good as free, so the imputation itself is timed."""

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights
        self.seen: list[np.ndarray] = []

    def predict(self, images: Any) -> np.ndarray:
        self.seen.append(np.array(images))
        logits = np.asarray(images, np.float64).reshape(len(images), -1) @ self.weights
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)


def road(metric: str, bench: Bench) -> Trial:
    """Two gray images of 220 px, where a tenth is a whole number of pixels: then both hide the same ones. No noise."""
    count, side = 2, 220
    rng = np.random.default_rng(0)
    images = gaussian_filter(rng.random((count, side, side, 1)), (0, 2, 2, 0)).astype(np.float32)
    maps = gaussian_filter(rng.standard_normal((count, side, side)), (0, 3, 3)).astype(np.float32)
    weights = (0.1 * rng.standard_normal((side * side, 3))).astype(np.float32)
    labels = Linear(weights).predict(images).argmax(axis=1)
    peer, result = bench.peer("road", images=images, labels=labels, maps=maps, weights=weights, threads=np.array(1))
    classifier = Linear(weights)

    def ours() -> Any:
        classifier.seen.clear()
        return evaluate(
            classifier,
            images,
            labels,
            {"map": maps},
            metrics=[metric],
            settings={"perturbation": {"noise": 0.0}},
            num_threads=1,
        )

    def check() -> float:
        accuracy, theirs = result()
        np.testing.assert_allclose(ours().value.mean(), accuracy.mean(), atol=1e-12)
        # Ours saw, image by image, the nine imputed ones after the original; Quantus all images, share by share.
        seen = np.concatenate(classifier.seen)
        places = [[int(np.abs(seen - one).mean((1, 2, 3)).argmin()) for one in part] for part in theirs]
        if len({place for part in places for place in part}) != theirs.shape[0] * count:
            raise AssertionError("the imputed images are not the same")
        return difference(seen[np.array(places)], theirs, 1e-4)

    return Trial(timed(ours), peer, check)


def sensitivity(metric: str, bench: Bench) -> Trial:
    """The gradient of four images, explained ten times, on the same draws."""
    from xaijax import explain

    count, draws = 4, 10
    given = bench.pictures(count)
    lipschitz = metric == "local_lipschitz"
    settings = {"sensitivity_draws": draws, "lipschitz_draws": draws, "relative": not lipschitz}
    threads = {"threads": np.array(bench.threads)}
    seen: list[np.ndarray] = []

    def explainer(classifier: Any, images: Any, labels: Any) -> np.ndarray:
        return np.asarray(explain.gradient(classifier, images, labels, reduce="sum"))

    def watched(classifier: Any, images: Any, labels: Any) -> np.ndarray:
        seen.append(np.array(images))
        return explainer(classifier, images, labels)

    labels = given["labels"].astype(np.int32)
    maps = explainer(bench.classifier, given["images"], labels)

    def ours(explainer: Any = explainer) -> Any:
        return evaluate(
            bench.classifier,
            given["images"],
            labels,
            {"gradient": Explained(maps, explainer=explainer)},
            metrics=[metric],
            settings={"robustness": settings},
        ).value

    mine = ours(watched)
    base = {"images": given["images"], "labels": given["labels"]} | threads
    _, once = bench.peer("gradient", **base, calls=np.array(1))
    peer_alone, _ = bench.peer("gradient", **base, calls=np.array(draws))
    deltas = np.stack(seen) - given["images"]
    (theirs,) = once()
    peer, result = bench.peer("sensitivity", **base, maps=theirs, deltas=deltas, lipschitz=np.array(lipschitz))

    def alone() -> None:
        for _ in range(draws):
            explainer(bench.classifier, given["images"], labels)

    # Rounding moves values across zero at ReLUs, and single pixels of the gradient with them.
    return Trial(timed(ours), peer, lambda: difference(mine, result()[0], 1e-2), timed(alone), peer_alone)


@dataclasses.dataclass(frozen=True)
class Case:
    """A row: what was measured, Quantus' name for it, the goal, and how often."""

    what: str
    peer: str
    make: Callable[[str, Bench], Trial]
    goal: float
    rounds: int = 5


_MAPS, _CURVE = "32 maps, 1 thread", "4 images, 27 steps, ResNet-50"
_GRADIENT = "gradient of 4 images, 10 draws, ResNet-50"
CASES: dict[str, Case] = {
    "sparseness": Case(_MAPS, "Sparseness", of_maps, 1.0),
    "entropy": Case(_MAPS, "Complexity", of_maps, 1.0),
    "pointing_game": Case(_MAPS, "PointingGame", of_maps, 10.0),
    "rank_accuracy": Case(_MAPS, "RelevanceRankAccuracy", of_maps, 10.0),
    "mass_accuracy": Case(_MAPS, "RelevanceMassAccuracy", of_maps, 10.0),
    "top15_precision": Case(_MAPS, "TopKIntersection", of_maps, 10.0),
    "roc_auc": Case(_MAPS, "AUC", of_maps, 10.0),
    "road_accuracy": Case("2 gray images of 220 px, linear model, 1 thread", "ROAD", road, 10.0, rounds=3),
    "pixel_flipping": Case(_CURVE, "PixelFlipping", perturbation, 1.0, rounds=1),
    "region_perturbation": Case(_CURVE, "RegionPerturbation", perturbation, 1.0, rounds=1),
    "max_sensitivity": Case(_GRADIENT, "MaxSensitivity", sensitivity, 0.6, rounds=1),
    "local_lipschitz": Case(_GRADIENT, "LocalLipschitzEstimate", sensitivity, 0.6, rounds=1),
}


def measure(name: str, bench: Bench, rounds: int | None) -> dict[str, Any]:
    """One row of the results."""
    case = CASES[name]
    trial = case.make(name, bench)
    found = trial.check()  # compiles, too
    seconds: dict[str, list[float]] = {"ours": [], "peer": [], "alone": [], "peer_alone": []}
    parts = {key: getattr(trial, key) for key in seconds if getattr(trial, key) is not None}
    for _ in range(case.rounds if rounds is None else rounds):
        for key, call in parts.items():
            seconds[key].append(call())
    ratios = [theirs / own for own, theirs in zip(seconds["ours"], seconds["peer"], strict=True)]
    row = {
        "what": case.what,
        "peer": case.peer,
        "goal": case.goal,
        "seconds": {key: values for key, values in seconds.items() if values},
        "ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "difference": found,
    }
    print(
        f"{name}: {statistics.median(seconds['ours']):.4g} s against {statistics.median(seconds['peer']):.4g} s, "
        f"{row['ratio']:.3g}x, differ by {found:.1g}",
        flush=True,
    )
    return row


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"


def table(results: dict[str, Any]) -> str:
    """The results as a markdown table with a line about the machine."""
    lines = [
        "| metric | Quantus | measured | its time | our time | ratio | goal | met | beyond bare calls, its and ours |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in CASES:
        row = results["cases"].get(name)
        if row is None:
            continue
        median = {key: statistics.median(values) for key, values in row["seconds"].items()}
        beyond = "–"
        if "alone" in median:
            shares = (median["peer"] / median["peer_alone"] - 1, median["ours"] / median["alone"] - 1)
            beyond = ", ".join(f"{100 * share:.0f} %".replace("-", "−") for share in shares)
        low, high = row["ratio_range"]
        spread = f" ({low:.3g} to {high:.3g})" if low < high else ""
        lines.append(
            f"| {name} | {row['peer']} | {row['what']} | {_seconds(median['peer'])} | {_seconds(median['ours'])} "
            f"| {row['ratio']:.3g}x{spread} | {row['goal']:g}x | {'yes' if row['ratio'] >= row['goal'] else 'no'} "
            f"| {beyond} |"
        )
    about, peers = results["machine"], results["peers"]
    most = max(row["difference"] for row in results["cases"].values())
    return "\n".join(
        [
            *lines,
            "",
            f"{SIDE}x{SIDE} and {results['threads']} threads unless said, {about['cpu']}; xaijax {about['xaijax']}, "
            f"jax {about['jax']}; " + ", ".join(f"{key} {value}" for key, value in peers.items()) + ". Results differ "
            f"by at most {most:.1g} of the largest value.",
            f"Made by `{results['command']}`.",
        ]
    )
