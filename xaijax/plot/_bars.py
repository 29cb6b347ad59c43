"""Scores of classifiers as bars with intervals, data set by data set."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from xaijax.plot._statistics import Interval
from xaijax.plot._style import GREY, INK, PALETTE, SETTINGS, legend_text, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def score_bars(found: Mapping[str, Mapping[str, Mapping[str, Interval]]]) -> "Figure":
    """Bars of several scores: a plot for each score, in it a group for each data set, in that a bar for each model.

    Args:
        found: `{score: {data set: {model: (value, low, high)}}}`, in [0, 1]; NaN for what is not there.

    Returns:
        A figure with two plots to a row.

    Raises:
        ValueError: for no scores.

    Example:
        >>> figure = score_bars({"macro-F1": {"brain": {"resnet50": (0.9, 0.85, 0.94), "vgg16": (0.88, 0.82, 0.93)}}})
        >>> [axes.get_title("left") for axes in figure.axes]
        ['macro-F1']
    """
    import matplotlib

    sets = [own for one in found.values() for own in one]
    names = list(dict.fromkeys(name for one in found.values() for own in one.values() for name in own))
    if not names:
        raise ValueError("there are no scores to draw; give at least one score, data set and model")
    # A model is known by its colour; beyond the palette's six by its hatching too.
    looks = {
        name: (PALETTE[place % len(PALETTE)], ("", "///", "...", "xxx")[place // len(PALETTE) % 4])
        for place, name in enumerate(names)
    }
    groups = list(dict.fromkeys(sets))
    widest = max(sum(len(own) + 1 for own in one.values()) for one in found.values())
    columns = 1 if len(found) == 1 else 2
    lines = -(-len(found) // columns)
    with matplotlib.rc_context(SETTINGS):
        width = float(np.clip(0.34 * widest + 1.2, 3.4, 9))
        legend = 0.22 * -(-len(names) // 4)
        figure = new_figure(width * columns, 2.6 * lines + legend)
        grid = np.atleast_1d(figure.subplots(lines, columns, squeeze=False)).reshape(-1)
        for axes, (title, one) in zip(grid, found.items(), strict=False):
            start, centres = 0.0, []
            for own in one.values():
                places = start + np.arange(len(own))
                centres.append(places.mean() if len(own) else start)
                for place, (name, (value, low, high)) in zip(places, own.items(), strict=True):
                    if not np.isfinite(value):
                        axes.text(place, 0.02, "no value", rotation=90, ha="center", fontsize=7, color=GREY)
                        continue
                    color, hatch = looks[name]
                    axes.bar(place, value, width=0.82, color=color, hatch=hatch, edgecolor="white", linewidth=0.5)
                    if np.isfinite(low):
                        axes.plot([place, place], [low, high], color=INK, linewidth=1.4)
                start += len(own) + 1
            axes.set_xticks(centres, list(one))
            axes.tick_params(axis="x", length=0)
            axes.set(title=title, ylim=(0, 1.02))
            axes.grid(axis="y")
            axes.set_axisbelow(True)
        for axes in grid[len(found) :]:
            axes.set_visible(False)
        handles = [
            matplotlib.patches.Patch(facecolor=color, hatch=hatch, edgecolor="white", label=legend_text(name))
            for name, (color, hatch) in looks.items()
        ]
        if len(names) > 1 or len(groups) > 1:
            figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(names)))
        else:
            figure.suptitle(names[0], x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure
