"""Figures of a cascade: its rounds on a few images, and a sweep."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from xaijax import plot
from xaijax.plot._overlay import to_rgb

CUE = (255, 170, 0)


def rounds(
    seen: np.ndarray,
    maps: np.ndarray,
    images: np.ndarray,
    combined: np.ndarray,
    masks: Mapping[str, np.ndarray],
    names: Sequence[str],
    path: Path,
    title: str,
) -> None:
    """The rounds of a few images: for each a row of what the rounds saw and a row of what they found.

    Args:
        seen: `[K, n, H, W, C]` float in [0, 1], the images of the rounds.
        maps: `[K, n, H, W]`, their maps.
        images: `[n, H, W, C]` uint8, the intact images, shown last.
        combined: `[n, H, W]`, the explanations, shown last.
        masks: role -> `[n, H, W]` bool, outlined on the intact images.
        names: n, of the images with their classes.
        path: a PNG file.
        title: above the figure.
    """
    count, many = maps.shape[:2]
    figure = Figure(figsize=(1.5 * (count + 1) + 0.6, 3.1 * many + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize="medium", parse_math=False)
    grid = figure.subplots(2 * many, count + 1, squeeze=False)
    for row in range(many):
        top, bottom = grid[2 * row], grid[2 * row + 1]
        for k in range(count):
            top[k].imshow(to_rgb(seen[k, row]))
            bottom[k].imshow(plot.overlay(seen[k, row], maps[k, row]))
        intact = to_rgb(images[row])
        for role, outlines in masks.items():
            colour = CUE if role == "artefact" else (0, 230, 255)
            intact = plot.outline(intact, outlines[row], color=colour)
        top[count].imshow(intact)
        bottom[count].imshow(plot.overlay(images[row], combined[row]))
        top[0].set_ylabel(names[row], fontsize="small")
        bottom[0].set_ylabel("map", fontsize="small")
    for k in range(count):
        grid[0, k].set_title(f"round {k}", fontsize="small")
    grid[0, count].set_title("intact, combined", fontsize="small")
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
    figure.savefig(path, dpi=110)


def sweep(rows: Sequence[Mapping[str, Any]], metric: str, heading: str, path: Path, title: str) -> None:
    """One metric over the number of rounds: a panel for each threshold, a line for each pair of θ and λ.

    Args:
        rows: with the keys theta, decay, threshold, rounds and the metric.
        metric: which.
        heading: its name on the axis.
        path: a PNG file.
        title: above the figure.
    """
    thresholds = list(dict.fromkeys(row["threshold"] for row in rows))
    figure = Figure(figsize=(3.4 * len(thresholds) + 1.6, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize="medium", parse_math=False)
    panels = figure.subplots(1, len(thresholds), sharey=True, squeeze=False)[0]
    for axes, threshold in zip(panels, thresholds, strict=True):
        own = [row for row in rows if row["threshold"] == threshold]
        for theta, decay in dict.fromkeys((row["theta"], row["decay"]) for row in own):
            line = sorted((row["rounds"], row[metric]) for row in own if (row["theta"], row["decay"]) == (theta, decay))
            axes.plot(*zip(*line, strict=True), marker="o", markersize=3, label=f"θ {theta:g}, λ {decay:g}")
        axes.set(xlabel="rounds K", title=threshold)
        axes.xaxis.get_major_locator().set_params(integer=True)
    panels[0].set_ylabel(heading)
    panels[-1].legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=120)
