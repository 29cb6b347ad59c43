"""Figures of scores: means with intervals, p-values of every pair, critical differences, models side by side."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax.plot._style import (
    GREY,
    INK,
    LETTERS,
    MARKERS,
    PALETTE,
    SETTINGS,
    in_order,
    legend_text,
    metric_title,
    new_figure,
    styles,
    words,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xaijax.metrics.statistics import Pair, Ranking

# Blue and orange of Okabe and Ito, paler where p is larger; dark letters are legible on all of them.
BETTER = ("#56B4E9", "#93CFF1", "#C9E6F8")
WORSE = ("#E69F00", "#F0C25C", "#F8E1AE")
LEVELS = (0.001, 0.01, 0.05)

Interval = tuple[float, float, float]
"""Mean, lower and upper bound of its interval, in the metric's unit; the bounds are NaN where there is none."""


def summary(found: Any, *, metric: str | None = None, title: str = "") -> "Figure":
    """Mean and 95 % bootstrap interval of one metric, one line per method.

    Args:
        found: `{method: (mean, low, high)}`, NaN for what is not there, or `metrics.Scores`.
        metric: name of the metric to draw from `Scores`; not needed where they hold one alone.
        title: above the figure; default: the metric and the number of images where `found` is `Scores`.

    Returns:
        A figure 4.2 inches wide.

    Raises:
        ValueError: for no methods, or an unknown metric.

    Example:
        >>> figure = summary({"grad_cam": (0.6, 0.5, 0.7), "random": (0.2, 0.1, 0.3)}, title="IoU")
        >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
        ['grad cam', 'random']
    """
    import matplotlib

    if not isinstance(found, Mapping):
        found, default = _from_scores(found, metric)
        title = title or default
    if not found:
        raise ValueError("there are no means to draw; give at least one method")
    methods = in_order(list(found))
    looks = styles(methods)
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(4.2, 0.75 + 0.24 * len(methods))
        axes = figure.subplots()
        for height, method in enumerate(methods):
            (mean, low, high), look = found[method], looks[method]
            if not np.isfinite(mean):
                label: dict[str, Any] = {"fontsize": 8, "color": GREY, "transform": axes.get_yaxis_transform()}
                axes.text(0.02, height, "no value", va="center", **label)
                continue
            if np.isfinite(low):
                axes.plot([low, high], [height, height], color=look.color, linewidth=2.6, alpha=0.6)
            axes.plot(mean, height, marker=look.marker, color=look.color, markersize=7, linestyle="none")
        _finish(axes, methods, found.values(), title)
    return figure


def summary_of_models(found: Mapping[str, Mapping[str, Interval]], *, title: str = "") -> "Figure":
    """Mean and 95 % interval of one metric on several models: one line per method, one marker per model.

    Args:
        found: `{model: {method: (mean, low, high)}}`, NaN for what is not there.
        title: above the figure.

    Returns:
        A figure 4.2 inches wide.

    Example:
        >>> found = {"small_cnn": {"cam": (0.6, 0.5, 0.7)}, "resnet50": {"cam": (0.5, 0.4, 0.6)}}
        >>> [text.get_text() for text in summary_of_models(found).legends[0].get_texts()]
        ['small_cnn', 'resnet50']
    """
    import matplotlib

    methods = in_order([method for own in found.values() for method in own])
    if not methods:
        raise ValueError("there are no means to draw; give at least one model and method")
    step = 0.7 / len(found)
    with matplotlib.rc_context(SETTINGS):
        legend = (len(found) + 1) // 2
        figure = new_figure(4.2, 0.85 + 0.17 * legend + len(methods) * max(0.24, 0.13 * len(found)))
        axes = figure.subplots()
        for number, (model, own) in enumerate(found.items()):
            color, marker = PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]
            for line, method in enumerate(methods):
                mean, low, high = own.get(method, (np.nan,) * 3)
                if not np.isfinite(mean):
                    continue
                height = line + (number - (len(found) - 1) / 2) * step
                if np.isfinite(low):
                    axes.plot([low, high], [height, height], color=color, linewidth=1.8, alpha=0.6)
                axes.plot(mean, height, marker=marker, color=color, markersize=5, linestyle="none")
            axes.plot([], [], marker=marker, color=color, linestyle="none", markersize=5, label=legend_text(model))
        _finish(axes, methods, (one for own in found.values() for one in own.values()), title)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _finish(axes: Any, methods: Sequence[str], intervals: Iterable[Interval], title: str) -> None:
    edges = [edge for interval in intervals for edge in interval if np.isfinite(edge)]
    if edges and min(edges) >= 0 and max(edges) <= 1:
        axes.set_xlim(-0.02, 1.02)
    axes.set_title(title)
    axes.grid(True, axis="x")
    axes.set_yticks(range(len(methods)), [words(method) for method in methods])
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.tick_params(left=False)


