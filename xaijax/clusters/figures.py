"""The figures of a clustering: maps as points, the eigenvalues, and where the evidence of each cluster lies."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax.plot._style import GREY, INK, PALETTE, SETTINGS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
NAMED = 12  # classes or clusters that the legend names


def embedding(
    points: np.ndarray, labels: np.ndarray, classes: Sequence[str], names: Sequence[str], kind: str
) -> "Figure":
    """Maps as points: by cluster on the left, by class on the right.

    Args:
        points: `[N, 2]`.
        labels: `[N]` clusters, from 0.
        classes: `[N]` the class of each image.
        names: of the clusters.
        kind: "tsne" or "spectral".

    Returns:
        A figure 9 inches wide.
    """
    import matplotlib

    title = {"tsne": "t-SNE of the maps", "spectral": "eigenvectors of the clustering"}[kind]
    known = sorted(set(classes))
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(9, 4.3)
        left, right = figure.subplots(1, 2, sharex=True, sharey=True)
        _points(left, points, labels, names, f"{title}, by cluster", "clusters")
        places = np.array([known.index(name) for name in classes])
        _points(right, points, places, known, "the same, by class", "classes")
    return figure


def _points(axes: "Axes", points: np.ndarray, groups: np.ndarray, names: Sequence[str], title: str, what: str) -> None:
    for number, name in enumerate(names):
        own = groups == number
        if not own.any():
            continue
        style: Any = {"color": PALETTE[number % len(PALETTE)], "marker": MARKS[number % len(MARKS)]}
        label = name if number < NAMED else None
        axes.scatter(
            points[own, 0], points[own, 1], s=18, alpha=0.8, linewidths=0.4, edgecolors="white", label=label, **style
        )
    more = f", the first {NAMED} of {len(names)} {what} named" if len(names) > NAMED else ""
    axes.set(xticks=[], yticks=[], title=f"{title}{more}")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=3, handletextpad=0.2, columnspacing=0.8)


def eigenvalues(values: np.ndarray, chosen: int) -> "Figure":
    """The smallest eigenvalues, and the gap that gives the number of clusters.

    Args:
        values: ascending.
        chosen: number of clusters.

    Returns:
        A figure 5 inches wide.
    """
    import matplotlib

    numbers = np.arange(1, len(values) + 1)
    with matplotlib.rc_context(SETTINGS):
        figure = new_figure(5, 2.6)
        axes = figure.subplots()
        axes.plot(numbers, values, color=GREY, linewidth=0.8)
        axes.scatter(numbers, values, s=22, color=[PALETTE[0] if n <= chosen else GREY for n in numbers], zorder=3)
        if chosen < len(values):
            axes.axvline(chosen + 0.5, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
            axes.annotate(
                f"{chosen} clusters", (chosen + 0.5, values.max()), (4, -2), textcoords="offset points", va="top"
            )
        axes.set(xlabel="number", ylabel="eigenvalue", xticks=numbers)
        axes.grid(axis="y")
    return figure


def heat(mean: np.ndarray, side: int = 160) -> np.ndarray:
    """The mean map of a cluster as an image: dark where it has no evidence, bright where it has most.

    Args:
        mean: `[h, w]`, at least 0.
        side: pixels of the longer side.

    Returns:
        `[H, W, 3]` uint8.

    Example:
        >>> heat(np.eye(4)).shape
        (160, 160, 3)
    """
    import matplotlib

    factor = max(1, side // max(mean.shape))
    scaled = mean / mean.max() if mean.max() > 0 else mean
    grown = np.kron(scaled, np.ones((factor, factor)))
    return np.rint(255 * matplotlib.colormaps["inferno"](grown)[..., :3]).astype(np.uint8)
