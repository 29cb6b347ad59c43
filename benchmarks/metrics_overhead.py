"""How much longer metrics take than the forward passes they need.

    python benchmarks/metrics_overhead.py flipping     pixel flipping of 4 images in 224 steps, ResNet34
    python benchmarks/metrics_overhead.py pic          AIC and SIC of 8 methods, ResNet50, Shannon or mutual information
    python benchmarks/metrics_overhead.py localization 1,000 maps, all scores
    python benchmarks/metrics_overhead.py webp         WebP size of the rebuilt images, which no model call can hide
    python benchmarks/metrics_overhead.py page docs/studies/metrics_overhead.md writes the results into the page

The metric runs unchanged; each of its model calls is followed by a bare one with the same images, while nothing is
filled. So calls with the metric around them and bare ones alternate, a second apart, and a machine that slows down
slows both. A pair is the time from one bare call's end to the metric's next answer (storing the answers before, waiting
for the images, the call while the next images are filled), and the bare call. Reported are

* the median of `metric / bare - 1` over pairs;
* `whole`: all of the metric's time, its start and its end included, over all bare calls, less 1;
* the processor time of everything but the model (the metric with noted answers, all threads) over that of the bare
  calls: no other process can change it.

Intervals are bootstrapped over pairs. Each call of this script appends its pairs to
benchmarks/results/metrics_overhead_<what>.json (`--out`), so short runs on a quiet machine add up; `--fresh` starts
again. Values are compared with a plain loop over the changed images. Weights are random, which changes no time; images
and maps are made here.
"""

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

import xaijax.metrics._stream as streaming
from xaijax import kernels, models
from xaijax._runs import provenance
from xaijax.metrics import Scores, evaluate
from xaijax.metrics.pic_curve import FRACTIONS

HERE = Path(__file__).parent
NAMES = {"mutual": "mutual", "shannon": "shannon and mutual"}
START, END = "<!-- overhead: written by python benchmarks/metrics_overhead.py page -->", "<!-- end of overhead -->"


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


class Paired:
    """A classifier whose every call is followed by a bare one; notes the times of both, and the answers."""

    def __init__(self, classifier: Any) -> None:
        self.classifier = classifier
        self.ready = threading.Event()  # set while no images are being filled
        self.metric: list[float] = []
        self.bare: list[float] = []
        self.answers: list[np.ndarray] = []
        self.processor = self.start = self.end = 0.0

    def predict(self, images: np.ndarray) -> np.ndarray:
        if not self.answers:
            self.start = time.perf_counter() - self.begun
            self.begun = time.perf_counter()
        answer = np.asarray(self.classifier.predict(images))
        done = time.perf_counter()
        self.metric.append(done - self.begun)
        self.ready.wait()
        waited = time.perf_counter() - done  # the metric would wait for its next images just as long
        processor, begun = time.process_time(), time.perf_counter()
        again = np.asarray(self.classifier.predict(images))
        self.bare.append(time.perf_counter() - begun)
        self.processor += time.process_time() - processor
        assert np.array_equal(answer, again)
        self.answers.append(answer)
        self.begun = time.perf_counter() - waited
        return answer

    def measure(self, run: Callable[[Any], Scores]) -> Scores:
        """The metric's scores; its start, until the first call, and its end, after the last, are noted too."""
        original = streaming._chunks

        def noted(*arguments: Any) -> Iterator[Any]:
            chunks = original(*arguments)
            while True:
                self.ready.clear()
                chunk = next(chunks, None)
                self.ready.set()
                if chunk is None:
                    return
                yield chunk

        streaming._chunks = noted
        try:
            self.begun = time.perf_counter()
            scores = run(self)
            self.end = time.perf_counter() - self.begun
        finally:
            streaming._chunks = original
        return scores


class Replay:
    """Noted answers, at once; after the last one zeros for ever."""

    def __init__(self, answers: list[np.ndarray]) -> None:
        self.answers = iter(answers)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return next(self.answers, np.zeros((len(images), 10)))


