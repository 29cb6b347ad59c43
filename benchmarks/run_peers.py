"""Explanations per second against pytorch-grad-cam, Captum, PAIR's saliency and SHAP; metrics by Quantus.

    python benchmarks/run_peers.py                        # every case
    python benchmarks/run_peers.py forward                # the bare forward pass next to PyTorch's
    python benchmarks/run_peers.py grad_cam hires_cam     # some; the others' figures in the results stay
    python benchmarks/run_peers.py metrics                # every metric of metric_peers.py; or some by their names
    python benchmarks/run_peers.py --table                # only rewrites the tables in benchmarks/README.md

ResNet-50, 224x224, the same random weights (moved by `xaijax.models.from_torch`) and images on both sides, the same
number of threads. The peers run in an environment of their own, made on the first run (`--env DIR` takes another) and
in a process of their own. Before anything is timed the maps are asserted equal, or, where rounding decides single
pixels, correlated as each case says; then the two sides take turns. Ours has batch normalisation folded
(`Classifier.optimized`) and is compiled beforehand; the peers' model is in `channels_last`, PyTorch's faster layout on
the CPU. PAIR gets its gradients from our compiled model, so what differs there is the method alone.
"""

import argparse
import dataclasses
import functools
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import metric_peers
import numpy as np

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "explainers.json"
METRICS = HERE / "results" / "metrics.json"
README = HERE / "README.md"
MARKS = ("<!-- explainers: begin -->", "<!-- explainers: end -->")
METRIC_MARKS = ("<!-- metrics: written by run_peers.py -->", "<!-- metrics: end -->")
SIDE = 224
PACKAGES = ("torch==2.13.0", "torchvision==0.28.0")
OTHERS = ("grad-cam==1.5.7", "captum==0.9.0", "saliency==0.2.1", "quantus==0.6.0", "shap==0.51.0")
STRIPES = 7  # regions of the image, few enough for KernelSHAP to take every set of them
PGC = {"convention": "pytorch-grad-cam", "batch_size": 8}
# `agree`: options of the comparison of maps where they differ from those timed; `correlation`: the least between maps
# of gradients by the image, which jump where rounding moves a value across a ReLU's zero, so that single pixels differ.
CASES: dict[str, dict[str, Any]] = {
    "forward": {"peer": "torch", "images": 8, "rounds": 9, "ours": {}, "goal": 0.8, "note": "the model's logits alone"},
    "grad_cam": {"peer": "grad-cam", "images": 8, "rounds": 3, "ours": PGC, "goal": 2.0},
    "hires_cam": {"peer": "grad-cam", "images": 8, "rounds": 3, "ours": PGC, "goal": 2.0},
    "layer_cam": {"peer": "grad-cam", "images": 8, "rounds": 3, "ours": PGC, "goal": 2.0},
    "grad_cam_pp": {"peer": "grad-cam", "images": 8, "rounds": 3, "ours": PGC, "goal": 2.0},
    "integrated_gradients": {
        "peer": "captum",
        "images": 8,
        "rounds": 1,
        "ours": {"steps": 50, "batch_size": 8},
        "theirs": {"steps": 50},
        "agree": {"steps": 4},
        "correlation": 0.9999,
        "goal": 0.6,
        "note": "50 steps, 8 points in flight",
    },
    "smoothgrad": {
        "peer": "captum",
        "images": 8,
        "rounds": 1,
        "ours": {"draws": 25, "std": 0.15, "reduce": "sum", "batch_size": 8},
        "theirs": {"draws": 25, "std": 0.15},
        "agree": {"draws": 2, "std": 0.0},  # the draws differ: without noise the maps must not
        "correlation": 0.9999,
        "goal": 0.6,
        "note": "25 draws, 8 copies in flight",
    },
    "deeplift": {
        "peer": "captum",
        "images": 8,
        "rounds": 3,
        "ours": {"batch_size": 8},
        "correlation": 0.9999,
        "goal": 1.0,
        "note": "batch of 8, a black baseline",
    },
    "kernel_shap": {
        "peer": "shap",
        "images": 1,
        "rounds": 3,
        "ours": {"batch_size": 32},
        "goal": 1.0,
        "note": "one image, all sets of 7 stripes, 32 in flight",
    },
    "score_cam": {
        "peer": "grad-cam",
        "images": 1,
        "rounds": 0,
        "ours": PGC | {"batch_size": 16},
        "theirs": {"batch_size": 16},
        "goal": 0.7,
        "note": "one image, all 2048 channels, 16 in flight",
    },
    "ablation_cam": {
        "peer": "grad-cam",
        "images": 1,
        "rounds": 0,
        "ours": PGC | {"batch_size": 32},
        "theirs": {"batch_size": 32},
        "goal": 50.0,
        "note": "one image, all 2048 channels",
    },
    "guided_ig": {
        "peer": "saliency",
        "images": 8,
        "rounds": 1,
        "ours": {"steps": 25, "fraction": 0.25, "max_dist": 0.1, "batch_size": 8},
        "theirs": {"steps": 25, "fraction": 0.25, "max_dist": 0.1},
        # With more steps rounding decides the order of the pixels and so the path (docs/studies/explainers.md).
        "agree": {"steps": 4, "max_dist": 0.02},
        "goal": 2.0,
        "correlation": 0.999,
        "note": "25 steps, not the default's 200; PAIR takes images one by one",
    },
    "xrai": {
        "peer": "saliency",
        "images": 1,
        "rounds": 1,
        "ours": {"batch_size": 20},
        "goal": 3.0,
        "note": "one image, 200 gradients on either side",
    },
}


