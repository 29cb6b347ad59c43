"""Curves over images: the model's answer as pixels are hidden or shown, and maps as layers are randomised.

Each line is the mean over images of one method, its bars are 95 % bootstrap intervals of the mean. Bars stand at a few
positions, another few for each method: bands of eight methods would hide each other.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from xaijax.bench import figures
from xaijax.metrics import METRICS
from xaijax.plot import _style as style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POSITIONS = 101
DRAWS = 1000
LEVEL = 0.95
BARS = 6  # of each line
FEW = 16  # points are worth a mark each


@dataclasses.dataclass(frozen=True)
class Line:
    """The curve of one method.

    Attributes:
        position: `[P]` share of the pixels or layers, ascending in [0, 1].
        mean: `[P]` over images.
        low, high: `[P]` of the interval; NaN with fewer than two images.
        images: how many.
        score: mean of the metric's own values.
    """

    position: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    images: int
    score: float


def mean_line(
    fractions: Sequence[np.ndarray], values: Sequence[np.ndarray], areas: Sequence[float], *, seed: int = 0
) -> Line:
    """Mean curve of several images.

    Args:
        fractions: one array of ascending positions per image. Where all agree they stay; else curves are read between
            their points at equal steps, from the last start to the first end: each position counts all images.
        values: as many arrays of the same lengths.
        areas: the metric of each image.
        seed: of the bootstrap.

    Returns:
        A `Line`.

    Example:
        >>> line = mean_line([[0.0, 1.0], [0.0, 0.5, 1.0]], [[1.0, 0.0], [1.0, 1.0, 0.0]], [0.5, 0.75])
        >>> line.mean[[0, 50, 100]].tolist(), line.score
        ([1.0, 0.75, 0.0], 0.625)
    """
    places = [np.asarray(points, np.float64) for points in fractions]
    heights = [np.asarray(points, np.float64) for points in values]
    if all(np.array_equal(points, places[0]) for points in places):
        position, read = places[0], np.stack(heights)
    else:
        start, end = max(points[0] for points in places), min(points[-1] for points in places)
        position = np.linspace(start, max(start, end), POSITIONS)
        read = np.stack([np.interp(position, x, y) for x, y in zip(places, heights, strict=True)])
    count = len(read)
    low = high = np.full(len(position), np.nan)
    if count > 1:
        # How often each image is drawn: the same draws at every position and for every method of these images.
        drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=DRAWS)
        low, high = np.quantile(drawn @ read / count, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Line(position, read.mean(axis=0), low, high, count, float(np.mean(areas)))


def lines(table: pa.Table, model: str, *, seed: int = 0) -> dict[str, dict[str, Line]]:
    """{metric: {method: its line}} of a model, from the table of a run's responses."""
    rows: dict[tuple[str, str], list[tuple[Any, Any, float]]] = {}
    names = ("model", "metric", "method", "fraction", "value", "area")
    for m, metric, method, fraction, value, area in zip(*(table[n].to_pylist() for n in names), strict=True):
        if m == model and fraction:
            rows.setdefault((metric, method), []).append((fraction, value, area))
    found: dict[str, dict[str, Line]] = {}
    for (metric, method), curves in rows.items():
        fractions, values, areas = zip(*curves, strict=True)
        found.setdefault(metric, {})[method] = mean_line(fractions, values, areas, seed=seed)
    return found


def figure(found: dict[str, Line], *, metric: str, title: str) -> "Figure":
    """Mean curves of one metric, one line and band per method, with the mean of the metric in the legend.

    Args:
        found: {method: line}.
        metric: its name, for the axes.
        title: over the figure.

    Returns:
        A figure 4.2 inches wide.
    """
    import matplotlib

    methods = style.in_order(list(found))
    looks = style.styles(methods)
    words = METRICS[metric].axes
    assert words is not None
    end = max(line.position[-1] for line in found.values())
    marked = all(len(line.position) <= FEW for line in found.values())
    with matplotlib.rc_context(figures.SETTINGS):
        drawn = figures.new_figure(4.2, 3.5 + 0.17 * ((len(methods) + 1) // 2))
        axes = drawn.subplots()
        bottom = 0.0
        for number, method in enumerate(methods):
            line, look = found[method], looks[method]
            options: dict[str, Any] = {"color": look.color, "linestyle": look.dash, "linewidth": look.width}
            if marked:
                options |= {"marker": look.marker, "markersize": 3.6}
            label = f"{method.replace('_', ' ')}  {line.score:.3f}"
            axes.plot(line.position, line.mean, label=label, zorder=3 if method == style.ORACLE else 2, **options)
            places = _places(line.position, number / len(methods), whole=marked)
            middle, low, high = (np.interp(places, line.position, v) for v in (line.mean, line.low, line.high))
            spread = np.maximum([middle - low, high - middle], 0.0)  # an interval need not hold its own mean
            bars: dict[str, Any] = {"ecolor": look.color, "elinewidth": 1.1, "capsize": 2.0, "alpha": 0.75}
            axes.errorbar(places, middle, yerr=spread, fmt="none", **bars)
            bottom = min(bottom, float(np.nanmin([line.mean.min(), *low])))
        axes.set(xlim=(0, 1 if end > 0.85 else 1.02 * end), ylim=(bottom - 0.02, 1.02))
        axes.set(xlabel=words.x, ylabel=words.y, title=title)
        axes.grid(True)
        handles, labels = axes.get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncols=2, handlelength=2.6, columnspacing=1.2)
    return drawn


def _places(position: np.ndarray, shift: float, *, whole: bool) -> np.ndarray:
    """Where the bars of a line stand: at points of its own, or anywhere; `shift` in [0, 1) keeps lines apart."""
    if whole:
        step = max(1, len(position) // BARS)
        return position[int(shift * step) :: step]
    start, end = position[0], position[-1]
    return start + (np.arange(BARS) + 0.15 + 0.7 * shift) / BARS * (end - start)


def draw(folder: Path, model: str, table: pa.Table, titles: dict[str, str], *, seed: int = 0) -> list[dict[str, Any]]:
    """Draws every metric that has curves; `[{path, alt, kind}]`, kind "responses" or "randomised"."""
    prefix = re.sub(r"[^\w-]", "-", model)
    drawn = []
    for metric, found in lines(table, model, seed=seed).items():
        count = max(line.images for line in found.values())
        title = f"{titles[metric]}, {count} image{'s' if count != 1 else ''}"
        path = figures.save(figure(found, metric=metric, title=title), folder / f"{prefix}-curve-{metric}.svg")
        alt = f"{titles[metric]}: mean curve and 95 % interval per method, {model}"
        words = METRICS[metric].axes
        kind = "randomised" if words is not None and words.kind == "randomisation" else "responses"
        drawn.append({"path": path, "alt": alt, "kind": kind})
    return drawn