def _from_scores(scores: Any, metric: str | None) -> tuple[dict[str, Interval], str]:
    from xaijax._names import match
    from xaijax.metrics.scores import Scores
    from xaijax.metrics.statistics import mean_interval

    if not isinstance(scores, Scores):
        raise ValueError(f"means are drawn from a mapping by method or from Scores; got {type(scores).__name__}")
    known = scores.metrics()
    if metric is None and len(known) != 1:
        raise ValueError(f"the scores hold {len(known)} metrics; say metric=, one of {', '.join(known) or 'none'}")
    name = match("metric", metric or known[0], known)
    _, methods, values = scores.matrix(name)
    found = {}
    for method, column in zip(methods, values.T, strict=True):
        there = column[np.isfinite(column)]
        found[method] = (float(there.mean()) if there.size else float("nan"), *mean_interval(there))
    count = int(np.isfinite(values).sum(axis=0).max())
    return found, f"{metric_title(name)}, {count} image{'s' if count != 1 else ''}"


def p_text(p: float) -> str:
    """A p-value in few letters.

    Example:
        >>> [p_text(p) for p in (0.00001, 0.0234, 0.5, float("nan"))]
        ['<0.001', '0.023', '0.50', '–']
    """
    if np.isnan(p):
        return "–"
    if p < 0.001:
        return "<0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_matrix(pairs: "Sequence[Pair]", methods: Sequence[str], *, title: str, higher_is_better: bool) -> "Figure":
    """Corrected Wilcoxon p-values of every pair, coloured where the row's method is better or worse.

    Args:
        pairs: from `metrics.statistics.compare_pairs`.
        methods: in the order of rows and columns, best first.
        title: the metric, its direction, and the number of images.
        higher_is_better: direction of the metric.

    Returns:
        A figure 4.2 inches wide.

    Example:
        >>> from xaijax.metrics.statistics import compare_pairs
        >>> pairs = compare_pairs([[0.1, 0.3], [0.2, 0.5], [0.1, 0.2]], ["a", "b"])
        >>> len(p_matrix(pairs, ["b", "a"], title="IoU", higher_is_better=True).axes)
        1
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
                letters = INK if level is None else LETTERS
                axes.text(x, y, text, ha="center", va="center", fontsize=size, color=letters)
        for i in range(count):
            axes.text(i, i, "·", ha="center", va="center", color=GREY)
        labels = [words(method) for method in methods]
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


def critical_difference(ranking: "Ranking", *, title: str) -> "Figure":
    """Mean ranks on one axis, best at the left; bars join the methods that are not distinguishable.

    Args:
        ranking: from `metrics.statistics.friedman`, with a critical difference.
        title: the metric and its direction.

    Returns:
        A figure 4.2 inches wide.

    References:
        Demšar, JMLR 2006, figure 1.

    Example:
        >>> import numpy as np
        >>> from xaijax.metrics.statistics import friedman
        >>> values = np.random.default_rng(0).random((20, 3)) + [0, 1, 2]
        >>> len(critical_difference(friedman(values, ["a", "b", "c"]), title="IoU").axes)
        1
    """
    import matplotlib

    count = len(ranking.methods)
    left = (count + 1) // 2
    looks = styles(in_order(ranking.methods))
    # Units of y are lines of text: methods hang below the axis, half of them on each side.
    below = 0.55 * len(ranking.groups) + left + 0.9
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(4.2, 0.85 + 0.21 * (below + 1.2))
        axes = figure.subplots()
        axes.plot([1, count], [0, 0], color=INK, linewidth=1.2)
        for rank in range(1, count + 1):
            axes.plot([rank, rank], [0, 0.22], color=INK, linewidth=1)
            axes.text(rank, 0.4, str(rank), ha="center", va="bottom", fontsize=8)
        start = 1.0
        axes.plot([start, start + ranking.critical_difference], [1.75, 1.75], color=INK, linewidth=1.6)
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
            name = words(method)
            text = f"{name}  {rank:.2f}" if at_left else f"{rank:.2f}  {name}"
            side = -0.02 * width if at_left else 0.02 * width
            axes.text(edge + side, depth, text, ha="right" if at_left else "left", va="center", fontsize=8)
        place = dict(zip(ranking.methods, ranking.ranks, strict=True))
        for number, group in enumerate(ranking.groups):
            ends = [place[group[0]] - 0.015 * width, place[group[-1]] + 0.015 * width]
            depth = -0.45 - 0.55 * number
            axes.plot(ends, [depth, depth], color=INK, linewidth=3.6, solid_capstyle="round")
        axes.set(ylim=(-below, 2.9), xlim=(1 - 0.06 * width, count + 0.06 * width))
        axes.set_axis_off()
        # The axes are narrow between the names: the title stands over the whole figure.
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold", color=INK)
    return figure