def make_environment(folder: Path) -> Path:
    """The Python of an environment with the peers, made if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q"]
        subprocess.run([*pip, *PACKAGES, "--index-url", "https://download.pytorch.org/whl/cpu"], check=True)
        subprocess.run([*pip, *OTHERS], check=True)
    return python


def make_images(count: int) -> np.ndarray:
    """`[count, 224, 224, 3]` in [0, 1]: coloured discs on a gradient, with a little noise."""
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:SIDE, :SIDE] / SIDE
    images = []
    for _ in range(count):
        image = np.stack([row, column, 1 - row], -1) * rng.uniform(0.2, 0.6, 3)
        for _ in range(6):
            centre, radius = rng.uniform(0.1, 0.9, 2), rng.uniform(0.05, 0.25)
            image[(row - centre[0]) ** 2 + (column - centre[1]) ** 2 < radius**2] = rng.uniform(0, 1, 3)
        images.append(np.clip(image + 0.02 * rng.normal(size=image.shape), 0, 1))
    return np.stack(images).astype(np.float32)


def stripes() -> np.ndarray:
    """`[STRIPES, 224, 224]` bool: the image cut into horizontal stripes."""
    row = np.broadcast_to(np.arange(SIDE)[:, None] * STRIPES // SIDE, (SIDE, SIDE))
    return row[None] == np.arange(STRIPES)[:, None, None]


class Peer:
    """The other process."""

    def __init__(self, python: Path, folder: Path, threads: int) -> None:
        self.folder = folder
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": ""}
        self.process = subprocess.Popen(
            [str(python), str(HERE / "peers_worker.py"), str(folder), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self.gradient: Callable[[np.ndarray, int], np.ndarray] | None = None
        self.info = self.read()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the peers' process ended; its message is above")
        return json.loads(line)

    def write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def run(self, case: str, images: int, options: dict[str, Any]) -> tuple[float, np.ndarray]:
        """Seconds and maps."""
        self.write({"case": case, "images": images, "options": options})
        while "gradient" in (answer := self.read()):
            assert self.gradient is not None
            np.save(
                self.folder / "gradients.npy", self.gradient(np.load(self.folder / "points.npy"), answer["gradient"])
            )
            self.write({})
        return answer["seconds"], np.load(self.folder / "maps.npy")

    def close(self) -> None:
        with self.process:  # closes the pipes and waits
            pass


def agreement(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """The largest difference as a share of the peer's largest value, and the correlation over all pixels."""
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    return {"max_error": float(difference), "correlation": float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1])}


@dataclasses.dataclass(frozen=True)
class Sides:
    """A case ready to be timed: both sides give seconds and maps, and their maps agree."""

    ours: Callable[[], tuple[float, np.ndarray]]
    theirs: Callable[[], tuple[float, np.ndarray]]
    first: tuple[float, float]  # seconds of the comparison's runs, ours and theirs
    found: dict[str, float]  # see agreement()
    compile_s: float


def prepare(name: str, case: dict[str, Any], classifier: Any, images: np.ndarray, peer: Peer) -> Sides:
    """Compiles our side, warms theirs up, and asserts that the maps agree as the case says."""
    import jax
    import jax.numpy as jnp

    from xaijax import _cpu, explain

    x, y = jnp.asarray(images[: case["images"]]), jnp.arange(case["images"], dtype=jnp.int32)
    if name == "forward":

        def function(classifier: Any, x: Any, y: Any) -> Any:
            return classifier.logits(classifier.params, x)

        more = {}
    else:
        function = explain.METHODS[name].function
        more = {"key": jax.random.key(0)} if "key" in explain.METHODS[name].needs else {}
        if name == "kernel_shap":
            more["regions"] = jnp.asarray(stripes())

    def call(classifier: Any, x: Any, y: Any) -> Any:
        return function(classifier, x, y, **case["ours"], **more)

    begin = time.perf_counter()
    run = call
    if name not in explain.METHODS or not explain.METHODS[name].host:  # else not one program
        run = _cpu.jit(call).lower(classifier, x, y).compile()
    compiled_in = time.perf_counter() - begin

    def ours() -> tuple[float, np.ndarray]:
        begin = time.perf_counter()
        maps = np.asarray(run(classifier, x, y))
        return time.perf_counter() - begin, maps

    theirs = case.get("theirs", {})
    changed = case.get("agree", {})
    if case["rounds"] and case["peer"] != "saliency":  # PyTorch reaches its speed after some runs
        for _ in range(4):
            peer.run(name, case["images"], theirs | changed)
    maps = np.asarray(function(classifier, x, y, **(case["ours"] | changed), **more)) if changed else None
    once = (0.0, maps) if changed else ours()
    other_once = peer.run(name, case["images"], theirs | changed)
    found = agreement(once[1], other_once[1])
    print(f"{name}: {found}, compiled in {compiled_in:.1f} s", flush=True)
    limit = case.get("correlation", 0.9999)
    if found["correlation"] < limit or ("correlation" not in case and found["max_error"] > 5e-3):
        raise AssertionError(f"{name}: the maps differ, {found}")
    first = (once[0], other_once[0])
    return Sides(ours, lambda: peer.run(name, case["images"], theirs), first, found, compiled_in)


def measure(name: str, case: dict[str, Any], classifier: Any, images: np.ndarray, peer: Peer) -> dict[str, Any]:
    """One row of the results."""
    sides = prepare(name, case, classifier, images, peer)
    # Where a run takes a minute, the first one counts: ours is compiled, the peer compiles nothing.
    pairs = [(sides.ours()[0], sides.theirs()[0]) for _ in range(case["rounds"])] or [sides.first]
    own, other = ([case["images"] / pair[side] for pair in pairs] for side in (0, 1))
    ratios = [a / b for a, b in zip(own, other, strict=True)]
    row = {
        "peer": f"{case['peer']} {peer.info['versions'][case['peer']]}",
        "images": case["images"],
        "rounds": len(pairs),
        "options": {key: value for key, value in case["ours"].items() if key != "convention"},
        "images_per_second": statistics.median(own),
        "peer_images_per_second": statistics.median(other),
        "ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "goal": case["goal"],
        "compile_s": sides.compile_s,
        **sides.found,
    }
    if "note" in case:
        row["note"] = case["note"]
    print(
        f"  {row['images_per_second']:.3g} against {row['peer_images_per_second']:.3g} images/s: {row['ratio']:.2f}x",
        flush=True,
    )
    return row


def machine() -> dict[str, Any]:
    """CPU model, cores and versions."""
    import jax
    import jaxlib

    import xaijax

    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next(
            (line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), model
        )
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "xaijax": xaijax.__version__,
        "jax": jax.__version__,
        "jaxlib": jaxlib.__version__,
        "numpy": np.__version__,
    }


def table(results: dict[str, Any]) -> str:
    """The results as a markdown table with a line about the machine."""
    lines = [
        "| method | xaijax, images/s | peer | peer, images/s | ratio | goal | met | measured |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in CASES:
        row = results["cases"].get(name)
        if row is not None:
            lines.append(
                f"| {name} | {row['images_per_second']:.3g} | {row['peer']} | {row['peer_images_per_second']:.3g} | "
                f"{row['ratio']:.3g}x | {row['goal']:g}x | {'yes' if row['ratio'] >= row['goal'] else 'no'} | "
                f"{row.get('note', 'batch of 8')} |"
            )
    about = results["machine"]
    versions = ", ".join(f"{key} {value}" for key, value in results["peers"].items())
    return "\n".join(
        [
            *lines,
            "",
            f"ResNet-50, 224x224, float32, {results['threads']} threads, {about['cpu']}; xaijax {about['xaijax']} with "
            f"folded batch normalisation, jax {about['jax']}; {versions}.",
            f"Made by `{' '.join([results['command'], *results['cases']])}`.",
        ]
    )


def write_table(marks: tuple[str, str], text: str) -> None:
    """Puts a table between its markers in README.md."""
    before, rest = README.read_text().split(marks[0], 1)
    README.write_text(f"{before}{marks[0]}\n{text}\n{marks[1]}{rest.split(marks[1], 1)[1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    everything = [*CASES, *metric_peers.CASES]
    parser.add_argument("cases", nargs="*", help=f"any of {', '.join(everything)}, metrics; default: all explainers")
    parser.add_argument("--env", type=Path, default=Path("build/peers"), help="virtual environment of the peers")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, help="results; default: those the tables are made of")
    parser.add_argument("--rounds", type=int, help="instead of each case's own number")
    parser.add_argument("--table", action="store_true", help="only write the tables from the results")
    options = parser.parse_args()
    names = [] if options.table else options.cases or list(CASES)
    if "metrics" in names:
        names = [name for name in names if name != "metrics"] + list(metric_peers.CASES)
    unknown = sorted(set(names) - set(everything))
    if unknown:
        parser.error(f"there is no case {unknown[0]}; there are {', '.join(everything)}")
    if names and options.threads != len(os.sched_getaffinity(0)):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])  # XLA has no other setting
    of_metrics = [name for name in names if name in metric_peers.CASES]
    of_methods = [name for name in names if name in CASES]
    for some, path, measured in ((of_methods, RESULTS, measure_all), (of_metrics, METRICS, measure_metrics)):
        if some:
            path = options.out or path
            results = json.loads(path.read_text()) if path.exists() else {"cases": {}}
            with tempfile.TemporaryDirectory() as folder:
                measured(some, results, make_environment(options.env), Path(folder), options, path)
    if options.out is None:
        for path, marks, made in ((RESULTS, MARKS, table), (METRICS, METRIC_MARKS, metric_peers.table)):
            if path.exists():
                write_table(marks, made(json.loads(path.read_text())))


def measure_metrics(
    names: list[str], results: dict[str, Any], python: Path, folder: Path, options: Any, path: Path
) -> None:
    """Runs the cases of metrics and writes the results after each."""
    from kernels import PairWorker

    worker = PairWorker(str(python), folder, metric_peers.SCRIPT)
    results |= {
        "machine": machine(),
        "peers": worker.versions,
        "threads": options.threads,
        "command": "python benchmarks/run_peers.py metrics",
    }
    bench = metric_peers.Bench(worker, folder, options.threads)
    for name in names:
        results["cases"][name] = metric_peers.measure(name, bench, options.rounds)
        path.write_text(json.dumps(results, indent=1) + "\n")
    worker.close()


def start(python: Path, folder: Path, threads: int) -> tuple[Any, np.ndarray, Peer]:
    """The classifier with the peers' weights, the images, and the peers' process."""
    import jax

    from xaijax import models

    images = make_images(8)
    np.save(folder / "images.npy", images)
    peer = Peer(python, folder, threads)
    with np.load(folder / "weights.npz") as weights:
        entries = {name: weights[name] for name in weights.files}
    plain = models.from_torch(entries, "resnet50", input_shape=(SIDE, SIDE, 3), preprocess="identity")
    classifier = plain.optimized()
    gradient = functools.partial(_gradient(), classifier)
    peer.gradient = lambda points, label: np.asarray(gradient(points, label))
    for count in (1, 20):  # PAIR's batches, compiled before anything is timed
        jax.block_until_ready(gradient(np.zeros((count, SIDE, SIDE, 3), np.float32), 0))
    return classifier, images, peer


def measure_all(
    names: list[str], results: dict[str, Any], python: Path, folder: Path, options: Any, path: Path
) -> None:
    """Runs the cases and writes the results after each."""
    classifier, images, peer = start(python, folder, options.threads)
    results |= {
        "machine": machine(),
        "peers": {key: value for key, value in peer.info["versions"].items() if key != "numpy"},
        "threads": options.threads,
        "command": shlex.join(["python", "benchmarks/run_peers.py"]),
    }
    for name in names:
        case = CASES[name] | ({} if options.rounds is None else {"rounds": options.rounds})
        results["cases"][name] = measure(name, case, classifier, images, peer)
        path.write_text(json.dumps(results, indent=1) + "\n")
    peer.close()


def _gradient() -> Callable[..., Any]:
    """Gradient of a logit by the images, as our methods compile it."""
    from xaijax import _cpu
    from xaijax.explain._method import input_gradients

    def gradient(classifier: Any, points: Any, label: Any) -> Any:
        labels = np.broadcast_to(np.int32(0), points.shape[:1]) + label
        return input_gradients(classifier, points, labels, "logit")

    return _cpu.jit(gradient)


if __name__ == "__main__":
    main()
