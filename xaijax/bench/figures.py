"""The figures of a report. Each function returns a Matplotlib figure; nothing here touches pyplot or a display.

Charts are saved as SVG and pictures as PNG. Widths are those at which the report shows them, so that text keeps its
size.
"""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax.bench import style
from xaijax.bench.store import write_whole
from xaijax.bench.summary import Row
from xaijax.overlay import outline, overlay, to_rgb

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SETTINGS: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": style.GREY,
    "axes.labelcolor": style.INK,
    "text.color": style.INK,
    "xtick.color": style.INK,
    "ytick.color": style.INK,
    "axes.titlecolor": style.INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "grid.color": style.GREY,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "svg.hashsalt": "xaijax",  # the same run gives the same file
    "figure.dpi": 100,
}


def save(figure: "Figure", path: Path) -> Path:
    """Writes a figure as its file name says (.svg or .png), whole, without a date in it."""
    import matplotlib

    # Matplotlib writes its version into a PNG and the date into an SVG: neither belongs in a result.
    dated: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with matplotlib.rc_context(SETTINGS):
        options = {"format": path.suffix[1:], "metadata": dated, "dpi": 160}
        # Charts are transparent: the report shows them on its own background, light or dark.
        write_whole(path, lambda file: figure.savefig(file, transparent=path.suffix == ".svg", **options))
    return path


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def curves(
    read: Mapping[str, np.ndarray],
    positions: np.ndarray,
    *,
    title: str,
    information: str,
    response: str,
    areas: Mapping[str, float],
) -> "Figure":
    """Performance information curves, one line per method, with the area under each in the legend.

    Args:
        read: {method: [P] aggregate curve in [0, 1]}.
        positions: [P] information values in [0, 1].
        title: For example "SIC, Shannon entropy".
        information: Label of the x axis.
        response: Label of the y axis.
        areas: {method: area under its curve}.

    Returns:
        A figure 4.2 inches wide.
    """
    import matplotlib

    methods = style.in_order(list(read))
    looks = style.styles(methods)
    # The legend stands below the plot, where it can hide no curve.
    with matplotlib.rc_context(SETTINGS):
        figure = _figure(4.2, 3.7 + 0.17 * ((len(methods) + 1) // 2))
        axes = figure.subplots()
        for method in methods:
            look = looks[method]
            label = f"{method.replace('_', ' ')}  {areas[method]:.3f}"
            line = {"color": look.color, "linestyle": look.dash, "linewidth": look.width, "label": label}
            axes.plot(positions, read[method], zorder=3 if method == style.ORACLE else 2, **line)
        axes.set(xlim=(0, 1), ylim=(-0.02, 1.02), xlabel=information, ylabel=response, title=title)
        axes.grid(True)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, handlelength=2.6, columnspacing=1.2)
    return figure


def intervals(rows: Sequence[Row], *, title: str) -> "Figure":
    """Mean and 95 % bootstrap interval of one metric, one line per method.

    Args:
        rows: Summary rows of one model and one metric.
        title: Name of the metric, with the direction that is better and its unit.

    Returns:
        A figure 4.2 inches wide.
    """
    import matplotlib

    methods = style.in_order([row.method for row in rows])
    looks = style.styles(methods)
    found = {row.method: row for row in rows}
    edges = [edge for row in rows for edge in (row.mean, row.low, row.high) if np.isfinite(edge)]
    with matplotlib.rc_context(SETTINGS):
        figure = _figure(4.2, 0.75 + 0.24 * len(methods))
        axes = figure.subplots()
        for height, method in enumerate(methods):
            row, look = found[method], looks[method]
            if not np.isfinite(row.mean):
                label = {"fontsize": 8, "color": style.GREY, "transform": axes.get_yaxis_transform()}
                axes.text(0.02, height, "no value", va="center", **label)
                continue
            if np.isfinite(row.low):
                axes.plot([row.low, row.high], [height, height], color=look.color, linewidth=2.6, alpha=0.6)
            axes.plot(row.mean, height, marker=look.marker, color=look.color, markersize=7, linestyle="none")
        if edges and min(edges) >= 0 and max(edges) <= 1:
            axes.set_xlim(-0.02, 1.02)
        axes.set_title(title)
        axes.grid(True, axis="x")
        axes.set_yticks(range(len(methods)), [method.replace("_", " ") for method in methods])
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.tick_params(left=False)
    return figure


def gallery(
    images: np.ndarray,
    maps: Mapping[str, np.ndarray],
    *,
    masks: np.ndarray | None,
    captions: Sequence[str],
) -> "Figure":
    """Heat maps over images: one row per image, one column per method, the ground truth as an outline.

    Args:
        images: [N, H, W, C] uint8.
        maps: {method: [N, H, W]}.
        masks: [N, H, W] bool, all false where there is no mask; or None.
        captions: N texts, written beside the rows.

    Returns:
        A figure 1.25 inches wide per column.
    """
    import matplotlib

    methods = style.in_order(list(maps))
    tile = 1.25
    shape = images.shape[1] / images.shape[2]
    with matplotlib.rc_context(SETTINGS):
        figure = _figure(tile * (len(methods) + 1), 0.35 + len(images) * tile * shape)
        grid = figure.subplots(len(images), len(methods) + 1, squeeze=False)
        figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.0, hspace=0.0)  # type: ignore[union-attr]
        for row, (image, caption) in enumerate(zip(images, captions, strict=True)):
            pictures = {"image": to_rgb(image)} | {m: overlay(image, maps[m][row]) for m in methods}
            for axes, (name, picture) in zip(grid[row], pictures.items(), strict=True):
                if masks is not None:
                    picture = outline(picture, masks[row])
                _show(axes, picture)
                if row == 0:
                    axes.set_title("\n".join(textwrap.wrap(name.replace("_", " "), 16)), fontsize=8, loc="center")
            grid[row][0].set_ylabel(caption, fontsize=7)
    return figure


def rebuilt(
    pictures: np.ndarray, texts: Sequence[str], *, title: str, mask: np.ndarray | None = None, columns: int = 5
) -> "Figure":
    """The images rebuilt from more and more pixels, from fully blurred to the original, with what was measured.

    Args:
        pictures: [T, H, W, C] uint8: blurred, one per fraction, original.
        texts: T captions.
        title: What is shown.
        mask: [H, W] bool outlined in the last picture, or None.
        columns: Pictures side by side.

    Returns:
        A figure 1.6 inches wide per column.
    """
    import matplotlib

    lines = -(-len(pictures) // columns)
    tile = 1.6
    shape = pictures.shape[1] / pictures.shape[2]
    with matplotlib.rc_context(SETTINGS):
        figure = _figure(tile * columns, 0.4 + lines * (tile * shape + 0.42))
        grid = figure.subplots(lines, columns, squeeze=False).ravel()
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)  # type: ignore[union-attr]
        figure.suptitle(title, fontsize=10, fontweight="bold", x=0.01, ha="left")
        for number, (axes, picture, text) in enumerate(zip(grid, pictures, texts, strict=False)):
            rgb = to_rgb(picture)
            if mask is not None and number == len(pictures) - 1:
                rgb = outline(rgb, mask)
            _show(axes, rgb)
            axes.set_xlabel(text, fontsize=7.5, linespacing=1.25)
        for axes in grid[len(pictures) :]:
            axes.set_visible(False)
    return figure


def _show(axes: "Axes", picture: np.ndarray) -> None:
    axes.imshow(picture, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