def measure(classifier: Any, run: Callable[[Any], Scores], chunk: np.ndarray) -> tuple[Scores, dict[str, Any]]:
    """The scores, and the times of the metric, of bare calls and of all but the model."""
    for _ in range(3):  # compiled, and the machine at its pace
        np.asarray(classifier.predict(chunk))
    run(Replay([]))
    paired = Paired(classifier)
    scores = paired.measure(run)
    seconds, processor = [], []
    for _ in range(3):
        begun, used = time.perf_counter(), time.process_time()
        run(Replay(paired.answers))
        seconds.append(time.perf_counter() - begun)
        processor.append(time.process_time() - used)
    return scores, {
        "batch_size": len(chunk),
        "metric_seconds": [round(value, 4) for value in paired.metric],
        "bare_seconds": [round(value, 4) for value in paired.bare],
        "start_seconds": round(paired.start, 4),
        "end_seconds": round(paired.end, 4),
        "bare_processor_seconds": round(paired.processor, 3),
        "rest_seconds": round(statistics.median(seconds), 4),
        "rest_processor_seconds": round(statistics.median(processor), 4),
    }


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Of all runs together."""
    metric, bare = (np.concatenate([run[name] for run in runs]) for name in ("metric_seconds", "bare_seconds"))
    edges = sum(run["start_seconds"] + run["end_seconds"] for run in runs)
    drawn = np.random.default_rng(0).integers(0, len(bare), (4000, len(bare)))
    medians = np.median((metric / bare)[drawn], axis=1) - 1
    wholes = (metric[drawn].sum(axis=1) + edges) / bare[drawn].sum(axis=1) - 1
    processor = [sum(run[f"{name}_processor_seconds"] for run in runs) for name in ("rest", "bare")]

    def interval(values: np.ndarray) -> list[float]:
        return [round(float(edge), 4) for edge in np.quantile(values, [0.025, 0.975])]

    return {
        "runs": len(runs),
        "pairs": len(bare),
        "bare_median_seconds": round(float(np.median(bare)), 4),
        "median": round(float(np.median(metric / bare)) - 1, 4),
        "median_interval": interval(medians),
        "whole": round(float((metric.sum() + edges) / bare.sum()) - 1, 4),
        "whole_interval": interval(wholes),
        "processor": round(processor[0] / processor[1], 4),
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
    scores, found = measure(classifier, run, chunk)
    for i, values in enumerate(next(iter(maps.values()))):
        order = np.argsort(-values.ravel(), kind="stable")
        for step in (1, steps // 3, steps - 1):
            changed = images[i].copy().reshape(-1, 3)
            changed[order[: step * side]] = 0
            expected = np.asarray(classifier.predict(changed.reshape(1, side, side, 3)))[0, labels[i]]
            assert abs(scores.responses.value[i][step] - expected) < 1e-5
    about = {"images": 4, "steps": steps, "model": options.model or "resnet34", "side": side}
    return {"pixel flipping": about | found}


def pic(options: argparse.Namespace) -> dict[str, Any]:
    side, count = options.side, options.images
    classifier = models.create(options.model or "resnet50", 10, (side, side, 3)).optimized()
    images, maps = make_images(count, side), make_maps(8, count, side)
    # The class that gains most between the blurred image and the original: SIC is defined for it.
    from xaijax.metrics.metric import image_seed
    from xaijax.metrics.pic import MASK_FRACTION

    masks = np.stack([kernels.random_mask((side, side), MASK_FRACTION, image_seed(0, str(i), 0)) for i in range(count)])
    levels = np.where(masks, 0, 1).astype(np.uint16)
    blurred = kernels.reveal(images, levels, 1)[:, 0]
    labels = (np.asarray(classifier.predict(images)) - np.asarray(classifier.predict(blurred))).argmax(axis=1)
    about = {"images": count, "methods": 8, "fractions": len(FRACTIONS), "side": side}
    about["model"] = options.model or "resnet50"
    result: dict[str, Any] = {}
    chunk = np.repeat(images, options.batch, axis=0)[: options.batch]
    for measure_name in ("mutual", "shannon"):
        metrics = [f"aic_{measure_name}", f"sic_{measure_name}"]
        if measure_name == "shannon":
            # With mutual information as well no image is left out.
            metrics.append("sic_mutual")

        def run(model: Any, metrics: list[str] = metrics) -> Scores:
            return evaluate(model, images, labels, maps, metrics=metrics, batch_size=options.batch)

        scores, found = measure(classifier, run, chunk)
        result[NAMES[measure_name]] = about | found
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


def webp(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds an image for lossless WebP of what AIC and SIC rebuild from eight maps, by number of threads."""
    from xaijax.metrics import webp_size

    side = options.side
    images, maps = make_images(1, side), make_maps(8, 1, side)
    levels = kernels.reveal_levels(np.concatenate(list(maps.values())), FRACTIONS)
    stack = kernels.reveal(images[0], levels, len(FRACTIONS) + 1).reshape(-1, side, side, 3)
    result: dict[str, Any] = {"images": len(stack), "side": side}
    sizes = webp_size(stack[:8])
    for threads in (1, provenance.machine()["threads"]):
        begun = time.perf_counter()
        found = webp_size(stack, num_threads=threads)
        result[f"seconds_per_image_{threads}_threads"] = round((time.perf_counter() - begun) / len(stack), 4)
        assert np.array_equal(found[:8], sizes)
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


