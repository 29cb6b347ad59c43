"""The four figures of the page."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.stability import analysis
from benchmarks.stability.analysis import Run
from xaijax.metrics import ORACLE
from xaijax.metrics.pic_curve import FRACTIONS
from xaijax.plot._style import styles

NAMES = {
    "shannon": "Shannon entropy",
    "webp": "WebP size",
    "mean": "mean of the two",
    "mutual": "mutual information",
    "pixels": "revealed pixels",
}
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
HATCHES = ("", "///", "...", "xxx")


def _save(figure: Any, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def information(runs: list[Run], file: Path) -> None:
    """Information of the rebuilt image over that of the original, against the revealed share."""
    measures = ("shannon", "webp", "mutual")
    figure, grid = plt.subplots(
        len(measures), len(runs), figsize=(3.1 * len(runs), 7.6), sharex=True, sharey="row", squeeze=False
    )
    x = np.array([0.0, *FRACTIONS, 1.0]) * 100
    for column, run in enumerate(runs):
        images = run.settings["model"]
        for row, measure in enumerate(measures):
            axis = grid[row, column]
            for name in ("random", "grad_cam", ORACLE):
                paths = []
                for image in images:
                    if name in image.methods:
                        h = image.information[measure][0, image.methods.index(name)]
                        paths.append(np.r_[h[0], h[2:], h[1]] / h[1])
                if not paths:
                    continue
                style = styles(["grad_cam", "random", ORACLE])[name]
                low, middle, high = np.percentile(paths, [25, 50, 75], axis=0)
                axis.plot(x, middle, color=style.color, linestyle=style.dash, label=name)
                axis.fill_between(x, low, high, color=style.color, alpha=0.15, linewidth=0)
            axis.axhline(1, color="#7a828e", linewidth=0.8)
            axis.set_xscale("symlog", linthresh=1, linscale=0.6)
            axis.set_xlim(0, 100)
            axis.set_xticks([0, 1, 10, 100], ["0", "1", "10", "100"])
            if row == 0:
                axis.set_title(run.name)
            if column == 0:
                axis.set_ylabel(f"{NAMES[measure]},\nshare of the original's")
            if row == len(measures) - 1:
                axis.set_xlabel("revealed pixels (%)")
    grid[0, 0].legend(frameon=False, fontsize=8)
    figure.suptitle("Information in the rebuilt image (median and quartiles over images)", y=0.94)
    _save(figure, file)


def bars(found: dict[str, Any], file: Path) -> None:
    """What can be scored, what falls, and how far areas move, by measure and data set."""
    panels = (
        ("scored", "images with a SIC curve (%)", 100),
        ("falls", "raw information curves that fall (%)", 100),
        ("mask_spread", "standard deviation of SIC over random masks", 1),
        ("turned", "range of SIC over four orientations", 1),
    )
    measures = ("shannon", "webp", "mean", "mutual")
    figure, axes = plt.subplots(2, 2, figsize=(11, 6.4))
    width = 0.8 / len(found)
    for axis, (key, title, factor) in zip(axes.flat, panels, strict=True):
        for k, (name, run) in enumerate(found.items()):
            heights = [factor * run["stable"][measure][key] for measure in measures]
            x = np.arange(len(measures)) + (k - (len(found) - 1) / 2) * width
            axis.bar(x, np.nan_to_num(heights), width, label=name, color=COLORS[k % 4], hatch=HATCHES[k % 4])
            for place, height in zip(x, heights, strict=True):
                if np.isnan(height):
                    axis.text(place, 0, "none", rotation=90, ha="center", va="bottom", fontsize=7)
        axis.set_xticks(range(len(measures)), [NAMES[m].replace(" ", "\n", 1) for m in measures])
        axis.set_title(title, fontsize=10)
    axes[0, 0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    _save(figure, file)


def ranks(found: dict[str, Any], file: Path) -> None:
    """The order of the methods by mean SIC under each measure; random and the ground truth stand out."""
    measures = ("shannon", "webp", "mean", "mutual", "pixels")
    figure, axes = plt.subplots(1, len(found), figsize=(4.2 * len(found), 4.6), squeeze=False)
    for axis, (name, run) in zip(axes[0], found.items(), strict=True):
        here = [m for m in measures if run["stable"][m]["means"]]
        methods = list(run["methods"])
        for method, style in styles(methods).items():
            y = [
                1 + sum(v > run["stable"][m]["means"][method] for v in run["stable"][m]["means"].values()) for m in here
            ]
            axis.plot(range(len(here)), y, color=style.color, linestyle=style.dash, marker=style.marker, label=method)
            axis.annotate(method, (len(here) - 1, y[-1]), (6, 0), textcoords="offset points", va="center", fontsize=7)
        axis.set_xticks(range(len(here)), [NAMES[m].replace(" ", "\n") for m in here], fontsize=8)
        axis.set_yticks(range(1, len(methods) + 1))
        axis.invert_yaxis()
        axis.set_xlim(-0.3, len(here) - 1 + 2.2)
        axis.set_title(name)
    axes[0, 0].set_ylabel("rank by mean SIC (1 = best)")
    figure.tight_layout()
    _save(figure, file)


def ladders(runs: list[Run], file: Path) -> None:
    """Planted evidence: mean SIC against the share of noise in the map."""
    runs = [run for run in runs if run.settings["planted"]]
    measures = ("webp", "mutual", "pixels", "shannon")
    figure, axes = plt.subplots(1, len(runs), figsize=(3.6 * len(runs), 3.4), sharey=True, squeeze=False)
    shares = [0, 25, 50, 75, 100]
    for axis, run in zip(axes[0], runs, strict=True):
        for color, marker, measure in zip(COLORS, "os^D", measures, strict=True):
            _, values, _ = analysis.areas(run.settings["planted"], measure, "sic", "stable")
            values = analysis.over_draws(values)
            if not len(values):
                continue
            middle, low, high = np.transpose([analysis.interval(values[:, j]) for j in range(values.shape[1])])
            axis.plot(shares, middle, color=color, marker=marker, label=f"{NAMES[measure]} ({len(values)} images)")
            axis.fill_between(shares, low, high, color=color, alpha=0.15, linewidth=0)
        axis.set_title(run.name)
        axis.set_xlabel("noise in the true map (%)")
        axis.set_xticks(shares)
        axis.legend(frameon=False, fontsize=7)
    axes[0, 0].set_ylabel("mean SIC, 95 % interval")
    figure.suptitle("Classifier that sees the lesion alone: the curve should fall", y=1.03)
    _save(figure, file)
