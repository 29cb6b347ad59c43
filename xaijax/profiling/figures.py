"""Figures of a profile: throughput over batch, and the roofline."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax.plot import _style as style
from xaijax.plot._style import SETTINGS, new_figure
from xaijax.profiling.config import FORWARD

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 4.2


def _looks(rows: Sequence[Mapping[str, Any]]) -> dict[str, style.Style]:
    names = list(dict.fromkeys(row["method"] for row in rows))
    looks = style.styles([name for name in names if name != FORWARD])
    return {FORWARD: style.Style(style.INK, width=2.4, marker="*")} | looks


def _finish(figure: "Figure", axes: Any, ticks: Sequence[int] | None, **labels: str) -> "Figure":
    """Logarithmic axes with plain numbers at 1, 2 and 5, `ticks` alone below where given, and the legend."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set(xscale="log", yscale="log", **labels)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    if ticks is not None:
        axes.set_xticks(ticks, [str(value) for value in ticks])
    axes.minorticks_off()
    axes.grid(True)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def throughput(rows: Sequence[Mapping[str, Any]], title: str) -> "Figure":
    """Images per second over the batch, with the quartiles as bars.

    Args:
        rows: timed records of one model and precision.
        title: above it.

    Returns:
        A figure 4.2 inches wide.
    """
    import matplotlib

    looks = _looks(rows)
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(_WIDTH, 3.4 + 0.17 * ((len(looks) + 1) // 2))
        axes = figure.subplots()
        for name, look in looks.items():
            own = sorted((row for row in rows if row["method"] == name), key=lambda row: row["batch"])
            if not own:
                continue
            batch = [row["batch"] for row in own]
            rate = [row["images_per_second"] for row in own]
            middle = np.array([r["median"] for r in rate])
            spread = np.array([[r["median"] - r["q1"] for r in rate], [r["q3"] - r["median"] for r in rate]])
            bars: dict[str, Any] = {"color": look.color, "linestyle": look.dash, "marker": look.marker, "capsize": 2}
            axes.errorbar(batch, middle, np.maximum(spread, 0), label=name.replace("_", " "), **bars)
        batches = sorted({row["batch"] for row in rows})
        return _finish(figure, axes, batches, xlabel="images in a call", ylabel="images per second", title=title)


def roofline(rows: Sequence[Mapping[str, Any]], title: str) -> "Figure":
    """Operations per second over operations per byte, under the ceilings of the run.

    Args:
        rows: timed records of one model and precision; those without operations are left out.
        title: above it.

    Returns:
        A figure 4.2 inches wide.
    """
    import matplotlib

    rows = [row for row in rows if row["flops"] > 0 and row["bytes"] > 0]
    looks = _looks(rows)
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(_WIDTH, 3.4 + 0.17 * ((len(looks) + 1) // 2))
        axes = figure.subplots()
        most = rows[0]["ceilings"]
        peak, band = most["flops"][rows[0]["precision"]], most["bytes"]
        values = [row["intensity"] for row in rows]
        x = np.geomspace(min([*values, peak / band]) / 4, max([*values, peak / band]) * 4, 100)
        axes.plot(x, np.minimum(peak, band * x) / 1e9, color=style.GREY, linewidth=1.6)
        axes.annotate(f"matrix product {peak / 1e9:.0f} GFLOP/s", (x[-1], peak / 1e9), ha="right", va="bottom")
        axes.annotate(
            f"copy {band / 1e9:.1f} GB/s",
            (x[0], band * x[0] / 1e9),
            rotation=0,
            va="bottom",
            xytext=(2, 4),
            textcoords="offset points",
        )
        for name, look in looks.items():
            own = [row for row in rows if row["method"] == name]
            if own:
                speed = [row["flops"] / row["latency"]["median"] / 1e9 for row in own]
                dots: dict[str, Any] = {"color": look.color, "marker": look.marker, "linestyle": "none"}
                axes.plot([row["intensity"] for row in own], speed, label=name.replace("_", " "), **dots)
        return _finish(figure, axes, None, xlabel="operations per byte", ylabel="GFLOP per second", title=title)


def kernel(rows: Sequence[Mapping[str, Any]], title: str) -> "Figure":
    """Nanoseconds per pixel over the side of the image, a line for each backend at its most threads.

    Args:
        rows: records of one kernel.
        title: above it.

    Returns:
        A figure 4.2 inches wide.
    """
    import matplotlib

    backends = list(dict.fromkeys(row["backend"] for row in rows))
    looks = style.styles(backends)
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(4.2, 3.2 + 0.17 * ((len(backends) + 1) // 2))
        axes = figure.subplots()
        for name in backends:
            best: dict[int, Mapping[str, Any]] = {}
            for row in rows:
                if row["backend"] == name:
                    before = best.get(row["size"])
                    if before is None or (row["threads"] or 0) >= (before["threads"] or 0):
                        best[row["size"]] = row
            sides = sorted(best)
            look = looks[name]
            line: dict[str, Any] = {"color": look.color, "linestyle": look.dash, "marker": look.marker}
            axes.plot(sides, [best[side]["nanoseconds_per_pixel"] for side in sides], label=name, **line)
        sides = sorted({row["size"] for row in rows})
        return _finish(figure, axes, sides, xlabel="side of the image, pixels", ylabel="ns per pixel", title=title)
