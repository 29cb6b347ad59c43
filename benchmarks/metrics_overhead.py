"""How much longer metrics take than the forward passes they need, both in one process.

    python benchmarks/metrics_overhead.py flipping     pixel flipping of 4 images in 224 steps, ResNet34
    python benchmarks/metrics_overhead.py pic          AIC and SIC of 8 methods, ResNet50, Shannon or mutual information
    python benchmarks/metrics_overhead.py localization 1,000 maps, all scores

The bare passes are the same number of calls of the same jitted model with the same shape. They alternate with the
metric, and `over` is the mean of the ratios of neighbours, less 1. `fill_seconds` is what the metric takes without the
model (noted answers come at once): what is left of it in `over` was not hidden behind the model. Values are compared
with a plain loop over the changed images. Weights are random, which changes no time; images and maps are made here.

Results go to benchmarks/results/metrics_overhead_<what>.json (`--out`).
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from xaijax import doctor, kernels, models
from xaijax.metrics import Scores, evaluate
from xaijax.metrics.curve import FRACTIONS

HERE = Path(__file__).parent
NAMES = {"mutual": "mutual", "shannon": "shannon and mutual"}


def make_images(count: int, side: int) -> np.ndarray:
    """Smooth RGB with some texture, uint8."""
    rng = np.random.default_rng(0)
    coarse = gaussian_filter(rng.standard_normal((count, side, side, 3)), (0, side / 12, side / 12, 0))
    fine = gaussian_filter(rng.standard_normal((count, side, side, 3)), (0, 1, 1, 0))
    images = coarse / coarse.std() + 0.3 * fine / fine.std()
    images -= images.min(axis=(1, 2, 3), keepdims=True)
    return np.rint(images / images.max(axis=(1, 2, 3), keepdims=True) * 255).astype(np.uint8)


def make_maps(methods: int, count: int, side: int) -> dict[str, np.ndarray]:
    """Half of the maps are smooth, as class activation maps are, half are noise, as gradients are."""
    rng = np.random.default_rng(1)
    maps = {}
    for number in range(methods):
        noise = rng.standard_normal((count, side, side)).astype(np.float32)
        smooth = number % 2 == 0
        maps[f"{'smooth' if smooth else 'noise'}_{number}"] = gaussian_filter(noise, (0, 9, 9)) if smooth else noise
    return maps


class Recorded:
    """A classifier that notes its answers, or gives back noted ones without computing."""

    def __init__(self, classifier: Any) -> None:
        self.classifier, self.answers = classifier, []

    def predict(self, images: np.ndarray) -> np.ndarray:
        self.answers.append(np.asarray(self.classifier.predict(images)))
        return self.answers[-1]

    def replay(self) -> "Replay":
        return Replay(self.answers)


class Replay:
    def __init__(self, answers: list[np.ndarray]) -> None:
        self.answers = iter(answers)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return next(self.answers)


def bare(classifier: Any, chunk: np.ndarray, calls: int) -> float:
    """Seconds of this many calls, one after the other: two in flight at once are slower on the CPU."""
    begun = time.perf_counter()
    for _ in range(calls):
        np.asarray(classifier.predict(chunk))
    return time.perf_counter() - begun


def measure(
    classifier: Any, run: Callable[[Any], Scores], chunk: np.ndarray, repeats: int
) -> tuple[Scores, dict[str, Any]]:
    """The scores, and times of the metric, of its bare passes and of its filling; which goes first alternates."""
    bare(classifier, chunk, 4)  # compiled, and the machine at its pace
    recorded, scores, pairs = Recorded(classifier), None, []
    for repeat in range(repeats):
        times = {}
        for what in ("metric", "bare") if repeat % 2 == 0 else ("bare", "metric"):
            begun = time.perf_counter()
            if what == "bare":
                bare(classifier, chunk, len(recorded.answers))
            else:
                found = run(classifier if scores else recorded)
                assert scores is None or np.allclose(found.value, scores.value, atol=1e-5, equal_nan=True)
                scores = scores or found
            times[what] = time.perf_counter() - begun
        pairs.append((times["bare"], times["metric"]))
    fills = []
    for _ in range(3):
        begun = time.perf_counter()
        run(recorded.replay())
        fills.append(time.perf_counter() - begun)
    assert scores is not None
    over = [metric / plain - 1 for plain, metric in pairs]
    return scores, {
        "calls": len(recorded.answers),
        "batch_size": len(chunk),
        "bare_seconds": [round(plain, 3) for plain, _ in pairs],
        "metric_seconds": [round(metric, 3) for _, metric in pairs],
        "fill_seconds": [round(fill, 3) for fill in fills],
        "over": round(statistics.mean(over), 4),
        "over_each": [round(value, 4) for value in over],
        "fill_share": round(statistics.median(fills) / statistics.median(plain for plain, _ in pairs), 4),
    }


def flipping(options: argparse.Namespace) -> dict[str, Any]:
    side, steps = options.side, options.side
    classifier = models.create(options.model or "resnet34", 10, (side, side, 3)).optimized()
    images, maps = make_images(4, side), make_maps(1, 4, side)
    labels = np.asarray(classifier.predict(images)).argmax(axis=1)
    settings = {"perturbation": {"flip_steps": steps}}

    def run(model: Any) -> Scores:
        return evaluate(
            model, images, labels, maps, metrics=["pixel_flipping"], settings=settings, batch_size=options.batch
        )

    chunk = np.repeat(images, options.batch, axis=0)[: options.batch]
    scores, found = measure(classifier, run, chunk, options.repeats)
    for i, values in enumerate(next(iter(maps.values()))):
        order = np.argsort(-values.ravel(), kind="stable")
        for step in (1, steps // 3, steps - 1):
            changed = images[i].copy().reshape(-1, 3)
            changed[order[: step * side]] = 0
            expected = np.asarray(classifier.predict(changed.reshape(1, side, side, 3)))[0, labels[i]]
            assert abs(scores.responses.value[i][step] - expected) < 1e-5
    return {"images": 4, "steps": steps, "model": options.model or "resnet34", "side": side} | found


def pic(options: argparse.Namespace) -> dict[str, Any]:
    side, count = options.side, options.images
    classifier = models.create(options.model or "resnet50", 10, (side, side, 3)).optimized()
    images, maps = make_images(count, side), make_maps(8, count, side)
    # The class that gains most between the blurred image and the original: SIC is defined for it.
    from xaijax.metrics.information import MASK_FRACTION, mask_seed

    masks = np.stack([kernels.random_mask((side, side), MASK_FRACTION, mask_seed(0, str(i), 0)) for i in range(count)])
    levels = np.where(masks, 0, 1).astype(np.uint16)
    blurred = kernels.reveal(images, levels, 1)[:, 0]
    labels = (np.asarray(classifier.predict(images)) - np.asarray(classifier.predict(blurred))).argmax(axis=1)
    result: dict[str, Any] = {"images": count, "methods": 8, "fractions": len(FRACTIONS), "side": side}
    result["model"] = options.model or "resnet50"
    chunk = np.repeat(images, options.batch, axis=0)[: options.batch]
    for measure_name in ("mutual", "shannon"):
        metrics = [f"aic_{measure_name}", f"sic_{measure_name}"]
        if measure_name == "shannon":
            # With mutual information beside it no image is left out.
            metrics.append("sic_mutual")

        def run(model: Any, metrics: list[str] = metrics) -> Scores:
            return evaluate(model, images, labels, maps, metrics=metrics, batch_size=options.batch)

        scores, result[NAMES[measure_name]] = measure(classifier, run, chunk, options.repeats)
        reasons = scores.select(metric="sic_mutual").reason.tolist()
        assert not any(reasons), reasons
        method = next(iter(maps))
        always = np.ascontiguousarray(masks[:1])
        levels = kernels.reveal_levels(maps[method][:1], FRACTIONS, always)
        stack = kernels.reveal(images[0], levels, len(FRACTIONS) + 1)[0]
        p = np.asarray(classifier.predict(np.concatenate([stack, images[:1]])))[:, labels[0]].astype(float)
        curve = scores.curves.select(image="0", method=method, metric="sic_mutual").response[0]
        assert np.allclose(curve, (p[1:-1] - p[0]) / (p[-1] - p[0]), atol=1e-3 / abs(p[-1] - p[0]) * 0.1)
    return result


def localization(options: argparse.Namespace) -> dict[str, Any]:
    from xaijax.metrics import FAMILIES

    count, side = options.images, options.side
    rng = np.random.default_rng(0)
    maps = gaussian_filter(rng.standard_normal((count, side, side)).astype(np.float32), (0, 8, 8))
    rows, columns = np.indices((side, side))
    centre = rng.integers(side // 4, 3 * side // 4, (count, 2, 1, 1))
    masks = (rows - centre[:, 0]) ** 2 + (columns - centre[:, 1]) ** 2 < (side / 8) ** 2
    images, labels = np.zeros((count, side, side, 1), np.uint8), np.zeros(count, int)
    names = [metric.name for metric in FAMILIES["localization"].metrics]
    result: dict[str, Any] = {"maps": count, "side": side, "scores": len(names)}
    for label, chosen in (("all", names), ("average_precision", ["average_precision"])):
        seconds = []
        for _ in range(options.repeats):
            begun = time.perf_counter()
            scores = evaluate(None, images, labels, {"m": maps}, masks, chosen)
            seconds.append(round(time.perf_counter() - begun, 3))
        result[label] = {"seconds": seconds, "median": statistics.median(seconds)}
    from sklearn.metrics import average_precision_score

    for i in range(3):
        positive = np.maximum(maps[i], 0).ravel()
        assert abs(scores.value[i] - average_precision_score(masks[i].ravel(), positive)) < 1e-9
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["flipping", "pic", "localization"])
    parser.add_argument("--model", help="a name of the model zoo")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--images", type=int, help="of pic (2), maps of localization (1000)")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--out", type=Path, help="where the result goes; default: benchmarks/results")
    options = parser.parse_args()
    if options.images is None:
        options.images = 1000 if options.what == "localization" else 2
    found = {"flipping": flipping, "pic": pic, "localization": localization}[options.what](options)
    record = {
        "command": f"python benchmarks/metrics_overhead.py {' '.join(sys.argv[1:])}",
        "versions": doctor.versions(),
        "machine": doctor.machine(),
        "kernels": {key: str(value) for key, value in kernels.build_info().items()},
        "result": found,
    }
    print(json.dumps(found, indent=1))
    out = options.out or HERE / "results" / f"metrics_overhead_{options.what}.json"
    out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
