"""Intervals as a figure, by Matplotlib alone: what `Scores.plot` draws. The report's figures have their own style."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xaijax._errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS = 3  # panels side by side at most


class Bar(NamedTuple):
    """One line of a panel: a value with its interval; NaN is not drawn."""

    name: str
    value: float
    low: float
    high: float


def panels(found: Mapping[str, Sequence[Bar]]) -> "Figure":
    """One panel per entry, one line per bar, the first at the top.

    Args:
        found: {title: bars}, at least one.

    Returns:
        A Matplotlib figure, outside pyplot.
    """
    from matplotlib.figure import Figure

    if not found:
        raise InputError("there is nothing to plot: the scores have no rows")
    across = min(ACROSS, len(found))
    down = -(-len(found) // across)
    most = max(len(bars) for bars in found.values())
    figure = Figure(figsize=(4.2 * across, (0.9 + 0.28 * most) * down), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False).reshape(-1)
    for axes in grid[len(found) :]:
        axes.set_axis_off()
    for axes, (title, bars) in zip(grid, found.items(), strict=False):
        for height, bar in enumerate(bars):
            if np.isfinite(bar.low):
                axes.plot([bar.low, bar.high], [height, height], color="C0", linewidth=2.5, alpha=0.5)
            axes.plot(bar.value, height, "o", color="C0")
        axes.set_title(title.replace("_", " "), loc="left")
        axes.set_yticks(range(len(bars)), [bar.name.replace("_", " ") for bar in bars])
        axes.set_ylim(len(bars) - 0.5, -0.5)
        axes.grid(visible=True, axis="x", alpha=0.3)
    return figure
