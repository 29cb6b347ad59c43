"""How the cost grows: time against pixels, fractions, maps, channels, steps and threads, with fitted exponents.

    python benchmarks/growth.py              # measures (about a minute on a quiet machine), writes table and figure
    python benchmarks/growth.py pixels       # one sweep; the others' results stay
    python benchmarks/growth.py --table      # only writes table and figure again

All sizes of a sweep take turns; times are medians. The exponent p of `time ~ size^p` is the slope of a least-squares
line through the logarithms, with its 95 % interval. One thread unless threads are what is swept.
Results: results/growth.json, the section "Cost growth" of README.md, images/growth.png.
"""

import argparse
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from xaijax import kernels
from xaijax._runs import provenance
from xaijax.profiling import kernel_cases, statistics

HERE = Path(__file__).parent
RESULTS, PAGE, FIGURE = HERE / "results" / "growth.json", HERE / "README.md", HERE / "images" / "growth.png"
BEGIN, END = "<!-- growth: written by growth.py -->", "<!-- growth: end -->"
ROUNDS = 5
Call = Callable[[], Any]


def fill(side: int = 224, fractions: int = 13, maps: int = 1, channels: int = 3, **options: Any) -> Call:
    """Linear fills (or another, by `fill=`) of smooth maps."""
    options = {"num_threads": 1} | options
    image = np.ascontiguousarray(np.repeat(kernel_cases.pictures(1, side)[0], 3, axis=2)[..., :channels])
    always = np.stack([kernels.random_mask((side, side), 0.01, seed) for seed in range(maps)])
    shares = tuple(np.linspace(0, 1, fractions + 2)[1:-1])
    levels = kernels.reveal_levels(kernel_cases.smooth(maps, side), shares, always)
    return functools.partial(kernels.reveal, image, levels, fractions + 1, **options)


def entropy(side: int) -> Call:
    return functools.partial(kernels.histogram_entropy, kernel_cases.pictures(8, side), num_threads=1)


def levels(side: int) -> Call:
    return functools.partial(kernels.reveal_levels, kernel_cases.smooth(8, side), 13, num_threads=1)


def explainer(method: str, side: int, batch: int = 4, **options: Any) -> Call:
    """A method on the small network, on images of any side."""
    import jax

    from xaijax import explain, models
    from xaijax.profiling import cells

    classifier = models.create("small_cnn", 3, (side, side, 3)).optimized()
    images = jax.device_put(cells.pictures(batch, (side, side, 3)))
    labels = jax.device_put(np.zeros(batch, np.int32))
    function = explain.METHODS[method].function
    return lambda: jax.block_until_ready(function(classifier, images, labels, **options))


def noisy(**size: Any) -> Call:
    return fill(**size, fill="noisy_linear", noise=0.0)


# sweep -> (label of the axis, sizes, {what: size -> call})
SWEEPS: dict[str, tuple[str, tuple[int, ...], dict[str, Callable[[int], Call]]]] = {
    "pixels": (
        "side of the image",
        (64, 96, 128, 192, 256, 384),
        {
            "linear fill": lambda side: fill(side=side),
            "noisy linear fill": lambda side: noisy(side=side),
            "histogram entropy": entropy,
            "reveal levels": levels,
        },
    ),
    "explainer pixels": (
        "side of the image",
        (32, 64, 96, 128),
        {
            "grad_cam": lambda side: explainer("grad_cam", side),
            "gradient": lambda side: explainer("gradient", side),
        },
    ),
    "fractions": (
        "fractions",
        (2, 4, 8, 16, 32),
        {
            "linear fill": lambda count: fill(fractions=count),
            "noisy linear fill": lambda count: noisy(fractions=count),
        },
    ),
    "maps": (
        "maps",
        (1, 2, 4, 8),
        {"linear fill": lambda count: fill(maps=count), "noisy linear fill": lambda count: noisy(maps=count, side=128)},
    ),
    "channels": (
        "channels",
        (1, 2, 3, 4, 8),
        {
            "linear fill": lambda count: fill(channels=count),
            "noisy linear fill": lambda count: noisy(channels=count, side=128),
        },
    ),
    "steps": (
        "steps",
        (8, 16, 32, 64),
        {"integrated_gradients": lambda count: explainer("integrated_gradients", 64, 1, steps=count, batch_size=8)},
    ),
    "threads": (
        "threads",
        (1, 2),
        {
            "linear fill": lambda count: fill(maps=8, num_threads=count),
            "noisy linear fill": lambda count: noisy(maps=4, side=128, num_threads=count),
        },
    ),
}


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Median seconds of every size of a sweep, and the exponent of each line."""
    _, sizes, makers = SWEEPS[name]
    calls = {(what, size): make(size) for what, make in makers.items() for size in sizes}
    seconds: dict[tuple[str, int], list[float]] = {key: [] for key in calls}
    for call in calls.values():
        call()
    for number in range(rounds):
        for key, call in list(calls.items())[:: 1 if number % 2 == 0 else -1]:
            begun = time.perf_counter()
            call()
            seconds[key].append(time.perf_counter() - begun)
    found: dict[str, Any] = {}
    for what in makers:
        times = [float(np.median(seconds[what, size])) for size in sizes]
        x = [size * size for size in sizes] if "pixels" in name else sizes
        fit = statistics.exponent(x, times) if len(sizes) > 2 else None
        found[what] = {"sizes": list(sizes), "seconds": times, "fit": fit}
        print(f"{name}: {what}: {fit or times}", flush=True)
    return found


def table(results: dict[str, Any]) -> str:
    lines = ["| against | what | from | to | time there | exponent (95 % interval) |", "|---|---|---|---|---|---|"]
    for name, sweep in results["sweeps"].items():
        for what, row in sweep.items():
            first, last = row["seconds"][0], row["seconds"][-1]
            if row["fit"]:
                fit = f"{row['fit']['exponent']:.2f} ({row['fit']['low']:.2f} to {row['fit']['high']:.2f})"
            else:
                fit = f"{first / last:.2f} times as fast"
            sizes = row["sizes"]
            axis = "pixels" if "pixels" in name else name
            square = "²" if "pixels" in name else ""
            lines.append(
                f"| {axis} | {what} | {sizes[0]}{square} | {sizes[-1]}{square} "
                f"| {1e3 * first:.3g} to {1e3 * last:.3g} ms | {fit} |"
            )
    about = results["machine"]
    return "\n".join(
        [
            "An exponent of 1 is linear growth. Fills: one RGB image, 13 fractions, one smooth map, 224 px "
            "where nothing else is said; explainers on the small network, batch of 4 (integrated gradients: 1, 64 px).",
            "",
            *lines,
            "",
            "![Time against size, log-log, with the fitted lines](images/growth.png)",
            "",
            f"{about['processor']}, {about['threads']} cores. Written by `{results['command']}`.",
        ]
    )


def draw(results: dict[str, Any]) -> None:
    import matplotlib

    from xaijax._runs.page import save_figure as save
    from xaijax.plot import _style as style
    from xaijax.plot._style import SETTINGS, new_figure

    sweeps = [(name, sweep) for name, sweep in results["sweeps"].items() if name != "threads"]
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(9.6, 5.6)
        grid = figure.subplots(2, 3).ravel()
        for axes, (name, sweep) in zip(grid, sweeps, strict=False):
            looks = style.styles(list(sweep))
            for what, row in sweep.items():
                x, y = np.array(row["sizes"], float), np.array(row["seconds"]) * 1e3
                look = looks[what]
                label = what.replace("_", " ")
                if row["fit"]:
                    power = 2 if "pixels" in name else 1
                    line = 1e3 * row["fit"]["factor"] * x ** (power * row["fit"]["exponent"])
                    axes.plot(x, line, color=look.color, linewidth=1)
                    label += f": {row['fit']['exponent']:.2f}"
                axes.plot(x, y, linestyle="none", marker=look.marker, color=look.color, label=label, markersize=5)
            axes.set(xscale="log", yscale="log", xlabel=SWEEPS[name][0], ylabel="ms", title=name)
            axes.set_xticks(row["sizes"], [str(size) for size in row["sizes"]])
            axes.minorticks_off()
            axes.grid(True)
            axes.margins(y=0.3 if len(sweep) > 2 else 0.1)
            axes.legend(loc="upper left", fontsize=7)
        for axes in grid[len(sweeps) :]:
            axes.set_axis_off()
    FIGURE.parent.mkdir(exist_ok=True)
    save(figure, FIGURE)


def write_page(results: dict[str, Any]) -> None:
    page = PAGE.read_text()
    if BEGIN not in page:
        page += f"\n## Cost growth\n\n{BEGIN}\n{END}\n"
    before, rest = page.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{rest.split(END)[1]}")
    draw(results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweeps", nargs="*", help=f"any of {', '.join(SWEEPS)}; default: all")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--table", action="store_true", help="only write table and figure from the results")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"sweeps": {}}
    if not options.table:
        for name in options.sweeps or SWEEPS:
            if name not in SWEEPS:
                parser.error(f"there is no sweep {name}; there are {', '.join(SWEEPS)}")
            results["sweeps"][name] = measure(name, options.rounds)
            results |= {
                "command": "python benchmarks/growth.py",
                "machine": provenance.machine(),
                "versions": provenance.versions(),
            }
            results["sweeps"] = {key: results["sweeps"][key] for key in SWEEPS if key in results["sweeps"]}
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write_page(results)


if __name__ == "__main__":
    main()