def page(path: Path) -> None:
    """Writes a table of the results between the marks of a page."""
    lines = [
        "| what | pairs | one bare call | median over pairs | whole | processor time |",
        "|---|---|---|---|---|---|",
    ]
    commands = []
    for what in ("pic", "flipping"):
        record = json.loads((HERE / "results" / f"metrics_overhead_{what}.json").read_text())
        for name, entry in record["results"].items():
            found, first = entry["summary"], entry["runs"][0]
            if what == "pic":
                title = f"AIC and SIC, {name}, {first['methods']} methods"
            else:
                title = f"{name}, {first['steps']} steps, {first['images']} images"
            cells = [
                f"{title}, {first['model']}, {first['side']} px, {first['batch_size']} images a call",
                f"{found['pairs']} in {found['runs']} run{'s' if found['runs'] > 1 else ''}",
                f"{found['bare_median_seconds']:.2f} s",
                *(
                    f"{_percent(found[key])} ({_percent(low)} to {_percent(high)})"
                    for key in ("median", "whole")
                    for low, high in [found[f"{key}_interval"]]
                ),
                f"{100 * found['processor']:.1f} %",
            ]
            lines.append(f"| {' | '.join(cells)} |")
        commands += [run["command"] for entry in record["results"].values() for run in entry["runs"]]
    machine, versions = record["machine"], record["versions"]
    lines += ["", f"On {machine['processor']}, {machine['threads']} threads, jax {versions['jax']}, by"]
    lines += [f"`{command}`," for command in dict.fromkeys(commands)]
    lines[-1] = lines[-1].rstrip(",") + "."
    alone = HERE / "results" / "metrics_overhead_webp.json"
    if alone.exists():
        lines += ["", *_webp_words(json.loads(alone.read_text()))]
    text = path.read_text("utf-8")
    before, found_start, rest = text.partition(START)
    _, found_end, after = rest.partition(END)
    if not (found_start and found_end):
        raise SystemExit(f"{path} has no lines {START} and {END} to put the table between")
    path.write_text("\n".join([before + START, "", *lines, "", END + after]), "utf-8")


def _webp_words(record: dict[str, Any]) -> list[str]:
    found, name = record["result"], "seconds_per_image_"
    times = {int(key[len(name) :].split("_")[0]): value for key, value in found.items() if key.startswith(name)}
    words = " and ".join(f"{1000 * value:.0f} ms on {n} thread{'s' if n > 1 else ''}" for n, value in times.items())
    return [
        f"WebP size is apart from these: it takes {words} for a rebuilt image of {found['side']} px",
        f"(`{record['command']}`).",
    ]


def _percent(value: float) -> str:
    return f"{100 * value:+.1f} %".replace("-", "−")


def surroundings() -> dict[str, Any]:
    """What a time depends on besides the code."""
    return {
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "kernels": {key: str(value) for key, value in kernels.build_info().items()},
    }


def append(path: Path, found: dict[str, Any], command: str, *, fresh: bool) -> dict[str, Any]:
    """The record of a file with this run's results added; other versions or another machine are refused."""
    if fresh or not path.exists():
        record: dict[str, Any] = surroundings() | {"results": {}}
    else:
        record = json.loads(path.read_text())
        changed = [key for key, value in surroundings().items() if record.get(key) != value]
        if changed:
            raise SystemExit(f"{path} was measured with other {' and '.join(changed)}: give --fresh to start again")
    for name, run in found.items():
        entry = record["results"].setdefault(name, {"summary": {}, "runs": []})
        entry["runs"].append({"command": command} | run)
        entry["summary"] = summary(entry["runs"])
    path.write_text(json.dumps(record, indent=1) + "\n")
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["flipping", "pic", "localization", "webp", "page"])
    parser.add_argument("file", type=Path, nargs="?", help="of page")
    parser.add_argument("--model", help="a name of the model zoo")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--images", type=int, help="of pic (6), maps of localization (1000)")
    parser.add_argument("--repeats", type=int, default=5, help="of localization")
    parser.add_argument("--fresh", action="store_true", help="drop earlier runs")
    parser.add_argument("--out", type=Path, help="where the result goes; default: benchmarks/results")
    options = parser.parse_args()
    if options.what == "page":
        page(options.file)
        return
    if options.images is None:
        options.images = 1000 if options.what == "localization" else 6
    out = options.out or HERE / "results" / f"metrics_overhead_{options.what}.json"
    named = {"--out", str(options.out)} if options.out else set()
    words = [word for word in sys.argv[1:] if word not in {"--fresh"} | named]
    command = f"python benchmarks/metrics_overhead.py {' '.join(words)}"
    if options.what in ("localization", "webp"):
        found = {"localization": localization, "webp": webp}[options.what](options)
        out.write_text(json.dumps({"command": command} | surroundings() | {"result": found}, indent=1) + "\n")
        print(json.dumps(found, indent=1))
        return
    found = {"flipping": flipping, "pic": pic}[options.what](options)
    record = append(out, found, command, fresh=options.fresh)
    print(json.dumps({name: entry["summary"] for name, entry in record["results"].items()}, indent=1))


if __name__ == "__main__":
    main()
