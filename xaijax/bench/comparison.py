"""Figures of the statistics: p-values of every pair, critical differences, and models side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax.bench.figures import new_figure
from xaijax.bench.statistics import p_text
from xaijax.bench.summary import Row
from xaijax.metrics.statistics import Pair, Ranking
from xaijax.plot import _style as style
from xaijax.plot._style import SETTINGS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Blue and orange of Okabe and Ito, paler where p is larger; dark letters are read on all of them.
BETTER = ("#56B4E9", "#93CFF1", "#C9E6F8")
WORSE = ("#E69F00", "#F0C25C", "#F8E1AE")
LEVELS = (0.001, 0.01, 0.05)
LETTERS = "#101010"  # on cells, whose colours do not follow the reader's theme


def p_matrix(pairs: Sequence[Pair], methods: Sequence[str], *, title: str, higher_is_better: bool) -> "Figure":
    """Corrected Wilcoxon p-values of every pair, coloured where the row's method is better or worse.

    Args:
        pairs: of `compare_pairs`.
        methods: in the order of rows and columns, best first.
        title: the metric, its direction, and the number of images.
        higher_is_better: direction of the metric.

    Returns:
        A figure 4.2 inches wide.
    """
    import matplotlib
    from matplotlib.patches import Patch, Rectangle

    methods = list(methods)
    place = {method: i for i, method in enumerate(methods)}
    count = len(methods)
    size = float(np.clip(46.0 / count, 4.0, 8.0))
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(4.2, 1.55 + min(3.2, 0.42 * count))
        axes = figure.subplots()
        for pair in pairs:
            sign = pair.rank_biserial if higher_is_better else -pair.rank_biserial
            for first, second, side in ((pair.first, pair.second, sign), (pair.second, pair.first, -sign)):
                x, y = place[second], place[first]
                level = next((i for i, top in enumerate(LEVELS) if pair.p_w_holm < top), None)
                if level is not None:
                    color = (BETTER if side > 0 else WORSE)[level]
                    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color=color, linewidth=0))
                text = p_text(pair.p_w_holm)
                letters = style.INK if level is None else LETTERS
                axes.text(x, y, text, ha="center", va="center", fontsize=size, color=letters)
        for i in range(count):
            axes.text(i, i, "·", ha="center", va="center", color=style.GREY)
        labels = [method.replace("_", " ") for method in methods]
        axes.set_xticks(range(count), labels, rotation=90 if count > 5 else 35, ha="center" if count > 5 else "right")
        axes.set_yticks(range(count), labels)
        axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), title=title)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        patches = [Patch(color=BETTER[0], label="row better"), Patch(color=WORSE[0], label="row worse")]
        figure.legend(
            handles=patches,
            loc="outside lower center",
            ncols=2,
            title="p < 0.001; paler < 0.01, < 0.05 (Wilcoxon, Holm)",
            title_fontsize=8,
        )
    return figure


def critical_difference(ranking: Ranking, *, title: str) -> "Figure":
    """Mean ranks on one axis, best at the left; bars join the methods that cannot be told apart.

    Args:
        ranking: of `friedman`, with a critical difference.
        title: the metric and its direction.

    Returns:
        A figure 4.2 inches wide.

    References:
        Demšar, JMLR 2006, figure 1.
    """
    import matplotlib

    count = len(ranking.methods)
    left = (count + 1) // 2
    looks = style.styles(style.in_order(ranking.methods))
    # Units of y are lines of text: methods hang below the axis, half of them on each side.
    below = 0.55 * len(ranking.groups) + left + 0.9
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(4.2, 0.85 + 0.21 * (below + 1.2))
        axes = figure.subplots()
        axes.plot([1, count], [0, 0], color=style.INK, linewidth=1.2)
        for rank in range(1, count + 1):
            axes.plot([rank, rank], [0, 0.22], color=style.INK, linewidth=1)
            axes.text(rank, 0.4, str(rank), ha="center", va="bottom", fontsize=8)
        start = 1.0
        axes.plot([start, start + ranking.critical_difference], [1.75, 1.75], color=style.INK, linewidth=1.6)
        gap = f"critical difference {ranking.critical_difference:.2f}"
        axes.text(start, 1.95, gap, ha="left", va="bottom", fontsize=8)
        bars = 0.55 * len(ranking.groups)
        width = count - 1
        for i, (method, rank) in enumerate(zip(ranking.methods, ranking.ranks, strict=True)):
            at_left = i < left
            depth = -(bars + 0.9 + (i if at_left else count - 1 - i))
            edge = 1 - 0.04 * width if at_left else count + 0.04 * width
            line: dict[str, Any] = {"color": looks[method].color, "linewidth": 1.2}
            axes.plot([rank, rank, edge], [0, depth, depth], **line)
            name = method.replace("_", " ")
            text = f"{name}  {rank:.2f}" if at_left else f"{rank:.2f}  {name}"
            side = -0.02 * width if at_left else 0.02 * width
            axes.text(edge + side, depth, text, ha="right" if at_left else "left", va="center", fontsize=8)
        place = dict(zip(ranking.methods, ranking.ranks, strict=True))
        for number, group in enumerate(ranking.groups):
            ends = [place[group[0]] - 0.015 * width, place[group[-1]] + 0.015 * width]
            depth = -0.45 - 0.55 * number
            axes.plot(ends, [depth, depth], color=style.INK, linewidth=3.6, solid_capstyle="round")
        axes.set(ylim=(-below, 2.9), xlim=(1 - 0.06 * width, count + 0.06 * width))
        axes.set_axis_off()
        # The axes are narrow between the names: the title stands over the whole figure.
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold", color=style.INK)
    return figure


def models_side_by_side(rows: Sequence[Row], *, title: str) -> "Figure":
    """Mean and 95 % interval of one metric: one line per method, one mark per model.

    Args:
        rows: summary rows of one metric, of several models.
        title: the metric, with the direction that is better and its unit.

    Returns:
        A figure 4.2 inches wide.
    """
    import matplotlib

    methods = style.in_order([row.method for row in rows])
    models = list(dict.fromkeys(row.model for row in rows))
    found = {(row.model, row.method): row for row in rows}
    step = 0.7 / len(models)
    with matplotlib.rc_context(SETTINGS):
        legend = (len(models) + 1) // 2
        figure = new_figure(4.2, 0.85 + 0.17 * legend + len(methods) * max(0.24, 0.13 * len(models)))
        axes = figure.subplots()
        for number, model in enumerate(models):
            color, marker = style.PALETTE[number % len(style.PALETTE)], style.MARKERS[number % len(style.MARKERS)]
            for line, method in enumerate(methods):
                row = found.get((model, method))
                if row is None or not np.isfinite(row.mean):
                    continue
                height = line + (number - (len(models) - 1) / 2) * step
                if np.isfinite(row.low):
                    axes.plot([row.low, row.high], [height, height], color=color, linewidth=1.8, alpha=0.6)
                axes.plot(row.mean, height, marker=marker, color=color, markersize=5, linestyle="none")
            axes.plot([], [], marker=marker, color=color, linestyle="none", markersize=5, label=model)
        edges = [edge for row in rows for edge in (row.mean, row.low, row.high) if np.isfinite(edge)]
        if edges and min(edges) >= 0 and max(edges) <= 1:
            axes.set_xlim(-0.02, 1.02)
        axes.set_title(title)
        axes.grid(True, axis="x")
        axes.set_yticks(range(len(methods)), [method.replace("_", " ") for method in methods])
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.tick_params(left=False)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
