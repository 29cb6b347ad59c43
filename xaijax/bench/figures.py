"""The figures of a report. Each function returns a Matplotlib figure; nothing here touches pyplot or a display.

Charts are saved as SVG and pictures as PNG. Widths are those at which the report shows them, so that text keeps its
size.
"""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax.bench.store import write_whole
from xaijax.bench.summary import Row
from xaijax.plot import _style as style
from xaijax.plot._overlay import outline, overlay, to_rgb

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: "Figure", path: Path) -> Path:
    """Writes a figure as its file name says (.svg or .png), whole, without a date in it."""
    import matplotlib

    # Matplotlib writes its version into a PNG and the date into an SVG: neither belongs in a result.
    dated: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with matplotlib.rc_context(style.SETTINGS):
        options = {"format": path.suffix[1:], "metadata": dated, "dpi": 160}
        # Charts are transparent: the report shows them on its own background, light or dark.
        write_whole(path, lambda file: figure.savefig(file, transparent=path.suffix == ".svg", **options))
    return path


def new_figure(width: float, height: float, *, layout: Any = "constrained") -> "Figure":
    """An empty figure of this size in inches, outside pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
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
    with matplotlib.rc_context(style.SETTINGS):
        figure = new_figure(4.2, 3.7 + 0.17 * ((len(methods) + 1) // 2))
        axes = figure.subplots()
        for method in methods:
            look = looks[method]
            label = f"{method.replace('_', ' ')}  {areas[method]:.3f}"
            line: dict[str, Any] = {
                "color": look.color,
                "linestyle": look.dash,
                "linewidth": look.width,
                "label": label,
            }
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
    with matplotlib.rc_context(style.SETTINGS):
        figure = new_figure(4.2, 0.75 + 0.24 * len(methods))
        axes = figure.subplots()
        for height, method in enumerate(methods):
            row, look = found[method], looks[method]
            if not np.isfinite(row.mean):
                label: dict[str, Any] = {"fontsize": 8, "color": style.GREY, "transform": axes.get_yaxis_transform()}
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
        A figure 1.3 inches wide per column.
    """
    methods = style.in_order(list(maps))
    rows = []
    for row, image in enumerate(images):
        pictures = [to_rgb(image), *(overlay(image, maps[method][row]) for method in methods)]
        rows.append([picture if masks is None else outline(picture, masks[row]) for picture in pictures])
    names = [textwrap.fill(name.replace("_", " "), 16) for name in ["image", *methods]]
    sheet = _Sheet(rows, tile=1.3, left=0.5, above_first=0.15 + 0.14 * max(name.count("\n") + 1 for name in names))
    for column, name in enumerate(names):
        sheet.above(0, column, name, fontsize=9, fontweight="bold")
    for row, caption in enumerate(captions):
        sheet.beside(row, caption, fontsize=7.5)
    return sheet.figure


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
        A figure 1.9 inches wide per column.
    """
    shown = [to_rgb(picture) for picture in pictures]
    if mask is not None:
        shown[-1] = outline(shown[-1], mask)
    rows = [shown[start : start + columns] for start in range(0, len(shown), columns)]
    room = 0.12 + 0.15 * max(text.count("\n") + 1 for text in texts)
    sheet = _Sheet(rows, tile=1.9, below=room, above_first=0.35)
    sheet.figure.text(0.05 / sheet.width, 1 - 0.06 / sheet.height, title, va="top", fontsize=10, fontweight="bold")
    for number, text in enumerate(texts):
        sheet.below(number // columns, number % columns, text, fontsize=8, linespacing=1.3)
    return sheet.figure


class _Sheet:
    """Pictures in rows and columns on one figure; sizes in inches, so that text has room where it is put."""

    def __init__(
        self,
        rows: Sequence[Sequence[np.ndarray]],
        *,
        tile: float,
        left: float = 0.05,
        below: float = 0.0,
        above_first: float = 0.05,
        gap: float = 0.04,
    ) -> None:
        height, width = rows[0][0].shape[:2]
        self.tile, self.tall = tile, tile * height / width
        self.left, self.under, self.top, self.gap = left, below, above_first, gap
        columns = max(len(row) for row in rows)
        self.width = left + columns * (tile + gap)
        self.height = above_first + len(rows) * (self.tall + below + gap)
        self.figure = new_figure(self.width, self.height, layout=None)
        for number, row in enumerate(rows):
            for column, picture in enumerate(row):
                x, y = self._corner(number, column)
                box = (x / self.width, y / self.height, tile / self.width, self.tall / self.height)
                axes = self.figure.add_axes(box)
                axes.set_axis_off()
                axes.imshow(picture, interpolation="nearest", aspect="auto")

    def _corner(self, row: int, column: int) -> tuple[float, float]:
        """Lower left corner of a picture in inches."""
        x = self.left + column * (self.tile + self.gap)
        return x, self.height - self.top - self.tall - row * (self.tall + self.under + self.gap)

    def above(self, row: int, column: int, text: str, **options: Any) -> None:
        x, y = self._corner(row, column)
        x, y = (x + self.tile / 2) / self.width, (y + self.tall + 0.05) / self.height
        self.figure.text(x, y, text, ha="center", va="bottom", color=style.INK, **options)

    def below(self, row: int, column: int, text: str, **options: Any) -> None:
        x, y = self._corner(row, column)
        x, y = (x + self.tile / 2) / self.width, (y - 0.05) / self.height
        self.figure.text(x, y, text, ha="center", va="top", color=style.INK, **options)

    def beside(self, row: int, text: str, **options: Any) -> None:
        _, y = self._corner(row, 0)
        x, y = (self.left - 0.05) / self.width, (y + self.tall / 2) / self.height
        options |= {"rotation": 90, "multialignment": "center"}
        self.figure.text(x, y, text, ha="right", va="center", color=style.INK, **options)
